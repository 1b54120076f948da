"""The records of runs in the cache folder: one file each for everybody, and one in the tree of its user.

The second one has the look-ups that are this user's alone. A line of JSON says what the run was and counts its
look-ups, so that a statistic reads no more than that; each other line is a look-up.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Ended, Kind, Outcome, Readers, RemoteUse, Run
from cachedindex.named import NamedTuple
from cachedindex.rules import kept, urls
from cachedindex.store import disk, new_file, private, system

FOLDER = "runs-v1"
MOST = 500
"""So many runs are kept in a tree; a process that adds one removes the oldest."""
MOST_BYTES = 50_000_000
"""Bytes that a collection leaves in a tree; one run has a megabyte at most."""
_MOST_LOOKUPS = 4000
_NAME = re.compile(r"\d{8}T\d{6}Z\.[0-9a-f]{8}")
_MOST_NUMBER = 1e11
"""Seconds, or look-ups: a moment beyond it has no date."""
_DULL = ("hit", "passed", "revalidated", "negative")
"""How most look-ups of a healthy run end: of a run with too many of them, these are left out first."""


class IndexCounts(NamedTuple):
    """What one run had of one index, or of an origin of files."""

    ended: Counter[str]
    """How many of its look-ups ended in which way."""
    took: float = 0.0
    """The median of the seconds of upstream's answers; 0 if there was none."""


class Summed(NamedTuple):
    """A run without its look-ups, but with what they come to."""

    run: Run
    indexes: dict[str, IndexCounts]
    """By URL: of pages that of their index, of anything else that of its origin."""

    @property
    def ended(self) -> Counter[str]:
        """How many look-ups ended in which way."""
        return sum((counts.ended for counts in self.indexes.values()), Counter())


def write(root: Path, run: Run) -> str:
    """Write the record of a run whose URLs may be shown, and return its name; StoreUnavailable if that fails."""
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(run.started))}.{os.urandom(4).hex()}"
    for tree, readers in ((root, "all"), (private.folder_of_user(root), "user")):
        own = [outcome for outcome in run.outcomes if outcome.seen_by == readers]
        if readers == "all" or (own and private.is_own(root)):
            is_cut = readers == "all" and len(own) < len(run.outcomes)
            command = kept.program(run.command) if is_cut else run.command
            new_file.publish(tree / FOLDER / name, _encoded(run._replace(command=command, outcomes=own)), tree)
            _trim(tree)
    return name


def names(root: Path) -> list[str]:
    """Return the names of all runs that this user may see, the oldest first."""
    return sorted({name for tree in _trees(root) for name in _in(tree)})


def summed(root: Path, name: str) -> Summed | None:
    """Return a run by its name, without its look-ups; None if there is none, or it cannot be read."""
    found = [each for tree in _trees(root) if (each := _summed(tree / FOLDER / name))]
    if not found:
        return None
    indexes: dict[str, IndexCounts] = {}
    for each in found:
        for url, counts in each.indexes.items():
            known = indexes.get(url, IndexCounts(Counter()))
            indexes[url] = IndexCounts(known.ended + counts.ended, counts.took or known.took)
    return Summed(found[-1].run._replace(left_out=sum(each.run.left_out for each in found)), indexes)


def read(root: Path, name: str) -> Run | None:
    """Return a run by its name, with its look-ups in the order of time; None as `summed`."""
    found = summed(root, name)
    if found is None:
        return None
    shared, own = (list(readable(_lines(tree / FOLDER / name)[1:])) for tree in _trees(root))
    outcomes = [*shared, *(outcome._replace(seen_by="user") for outcome in own)]
    return found.run._replace(outcomes=sorted(outcomes, key=lambda outcome: outcome.at))


def encoded(outcome: Outcome) -> bytes:
    """Return an outcome's line, without its end. The names are the format's: a field may get another one.

    Release 0.1.0 has the first six fields, and skips those that it does not know.
    """
    fields: dict[str, Any] = {
        "ended": outcome.ended,
        "kind": outcome.kind,
        "url": outcome.url,
        "origin": outcome.origin,
        "why": outcome.why,
        "age": outcome.age,
    }
    more = {"at": outcome.at, "sha256": outcome.sha256, "took": outcome.took, "index": outcome.shown_index}
    fields.update({name: value for name, value in more.items() if value})
    if outcome.seen_by != "all":
        fields["seen_by"] = outcome.seen_by
    return json.dumps(fields).encode()


def decoded(line: bytes) -> Outcome:
    """Return the line's outcome; ValueError, TypeError or LookupError if it was cut, or has another format."""
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise ValueError(f"not an outcome: {line!r}")  # noqa: TRY004 - the text is wrong, not its type
    return Outcome(
        ended=cast("Ended", str(fields["ended"])),
        kind=cast("Kind", str(fields["kind"])),
        url=str(fields["url"]),
        origin=str(fields["origin"]),
        why=str(fields["why"]),
        age=None if fields["age"] is None else _number(fields["age"]),
        at=_number(fields.get("at", 0.0)),
        sha256=str(fields.get("sha256", "")),
        took=_number(fields.get("took", 0.0)),
        seen_by=cast("Readers", str(fields.get("seen_by", "all"))),
        shown_index=str(fields.get("index", "")),
    )


def readable(lines: Iterable[bytes]) -> Iterator[Outcome]:
    """Yield the outcomes of those lines that are whole."""
    for line in lines:
        with suppress(ValueError, TypeError, LookupError, RecursionError):  # A full disk cut it.
            yield decoded(line)


def index_of(outcome: Outcome) -> str:
    """Return under which URL a look-up is counted: a page under its index, anything else under its origin."""
    return urls.repository(outcome.url) if outcome.kind == "page" else f"{outcome.origin}/"


def sum_up(outcomes: Iterable[Outcome]) -> dict[str, IndexCounts]:
    """Return what look-ups come to, by index. A late answer is no look-up of its own."""
    by_index: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.ended != "late":
            by_index[index_of(outcome)].append(outcome)
    return {
        url: IndexCounts(Counter(each.ended for each in found), _median([each.took for each in found if each.took]))
        for url, found in by_index.items()
    }


def _median(numbers: Sequence[float]) -> float:
    return sorted(numbers)[len(numbers) // 2] if numbers else 0.0


def _encoded(run: Run) -> bytes:
    chosen = sorted(run.outcomes, key=lambda outcome: (outcome.ended in _DULL, outcome.at))[:_MOST_LOOKUPS]
    head = {
        "command": run.command,
        "job": run.job,
        "build": run.build,
        "started": run.started,
        "duration": run.duration,
        "code": run.code,
        "damaged": run.damaged,
        "uncovered": list(run.uncovered),
        "remote": [use._asdict() for use in run.remote],
        "left_out": len(run.outcomes) - len(chosen),
        "indexes": {url: {"ended": counts.ended, "took": counts.took} for url, counts in sum_up(run.outcomes).items()},
    }
    lines = [json.dumps(head).encode(), *map(encoded, chosen)]
    return b"".join(line + b"\n" for line in lines)


def _summed(path: Path) -> Summed | None:
    try:
        fields = json.loads(next(iter(_lines(path)), b""))
        run = Run(
            command=str(fields["command"]),
            job=str(fields["job"]),
            build=str(fields["build"]),
            started=_number(fields["started"]),
            duration=_number(fields["duration"]),
            code=None if fields["code"] is None else int(_number(fields["code"])),
            damaged=int(_number(fields["damaged"])),
            left_out=int(_number(fields["left_out"])),
            uncovered=tuple(str(name) for name in fields.get("uncovered", ())),
            remote=tuple(map(remote_use, fields.get("remote", ()))),
        )
        return Summed(run, {str(url): _counts(found) for url, found in fields["indexes"].items()})
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):  # Cut, or another program's.
        return None


def remote_use(fields: dict[str, Any]) -> RemoteUse:
    """Return what a run had of its remote, from its fields; ValueError, TypeError or LookupError for another format."""
    texts = {name: str(fields[name]) for name in ("place", "phase", "problem")}
    seconds = {name: _number(fields[name]) for name in ("latency", "took")}
    counts = {name: int(_number(fields[name])) for name in RemoteUse._fields if name not in (*texts, *seconds)}
    return RemoteUse(**texts, **seconds, **counts)  # type: ignore[arg-type]


def _counts(fields: dict[str, Any]) -> IndexCounts:
    return IndexCounts(
        Counter({str(ended): int(_number(count)) for ended, count in fields["ended"].items()}), _number(fields["took"])
    )


def _number(value: Any) -> float:
    """Return a number that can be computed with; ValueError if it is none, as in what another program wrote."""
    if not isinstance(value, (int, float)) or not -_MOST_NUMBER < value < _MOST_NUMBER:  # Neither is NaN.
        raise ValueError(f"not a number of a run: {value!r}")
    return float(value)


def _lines(path: Path) -> list[bytes]:
    try:
        return (disk.read(path, path.parent) or b"").splitlines()
    except StoreUnavailable:  # Another user made it so that nobody else may read it.
        return []


def _trees(root: Path) -> tuple[Path, Path]:
    return root, private.folder_of_user(root)


def _in(tree: Path) -> list[str]:
    """Return the names of the runs in a tree, the oldest first."""
    try:
        return sorted(filter(_NAME.fullmatch, os.listdir(tree / FOLDER)))  # noqa: PTH208 - 0.1 ms; Path's takes ten times as long
    except OSError:  # It is not there, or not this user's.
        return []


def _trim(tree: Path) -> None:
    """Remove the oldest runs beyond the most that are kept.

    It takes one listing of the folder; on a host that stores nothing new, nobody collects.
    """
    for name in _in(tree)[:-MOST]:
        with suppress(OSError):  # Another process has removed it, or it is another user's.
            system.files.unlink(tree / FOLDER / name)
