"""What a run remembers of look-ups that had no copy, so that it does not wait for the same answer again and again.

For one run only, and not for long: a project that was missing a moment ago may have been uploaded since.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cachedindex.model import Event, RunMemory


def recall(events: Iterable[Event]) -> RunMemory:
    """Return the state that the events of one origin amount to."""
    cold = RunMemory()
    for event in events:
        cold = learn(cold, event)
    return cold


def learn(cold: RunMemory, event: Event) -> RunMemory:
    """Return the state after one more event; any answer shows that the origin is there."""
    if event.what == "failed":
        return replace(cold, failed=(event.at, event.cause))
    missing = {url: at for url, at in cold.missing.items() if url != event.url}
    if event.what == "removed":
        missing[event.url] = event.at
    return RunMemory(missing=missing)


def failed_since(cold: RunMemory, seconds: float, now: float) -> tuple[float, str] | None:
    """Return when a look-up failed within the last seconds, and of what; a clock that ran back makes it none."""
    return cold.failed if cold.failed and 0 <= now - cold.failed[0] < seconds else None


def is_missing(cold: RunMemory, url: str, seconds: float, now: float) -> bool:
    """Return whether the origin said within the last seconds that it has no such page."""
    at = cold.missing.get(url)
    return at is not None and 0 <= now - at < seconds


def worth_noting(cold: RunMemory, event: Event) -> bool:
    """Return whether an event changes anything: in a healthy build nothing is written."""
    return learn(cold, event) != cold
