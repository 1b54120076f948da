"""The outages of indexes, as the look-ups of runs show them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cachedindex.model import Outcome
from cachedindex.options import FAIL_TIMEOUT_LIMIT
from cachedindex.store import runs

_OFFLINE = "offline = true"
_UNHEARD = ("stale", "absent", "mirrored", "failed", "refused")
_APART = FAIL_TIMEOUT_LIMIT
"""Seconds: failures of one index that are no further apart are one outage, also if it has answered in between."""


@dataclass(frozen=True)
class Outage:
    """A time in which an index did not answer as it should."""

    index: str
    since: float
    """The first look-up that failed, in seconds since the epoch."""
    until: float
    """The first sound answer after the last failure; that failure itself, if there was none."""
    is_over: bool
    lookups: int
    """How many failed."""
    why: str
    """The most frequent cause."""


def failed(outcome: Outcome) -> bool:
    """Return whether a look-up shows that its index failed; not one that was not to ask it."""
    return outcome.ended in _UNHEARD and not outcome.why.startswith(_OFFLINE)


def outages(outcomes: Iterable[Outcome]) -> list[Outage]:
    """Return the outages of all indexes, in the order in which they began."""
    by_index: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in sorted(outcomes, key=lambda outcome: outcome.at):
        by_index[runs.index_of(outcome)].append(outcome)
    found = [outage for index, each in by_index.items() for outage in _of_index(index, each)]
    return sorted(found, key=lambda outage: (outage.since, outage.index))


def _of_index(index: str, outcomes: Sequence[Outcome]) -> list[Outage]:
    groups: list[list[Outcome]] = []
    for outcome in filter(failed, outcomes):
        if not groups or outcome.at - groups[-1][-1].at > _APART:
            groups.append([])
        groups[-1].append(outcome)
    answers = [outcome.at for outcome in outcomes if _is_answer(outcome)]
    return [_outage(index, group, answers) for group in groups]


def _outage(index: str, group: Sequence[Outcome], answers: Sequence[float]) -> Outage:
    last = group[-1].at
    end = next((at for at in answers if at > last), None)
    causes = Counter(outcome.why for outcome in group if not outcome.why.startswith("not asked: "))
    why = (causes or Counter(outcome.why for outcome in group)).most_common(1)[0][0]
    return Outage(index, group[0].at, last if end is None else end, end is not None, len(group), why)


def _is_answer(outcome: Outcome) -> bool:
    """Return whether upstream gave a sound answer in time; nobody knows of a hit."""
    return outcome.ended in ("revalidated", "miss") or (outcome.ended == "passed" and outcome.took > 0)
