"""zc.buildout: its own look-ups go through the opener, those of its pips through the hook.

`cachedindex run` covers a buildout from before its first read, by the settings of the node. The extension does so from
when buildout loads it, or brings the options of the project to a buildout that is covered already.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cachedindex import sources
from cachedindex.clients.buildout import ahead, candidates, eggproxy, finder, pips
from cachedindex.clients.buildout.pages import BuildoutPages
from cachedindex.clients.urllib import opener
from cachedindex.errors import SettingsError
from cachedindex.options import folders
from cachedindex.process import Process, join
from cachedindex.run import environment
from cachedindex.run.report import Report

_CLIENT = "buildout"
_PLACE = f"[{sources.SECTION}]"


def attach() -> None:
    """Cover buildout from before its first read, by the settings of the environment and the node."""
    _cover(join(_CLIENT, sources.load(), begin=True), {}, {})


def extension(buildout: Any) -> None:
    """Cover this buildout by its own options; entry point `zc.buildout.extension` (zc.buildout 6.0.1, buildout.py).

    If a buildout lists any extension, it calls every one that is installed.
    """
    from zc.buildout import UserError  # noqa: PLC0415 - buildout is our caller

    try:
        options, remarks = _options(buildout)
        sections = {name: dict(buildout[name]) for name in buildout if sources.is_index_section(name)}
        loaded = sources.load(options, _PLACE, sections=sections)
        loaded = loaded._replace(warnings=(*remarks, *loaded.warnings))
        process = join(_CLIENT, loaded, begin=True)
        process.failed = True  # Until `unload` is called.
        _cover(process, options, sections, buildout["buildout"].get("index", ""))
        _hand_down_at_restart(buildout, process)
    except SettingsError as error:
        raise UserError(str(error)) from None
    except UserError:  # Of buildout's own substitution.
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
        Report().internal_error(error)


def unload(_buildout: Any) -> None:
    """Note that the build has succeeded; entry point `zc.buildout.unloadextension`.

    buildout calls it at the end of a successful `install`, and at no other time (zc.buildout 6.0.1, buildout.py).
    """
    join(_CLIENT).failed = False


def _cover(
    process: Process, options: Mapping[str, str], sections: Mapping[str, Mapping[str, str]], index: str = ""
) -> None:
    """Put the cache before the look-ups of buildout and of its pips, which get `options` and `sections`.

    `index` is the one that buildout will search, if that is known.
    """
    if process.cache is None:
        # A pip below `cachedindex run` is covered even without buildout.
        process.children = {sources.variable("disable"): "true"}
        return
    if not process.attached:
        process.attached = True
        _attach(process, index)
    process.hand_down(os.environ, {**options, **environment.given(os.environ)}, sections)


def _attach(process: Process, index: str) -> None:
    from zc.buildout import UserError, easy_install  # noqa: PLC0415 - buildout is our caller

    pages = BuildoutPages(process, index, is_slow=not candidates.attach(easy_install))
    if not finder.attach(pages, easy_install, UserError):
        process.report.warn(
            "this zc.buildout finds versions in another way; it sees a new one only after a page has expired"
        )
    if not ahead.attach(pages, easy_install) and process.settings.ahead:
        process.report.warn(ahead.MOVED)
    if not pips.attach(pages, easy_install, process):
        process.report.warn("this zc.buildout starts pip in another way; that pip continues without the cache")
    opener.install(pages, UserError)


def _options(buildout: Any) -> tuple[dict[str, str], list[str]]:
    """Return the options of the section, and remarks; paths are as buildout reads paths, offline is as buildout is."""
    # Not `in buildout`: that is false for a section whose substitution fails.
    section = dict(buildout[sources.SECTION]) if sources.SECTION in buildout.keys() else {}  # noqa: SIM118
    options, remarks = eggproxy.translated(section, _PLACE)
    base = Path(buildout["buildout"]["directory"])
    for name in ("cache-dir", "lock-dir"):
        if options.get(name):
            options[name] = _below(base, options[name])
    if options.get("also-read", "").strip():
        options["also-read"] = "".join(f"{_below(base, name)}\n" for name in folders(options["also-read"]))
    if buildout["buildout"].get("offline") == "true":
        options.setdefault("offline", "true")
    return options, list(map(str, remarks))


def _below(base: Path, name: str) -> str:
    return str(base / (sources.expanded(name) or name))


def _hand_down_at_restart(buildout: Any, process: Process) -> None:
    """Make a buildout that upgrades itself, and starts again as a child, a part of this run (6.0.1, buildout.py)."""
    original = getattr(buildout, "_maybe_upgrade", None)
    if original is None or process.run is None or not process.began_run:
        return
    variables = environment.of_run(process.run)

    @functools.wraps(original)
    def maybe_upgrade() -> None:
        try:
            with pips.in_environment(variables):
                original()
        except SystemExit as end:
            if not end.code:
                process.failed = False
            raise

    buildout._maybe_upgrade = maybe_upgrade  # noqa: SLF001
