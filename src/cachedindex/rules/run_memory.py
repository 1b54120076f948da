"""The negative cache of a run: what it remembers of look-ups without a copy, so that it does not wait in vain again.

For one run only, and not for long: a project that was missing a moment ago may have been uploaded since. Only attempts
without any answer count as failed: an index may answer 500 for one project that it does not even have.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cachedindex.model import Event, RunMemory
from cachedindex.rules import urls

_WHOLE = ""
"""Stands for the origin among its repositories."""


def recall(events: Iterable[Event]) -> RunMemory:
    """Return the state that the events of one origin amount to."""
    memory = RunMemory()
    for event in events:
        memory = learn(memory, event)
    return memory


def learn(memory: RunMemory, event: Event) -> RunMemory:
    """Return the state after one more event; any answer shows that its repository is there, and the origin."""
    repository = urls.repository(event.url)
    if event.what in ("failed", "unreachable"):
        name = _WHOLE if event.what == "unreachable" else repository
        return replace(memory, failed={**memory.failed, name: (event.at, event.cause)})
    failed = {name: seen for name, seen in memory.failed.items() if name not in (repository, _WHOLE)}
    missing = {url: at for url, at in memory.missing.items() if url != event.url}
    if event.what == "removed":
        missing[event.url] = event.at
    return RunMemory(failed, missing)


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
    return learn(memory, event) != memory
