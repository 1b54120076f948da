"""The circuit breakers of a repository and of its origin: their state after each event, and what they admit.

Events are only appended, so processes need no lock to share them; the state is their fold. Of one origin's events there
are two folds. A repository's takes those of its own URLs, since its neighbours may be well. The origin's counts as
failures only those that no repository could have answered, and everything else as an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from cachedindex.model import Doubted, Event, Health
from cachedindex.options import CLOCK_SKEW, CONFIRM_AFTER, FAIL_TIMEOUT, FAIL_TIMEOUT_LIMIT, FAIL_WINDOW, MAX_FAILS
from cachedindex.rules import urls

_MEMORY = 2 * 86400.0
"""Seconds for which an event counts: twice as long as a doubt lasts at most."""
_FORGOTTEN = FAIL_TIMEOUT_LIMIT
"""Seconds after which a URL's failure is forgotten, unless the breaker is still open: an hour later it says nothing."""
_SLOW = 1.5
"""Seconds from which on the duration of an answer is noted: half of the default timeout."""

_UNSAID = "it failed a moment ago"

Admission = Literal["ask", "probe", "hold"]


def of_repository(events: Iterable[Event], repository: str) -> Iterator[Event]:
    """Yield those of an origin's events that say something of one of its repositories."""
    return (event for event in events if event.what != "unreachable" and urls.repository(event.url) == repository)


def of_origin(events: Iterable[Event]) -> Iterator[Event]:
    """Yield an origin's events as what they say of the origin as a whole."""
    for event in events:
        if event.what == "probing":
            yield event
        elif event.what == "unreachable":
            yield event._replace(what="failed")
        else:
            yield Event("answered", event.at, event.url)


def recall(events: Iterable[Event], now: float) -> Health:
    """Return the state after these events; those in the future, or more than two days old, are ignored."""
    health = Health()
    for event in events:
        if -CLOCK_SKEW <= now - event.at <= _MEMORY:
            health = learn(health, event)
    if health.opened is not None:
        return health
    return health._replace(failed={url: seen for url, seen in health.failed.items() if now - seen[0] <= _FORGOTTEN})


def learn(health: Health, event: Event) -> Health:
    """Return the state after one more event."""
    if event.what == "failed":
        return _after_failure(health, event)
    if event.what == "answered":
        return _after_answer(health, event)
    if event.what == "limited":
        return _after_limit(health, event)
    if event.what == "probing":
        # The probe may be another breaker's: this one is closed, or somebody probes already.
        is_anothers = health.opened is None or _is_probed(health, event.at)
        return health if is_anothers else health._replace(probing=(event.at, event.cause))
    if event.what == "removed":
        return health._replace(doubted={url: seen for url, seen in health.doubted.items() if url != event.url})
    known = health.doubted.get(event.url, Doubted(event.at, event.at, event.cause))
    since = known.since if known.digest == event.cause else event.at
    return health._replace(doubted={**health.doubted, event.url: Doubted(known.first, since, event.cause)})


def compacted(events: Sequence[Event]) -> Sequence[Event]:
    """Return those of an origin's events that still count, in their order: a long log is reduced to them.

    Of each URL they are the doubt since its last answer, and its latest failure, unless its repository has answered
    since; of each repository, the latest answer.
    """
    kept: dict[tuple[str, str], Event] = {}
    for event in events:
        if event.what == "doubted":
            kept.setdefault(("first", event.url), event)
            since = kept.get(("since", event.url))
            if since is None or since.cause != event.cause:
                kept["before", event.url], kept["since", event.url] = since or event, event
        elif event.what in ("answered", "removed"):
            place = urls.repository(event.url)
            for what in ("first", "before", "since"):
                kept.pop((what, event.url), None)
            if event.what == "answered":  # It may have closed the breaker.
                failed = [key for key in kept if key[0] == "failed" and urls.repository(key[1]) == place]
                kept = {key: each for key, each in kept.items() if key not in failed}
            kept[event.what, place] = event
        else:
            kept[event.what, event.url] = event
    counting = set(map(id, kept.values()))
    newest = max((event.at for event in events), default=0.0)
    return [event for event in events if id(event) in counting and newest - event.at <= _MEMORY]


def admit(health: Health, url: str, now: float) -> Admission:
    """Return whether a look-up with a copy may ask upstream: yes, as the one probe, or not now."""
    if is_limited(health, now):
        return "hold"
    at, _ = health.failed.get(url, (now - FAIL_TIMEOUT, ""))
    if health.opened is None:
        return "ask" if now - at >= FAIL_TIMEOUT or at > now else "hold"
    if now < health.opened + health.pause or _is_probed(health, now):
        return "hold"
    return "probe"


def admit_by_all(states: Iterable[Health], url: str, now: float) -> Admission:
    """Return whether all breakers on the way admit a look-up."""
    admissions = [admit(health, url, now) for health in states]
    return "hold" if "hold" in admissions else "probe" if "probe" in admissions else "ask"


def is_prober(states: Iterable[Health], token: str) -> bool:
    """Return whether the process that claimed the probe with this token was the first, at each open breaker."""
    return all(health.opened is None or (health.probing or (0.0, ""))[1] == token for health in states)


def is_limited(health: Health, now: float) -> bool:
    """Return whether upstream has asked to be left alone for longer."""
    return health.limited is not None and now < health.limited[0] <= now + FAIL_TIMEOUT_LIMIT


def why_held(states: Iterable[Health], url: str, now: float) -> str:
    """Return the cause that the first breaker gives that does not admit a look-up."""
    return next((why(health, url, now) for health in states if admit(health, url, now) != "ask"), _UNSAID)


def why(health: Health, url: str, now: float) -> str:
    """Return the limit, or the cause and the age of the URL's latest failure, or else of any URL's."""
    if health.limited and is_limited(health, now):
        return health.limited[1]
    at, cause = health.failed.get(url) or max(health.failed.values(), default=(now, _UNSAID))
    return f"{cause}, {max(now - at, 0.0):.0f} s ago"


def worth_noting(health: Health, event: Event) -> bool:
    """Return whether an event is news to other processes: in a healthy build none is, and nothing is written."""
    if event.what in ("doubted", "removed"):
        return learn(health, event) != health
    return event.what != "answered" or _is_answer_news(health, event)


def worth_noting_by_any(states: tuple[Health, Health], event: Event) -> bool:
    """Return whether an answer is news of its repository, or the news that its origin is back."""
    repository, origin = states
    return worth_noting(repository, event) or origin.opened is not None or event.url in origin.failed


def is_slow(took: float) -> bool:
    """Return whether so many seconds of an answer are worth knowing."""
    return took >= _SLOW


def _is_answer_news(health: Health, event: Event) -> bool:
    if health.opened is not None or event.url in health.failed:
        return True
    if event.url in health.doubted:
        return True
    if health.doubted:
        # One for each confirmation period is enough to show that the origin is sound for other URLs.
        return health.answered is None or event.at - health.answered >= CONFIRM_AFTER
    if not is_slow(max(health.took, event.took)):
        return False
    return not 0.5 * health.took <= event.took <= 1.5 * health.took


def _after_failure(health: Health, event: Event) -> Health:
    if health.opened is not None:
        failed = {**health.failed, event.url: (event.at, event.cause)}
        if health.probing is None:
            return health._replace(failed=failed)  # The request was already under way when the breaker opened.
        pause = min(health.pause * 2, FAIL_TIMEOUT_LIMIT)
        return health._replace(failed=failed, opened=event.at, pause=pause, probing=None)
    recent = {url: seen for url, seen in health.failed.items() if event.at - seen[0] <= FAIL_WINDOW}
    recent[event.url] = (event.at, event.cause)
    opened = event.at if len(recent) >= MAX_FAILS else None
    return health._replace(failed=recent, opened=opened, pause=FAIL_TIMEOUT if opened is not None else 0.0)


def _after_limit(health: Health, event: Event) -> Health:
    """Keep the longest wait; an open breaker closes, since it is known now for how long to wait."""
    known = health.limited or (0.0, "")
    until = event.at + min(event.took, FAIL_TIMEOUT_LIMIT)
    limited = (until, event.cause) if until >= known[0] else known
    return health._replace(limited=limited, failed={}, opened=None, pause=0.0, probing=None)


def _after_answer(health: Health, event: Event) -> Health:
    """Clear this URL's failure and doubt; an open breaker closes, since upstream does answer."""
    failed = {url: seen for url, seen in health.failed.items() if url != event.url}
    doubted = {url: seen for url, seen in health.doubted.items() if url != event.url}
    return health._replace(
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
