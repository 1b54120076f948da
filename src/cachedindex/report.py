"""What became of the look-ups: kept for the end of the run, and said in one line when something was served stale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Outcome
from cachedindex.store.runs import Run

_NOUNS = {"page": ("page", "pages"), "file": ("file", "files"), "other": ("download", "downloads")}


class Report:
    """Where the layers leave outcomes and complaints, for one process."""

    def __init__(self, say: Callable[[str], None], run: Run | None = None) -> None:
        """Take what brings one line to a person, and the run whose other processes it is shared with."""
        self._say = say
        self._run = run
        self._said: set[str] = set()
        self.outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome; one that somebody will be told of is shared at once, as the process may be killed."""
        self.outcomes.append(outcome)
        if self._run and outcome.ended in ("stale", "refused"):
            # Where it cannot be written, the disk has been complained about by whoever tried to store.
            with suppress(StoreUnavailable):
                self._run.note(outcome)

    def complain(self, message: str) -> None:
        """Say what went wrong with us, once in a run."""
        if message in self._said:
            return
        self._said.add(message)
        if self._run is None or self._run.first(message):
            self._say(message)


def summary(outcomes: Iterable[Outcome]) -> str | None:
    """Return the one line for a run's end: how much was served stale, how old, from where and why; None for nothing."""
    stale = [outcome for outcome in outcomes if outcome.ended == "stale"]
    if not stale:
        return None
    oldest = max(outcome.age or 0.0 for outcome in stale)
    origins = [
        f"{origin}: {_reason(outcome for outcome in stale if outcome.origin == origin)}"
        for origin in dict.fromkeys(outcome.origin for outcome in stale)
    ]
    return f"served {_amount(stale)} stale, up to {ago(oldest)} old ({'; '.join(origins)})"


def ago(seconds: float) -> str:
    """Return a duration as a person says it: "40 s", "5 min", "3 h 20 min", "12 d"."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{max(seconds, 0.0):.0f} s"
    if minutes < 60:  # noqa: PLR2004 - minutes in an hour
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:  # noqa: PLR2004 - up to two days people count in hours
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d"


def _amount(outcomes: Iterable[Outcome]) -> str:
    counts = Counter(outcome.kind for outcome in outcomes)
    return " and ".join(f"{count} {_NOUNS[kind][count != 1]}" for kind, count in counts.items())


def _reason(outcomes: Iterable[Outcome]) -> str:
    """Return the cause that most look-ups gave."""
    return Counter(outcome.why for outcome in outcomes).most_common(1)[0][0]
