"""The negative cache of a run: what it remembers of look-ups without a copy, so that it does not wait in vain again.

For one run only, and not for long: a project that was missing a moment ago may have been uploaded since. Only attempts
without any answer count as failed: an index may answer 500 for one project that it does not even have.
"""

from __future__ import annotations

from collections.abc import Iterable

from cachedindex.model import Event, RunMemory
from cachedindex.rules import urls

_WHOLE = ""
"""Stands for the origin among its repositories."""


def recall(events: Iterable[Event]) -> RunMemory:
    """Return the state that the events of one origin amount to."""
    failed: dict[str, tuple[float, str]] = {}
    missing: dict[str, float] = {}
    for event in events:
        _learn(failed, missing, event)
    return RunMemory(failed, missing)


def _learn(failed: dict[str, tuple[float, str]], missing: dict[str, float], event: Event) -> None:
    """Change the state by one more event; any answer shows that its repository is there, and the origin."""
    repository = urls.repository(event.url)
    if event.what in ("failed", "unreachable"):
        failed[_WHOLE if event.what == "unreachable" else repository] = (event.at, event.cause)
        return
    for name in (repository, _WHOLE):
        failed.pop(name, None)
    missing.pop(event.url, None)
    if event.what == "removed":
        missing[event.url] = event.at


def failed_since(memory: RunMemory, url: str | None, seconds: float, now: float) -> tuple[float, str] | None:
    """Return when a look-up at a URL's repository, or at its whole origin, failed within these last seconds, and why.

    At any repository of the origin, if there is no URL. None if none did, or the clock was set back.
    """
    names = (urls.repository(url), _WHOLE) if url else memory.failed
    seen = [memory.failed[name] for name in names if name in memory.failed]
    return max((each for each in seen if 0 <= now - each[0] < seconds), default=None)


def is_missing(memory: RunMemory, url: str, seconds: float, now: float) -> bool:
    """Return whether the origin said within these last seconds that it has no such page."""
    at = memory.missing.get(url)
    return at is not None and 0 <= now - at < seconds


def worth_noting(memory: RunMemory, event: Event) -> bool:
    """Return whether an event changes anything: in a healthy build nothing is written."""
    if event.what == "answered":
        return event.url in memory.missing or bool({urls.repository(event.url), _WHOLE} & memory.failed.keys())
    return True
