"""How each index is, as the health logs of this host say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cachedindex.model import Event, Health
from cachedindex.options import FAIL_TIMEOUT
from cachedindex.rules import breaker, urls
from cachedindex.store import health_log

State = Literal["well", "doubtful", "limited", "failing"]
_WORST = ("well", "doubtful", "limited", "failing")
_FAILURES = ("failed", "unreachable")


@dataclass(frozen=True)
class Index:
    """A repository, and what this host knows of it."""

    url: str
    state: State = "well"
    since: float | None = None
    """Since when it has been so, in seconds since the epoch."""
    why: str = ""
    next_probe: float | None = None
    """From when on a look-up with a copy asks it again, in seconds since the epoch; None if it may be asked now."""


def known(shared: Path, now: float) -> list[Index]:
    """Return the repositories of which the logs in the folder for locks and health say anything.

    If it is reached in several ways, as by a proxy, the worst of them counts.
    """
    log = health_log.of_host(shared, None, read_only=True)
    worst: dict[str, Index] = {}
    for name in health_log.names(shared):
        for index in _of_log(log.events(name), now):
            before = worst.get(index.url)
            if before is None or _WORST.index(index.state) > _WORST.index(before.state):
                worst[index.url] = index
    return list(worst.values())


def _of_log(events: Sequence[Event], now: float) -> Iterator[Index]:
    whole = breaker.recall(breaker.of_origin(events), now)
    for place in dict.fromkeys(urls.repository(event.url) for event in events):
        own = breaker.recall(breaker.of_repository(events, place), now)
        yield _index(place, (own, whole), events, now)


def _index(place: str, states: tuple[Health, Health], events: Sequence[Event], now: float) -> Index:
    own, whole = states
    url = urls.without_tokens(place)
    for health in states:
        if health.limited and breaker.is_limited(health, now):
            return Index(url, "limited", None, health.limited[1], health.limited[0])
    failing = [health for health in states if health.failed]
    if failing:
        why = max(seen for health in failing for seen in health.failed.values())[1]
        probe = max(_next_probe(health) for health in failing)
        since = _since(events, None if whole.failed else place)
        return Index(url, "failing", since, why, probe if probe > now else None)
    if own.doubted:
        since = min(doubt.first for doubt in own.doubted.values())
        return Index(url, "doubtful", since, f"answers for {len(own.doubted)} URLs that are not believed yet")
    return Index(url)


def _next_probe(health: Health) -> float:
    if health.opened is not None:
        return health.opened + health.pause
    return max(at for at, _ in health.failed.values()) + FAIL_TIMEOUT


def _since(events: Sequence[Event], place: str | None) -> float | None:
    """Return when the first failure came after the last answer; of a place, or of its whole origin."""
    since = None
    for event in reversed([event for event in events if place is None or urls.repository(event.url) == place]):
        if event.what in _FAILURES:
            since = event.at
        elif event.what == "answered":
            break
    return since


def failing(found: Iterable[Index]) -> list[Index]:
    """Return those that a person should look after."""
    return [index for index in found if index.state in ("failing", "doubtful")]
