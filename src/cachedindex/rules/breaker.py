"""The circuit breaker of an origin: its state after each event, and whether the origin may be asked now.

Events are only appended, so processes need no lock to share them; the state is their fold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from cachedindex.model import Doubted, Event, Health
from cachedindex.options import CLOCK_SKEW, CONFIRM_AFTER, FAIL_TIMEOUT, FAIL_TIMEOUT_LIMIT, FAIL_WINDOW, MAX_FAILS

_MEMORY = 2 * 86400.0
"""Seconds for which an event counts: twice as long as a doubt lasts at most."""
_SLOW = 1.5
"""Seconds from which on the duration of an answer is noted: half of the default timeout."""

Admission = Literal["ask", "probe", "hold"]


def recall(events: Iterable[Event], now: float) -> Health:
    """Return the state after these events; those in the future, or more than two days old, are ignored."""
    health = Health()
    for event in events:
        if -CLOCK_SKEW <= now - event.at <= _MEMORY:
            health = learn(health, event)
    return health


def learn(health: Health, event: Event) -> Health:
    """Return the state after one more event."""
    if event.what == "failed":
        return _after_failure(health, event)
    if event.what == "answered":
        return _after_answer(health, event)
    if event.what == "probing":
        return health if _is_probed(health, event.at) else replace(health, probing=(event.at, event.cause))
    if event.what == "removed":
        return replace(health, doubted={url: seen for url, seen in health.doubted.items() if url != event.url})
    known = health.doubted.get(event.url, Doubted(event.at, event.at, event.cause))
    since = known.since if known.digest == event.cause else event.at
    return replace(health, doubted={**health.doubted, event.url: Doubted(known.first, since, event.cause)})


def admit(health: Health, url: str, now: float) -> Admission:
    """Return whether a look-up with a copy may ask upstream: yes, as the one probe, or not now."""
    at, _ = health.failed.get(url, (now - FAIL_TIMEOUT, ""))
    if health.opened is None:
        return "ask" if now - at >= FAIL_TIMEOUT or at > now else "hold"
    if now < health.opened + health.pause or _is_probed(health, now):
        return "hold"
    return "probe"


def is_prober(health: Health, token: str) -> bool:
    """Return whether the process that claimed the probe with this token was the first to do so."""
    return health.probing is not None and health.probing[1] == token


def why(health: Health, url: str) -> str:
    """Return the cause of the URL's latest failure, or else of the origin's."""
    latest = health.failed.get(url) or max(health.failed.values(), default=(0.0, "it failed a moment ago"))
    return latest[1]


def worth_noting(health: Health, event: Event) -> bool:
    """Return whether an event is news to other processes: in a healthy build none is, and nothing is written."""
    if event.what in ("doubted", "removed"):
        return learn(health, event) != health
    return event.what != "answered" or _is_answer_news(health, event)


def _is_answer_news(health: Health, event: Event) -> bool:
    if health.opened is not None or event.url in health.failed:
        return True
    if event.url in health.doubted:
        return True
    if health.doubted:
        # One for each confirmation period is enough to show that the origin is sound for other URLs.
        return health.answered is None or event.at - health.answered >= CONFIRM_AFTER
    if max(health.took, event.took) < _SLOW:
        return False
    if health.took:
        return not 0.5 * health.took <= event.took <= 1.5 * health.took
    return event.took >= _SLOW


def _after_failure(health: Health, event: Event) -> Health:
    if health.opened is not None:
        failed = {**health.failed, event.url: (event.at, event.cause)}
        if health.probing is None:
            return replace(health, failed=failed)  # The request was already under way when the breaker opened.
        pause = min(health.pause * 2, FAIL_TIMEOUT_LIMIT)
        return replace(health, failed=failed, opened=event.at, pause=pause, probing=None)
    recent = {url: seen for url, seen in health.failed.items() if event.at - seen[0] <= FAIL_WINDOW}
    recent[event.url] = (event.at, event.cause)
    opened = event.at if len(recent) >= MAX_FAILS else None
    return replace(health, failed=recent, opened=opened, pause=FAIL_TIMEOUT if opened is not None else 0.0)


def _after_answer(health: Health, event: Event) -> Health:
    """Clear this URL's failure and doubt; an open breaker closes, since upstream does answer."""
    failed = {url: seen for url, seen in health.failed.items() if url != event.url}
    doubted = {url: seen for url, seen in health.doubted.items() if url != event.url}
    return replace(
        health,
        failed={} if health.opened is not None else failed,
        opened=None,
        pause=0.0,
        probing=None,
        took=event.took,
        doubted=doubted,
        answered=event.at if doubted else health.answered,
    )


def _is_probed(health: Health, now: float) -> bool:
    """Return whether a process is probing; if it was killed meanwhile, the others wait for one pause only."""
    return health.probing is not None and now < health.probing[0] + health.pause
