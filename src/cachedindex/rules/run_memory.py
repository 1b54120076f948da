"""The negative cache of a run: what it remembers of look-ups without a copy, so that it does not wait in vain again.

For one run only, and not for long: a project that was missing a moment ago may have been uploaded since. An index may
answer 500 for one project that it does not even have, or reset the connection for one that a firewall does not like: so
a failure that comes at once counts for the other pages only after a second one.
"""

from __future__ import annotations

from collections.abc import Iterable

from cachedindex.model import Event, RunMemory
from cachedindex.options import FAIL_WINDOW
from cachedindex.rules import urls

_WHOLE = ""
"""Stands for the origin among its repositories."""


def recall(events: Iterable[Event]) -> RunMemory:
    """Return the state that the events of one origin amount to."""
    failed: dict[str, tuple[float, str]] = {}
    alone: dict[str, str] = {}
    missing: dict[str, float] = {}
    for event in events:
        if event.what in ("failed", "unreachable", "abrupt"):
            _learn_failure(failed, alone, event)
            continue
        for name in (urls.repository(event.url), _WHOLE):  # Any answer shows that its repository is there.
            failed.pop(name, None)
            alone.pop(name, None)
        missing.pop(event.url, None)
        if event.what == "removed":
            missing[event.url] = event.at
    return RunMemory(failed, missing, alone)


def _learn_failure(failed: dict[str, tuple[float, str]], alone: dict[str, str], event: Event) -> None:
    """Change the state by a failure; an abrupt one is the page's alone until another page fails soon."""
    name = _WHOLE if event.what == "unreachable" else urls.repository(event.url)
    before, _ = failed.get(name, (event.at - 2 * FAIL_WINDOW, ""))
    is_first = event.at - before > FAIL_WINDOW or alone.get(name) == event.url
    if event.what == "abrupt" and is_first:
        alone[name] = event.url
    else:
        alone.pop(name, None)
    failed[name] = (event.at, event.cause)


def failed_since(memory: RunMemory, url: str | None, seconds: float, now: float) -> tuple[float, str] | None:
    """Return when a look-up at a URL's repository, or at its whole origin, failed within these last seconds, and why.

    At any repository of the origin, if there is no URL. None if none did, or the clock was set back.
    """
    names = (urls.repository(url), _WHOLE) if url else memory.failed
    seen = [memory.failed[name] for name in names if name in memory.failed]
    return max((each for each in seen if 0 <= now - each[0] < seconds), default=None)


def may_be_well(memory: RunMemory, url: str) -> bool:
    """Return whether all that failed at a URL's index is another page, which may be the only one."""
    return _WHOLE not in memory.failed and memory.alone.get(urls.repository(url), url) != url


def is_missing(memory: RunMemory, url: str, seconds: float, now: float) -> bool:
    """Return whether the origin said within these last seconds that it has no such page."""
    at = memory.missing.get(url)
    return at is not None and 0 <= now - at < seconds


def worth_noting(memory: RunMemory, event: Event) -> bool:
    """Return whether an event changes anything: in a healthy build nothing is written."""
    if event.what == "answered":
        return event.url in memory.missing or bool({urls.repository(event.url), _WHOLE} & memory.failed.keys())
    return True
