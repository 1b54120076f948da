"""Runs a uv on its own cache if its indexes are down, and with those that answer if only some are.

uv is not intercepted: it writes the address that it asks into `uv.lock` (uv 0.13). `UV_OFFLINE` holds for all indexes
at once, and for downloads from any other host. So if one index answers, uv asks first, with little patience, and has
its own cache after that; and if its cache does not suffice, it is run once more in its own way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil
from pathlib import Path
from types import MappingProxyType

from cachedindex.clients.uv import health, indexes
from cachedindex.clients.uv.health import Down
from cachedindex.hook._cachedindex_children import name_of
from cachedindex.process import Process
from cachedindex.rules.asking import asking
from cachedindex.run.command import Attempt

_FAILED = (1, 2)
"""uv 0.13 ends with 1 if it finds no solution, with 2 for other errors."""
_ONCE = {"run", "tool", "-"}
"""A program may have run before uv ended, and standard input is read once."""
_OFFLINE = MappingProxyType({"UV_OFFLINE": "1"})
_ONLINE = "uv failed on its own cache; it is run again, online"


def attempts(process: Process, command: Sequence[str], environ: Mapping[str, str]) -> Sequence[Attempt]:
    """Return how a uv is run, and note in the run whether it is covered; it warns if uv is offline from the start."""
    if process.upstream is None or not _asks(command):
        return (Attempt(),)
    if _has_choice(command, environ):
        _note(process)
        return (Attempt(),)
    found = indexes.of(command, environ)
    if found is None:
        _note(process, "its indexes are not known")
        return (Attempt(),)
    down = {index: why for index in found
            if (why := health.why_down(process.upstream, index, process.settings.for_url(index)))}  # fmt: skip
    if down and not _has_cache(command, environ):
        _note(process, "its own cache is empty")
        return (Attempt(),)
    _note(process)
    return _planned(process, command, environ, found, down) if down else (Attempt(),)


def _planned(
    process: Process, command: Sequence[str], environ: Mapping[str, str], found: Sequence[str], down: Mapping[str, Down]
) -> Sequence[Attempt]:
    reasons = "; ".join(f"{index}: {each.why}" for index, each in down.items())
    may_repeat = name_of(command[0]) != "uvx" and not _ONCE.intersection(command[1:])
    pretends, is_all = any(each.pretends for each in down.values()), len(down) == len(found)
    again = [Attempt({}, _FAILED, _ONLINE)] if may_repeat and not process.settings.offline else []
    if is_all or pretends or (not may_repeat and found[0] in down):  # Each look-up asks the first index.
        process.report.warn(f"{reasons}; uv uses its own cache (UV_OFFLINE=1)")
        return [Attempt(_OFFLINE), *([] if is_all and pretends else again)]
    if not may_repeat:
        return (Attempt(),)
    impatient = {"UV_HTTP_TIMEOUT": str(ceil(process.settings.timeout)), "UV_HTTP_RETRIES": "0"}
    own = {name: text for name, text in impatient.items() if name not in environ}
    says = f"{reasons}; uv is run again, on its own cache (UV_OFFLINE=1)"
    return [Attempt(own), Attempt(_OFFLINE, _FAILED, says), *again]


def _note(process: Process, why_not: str = "") -> None:
    """Note that this uv takes part in the run, or why it does not."""
    if process.run and why_not:
        process.run.add_uncovered(f"uv ({why_not})")
    elif process.run:
        process.run.add_member()


def _has_cache(command: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether uv has stored a page of any index; if not, offline is no help."""
    named = [value for option, value in pairwise(indexes.options(command)) if option == "--cache-dir"]
    folder = named[-1] if named else indexes.output(command[0], "cache", "dir", environ=environ).strip()
    return any(Path(folder).glob("simple-v*/*/*"))


def _asks(command: Sequence[str]) -> bool:
    return asking(name_of(command[0]), command[1:]) is not None


def _has_choice(command: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether the user has chosen; uv 0.13 refuses `UV_OFFLINE` together with `--refresh`."""
    return "UV_OFFLINE" in environ or any(
        word.startswith(("--offline", "--no-offline", "--refresh")) for word in command[1:]
    )
