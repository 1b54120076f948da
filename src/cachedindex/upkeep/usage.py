"""What the look-ups of the last days come to, as the records of the runs say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
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


def before(root: Path, name: str, job: str, most: int) -> Sequence[Summed]:
    """Return the last runs of a job before the run of this name, or of all jobs if it is empty, the oldest first."""
    earlier = [each for each in runs.names(root) if not name or each < name]
    of_job = (each for each in map(partial(runs.summed, root), reversed(earlier)) if each and job in ("", each.run.job))
    return list(islice(of_job, most))[::-1]


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


def saved(found: Iterable[Summed], took: Mapping[str, float]) -> float | None:
    """Return how many seconds the indexes take for as many answers as came from the folder without asking them.

    `took` is that for one answer, as `speeds` returns it; None if it is not known of any index of which some came.
    """
    counts: Counter[str] = Counter()
    for summed in found:
        counts.update({url: each.ended["hit"] + each.ended["negative"] for url, each in summed.indexes.items()})
    known = [count * took[url] for url, count in counts.items() if count and took.get(url)]
    return sum(known) if known or not counts.total() else None
