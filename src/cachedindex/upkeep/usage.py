"""What the look-ups of the last days come to, as the records of the runs say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cachedindex.store import runs
from cachedindex.store.runs import Summed


@dataclass(frozen=True)
class Usage:
    """The runs of some time."""

    runs: int
    ended: Counter[str] = field(default_factory=Counter)
    """How many look-ups ended in which way."""


def since(root: Path, earliest: float) -> Sequence[Summed]:
    """Return the runs that began at this time or later, in seconds since the epoch, the oldest first."""
    found = (runs.summed(root, name) for name in runs.names(root))
    return [each for each in found if each and each.run.started >= earliest]


def of_runs(found: Iterable[Summed]) -> Usage:
    """Return what these runs come to."""
    each = list(found)
    return Usage(len(each), sum((summed.ended for summed in each), Counter()))


def speeds(found: Iterable[Summed]) -> dict[str, float]:
    """Return the seconds in which each index answered in the last of these runs that asked it; 0 if none did."""
    took: dict[str, float] = {}
    for summed in found:
        for url, counts in summed.indexes.items():
            took[url] = counts.took or took.get(url, 0.0)
    return took
