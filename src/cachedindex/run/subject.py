"""What a page is about: one run, or several, and what is known beside their records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cachedindex.model import Outcome, Run
from cachedindex.run import written
from cachedindex.store.runs import IndexCounts, Summed

if TYPE_CHECKING:  # It reads all that is stored, with modules that the end of a run does without.
    from cachedindex.upkeep.growth import Growth


@dataclass(frozen=True)
class Subject:
    """What a page is about."""

    runs: Sequence[tuple[str, Run, Summed]]
    """Each with its name and its look-ups, the oldest first."""
    at: float
    """When the page is made, in seconds since the epoch."""
    since: float | None = None
    """From when on all runs were wanted; None for a page about one run."""
    job: str = ""
    before: Sequence[Summed] = ()
    """The runs before them, for the hit rate and for what an answer of each index takes, the oldest first."""
    stored: Growth | None = None
    """What the folder holds; None if nobody has looked."""
    outcomes: Sequence[Outcome] = field(init=False)
    """The look-ups of all runs."""

    def __post_init__(self) -> None:
        """Collect the look-ups."""
        object.__setattr__(self, "outcomes", [outcome for _, run, _ in self.runs for outcome in run.outcomes])

    @property
    def ended(self) -> Counter[str]:
        """How many look-ups ended in which way."""
        return sum((summed.ended for _, _, summed in self.runs), Counter())

    @property
    def indexes(self) -> dict[str, IndexCounts]:
        """What the runs had of each index: what failed most first, then what was asked most."""
        found: dict[str, IndexCounts] = {}
        for url, each in (item for _, _, summed in self.runs for item in summed.indexes.items()):
            known = found.get(url, IndexCounts(Counter()))
            found[url] = IndexCounts(known.ended + each.ended, each.took or known.took)
        return dict(sorted(found.items(), key=lambda item: (*_worst(item[1].ended), item[0])))

    @property
    def summed(self) -> list[Summed]:
        """The runs without their look-ups, those before them first."""
        return [*self.before, *(summed for _, _, summed in self.runs)]

    @property
    def span(self) -> tuple[float, float]:
        """The time that the page is about, in seconds since the epoch."""
        if self.since is not None or not self.runs:
            return self.since or self.at, self.at
        first, last = self.runs[0][1], self.runs[-1][1]
        return first.started, last.started + last.duration


def _worst(ended: Mapping[str, int]) -> tuple[int, int]:
    stale, refused = written.counts(ended)[3:5]
    return -(stale + refused), -sum(ended.values())
