"""A repository as a look-up sees it: what host and run remember of it and of its origin, and the right to ask now."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from cachedindex.errors import NotAsked, UpstreamFailed
from cachedindex.model import Event, EventKind, Health, Request, RunMemory
from cachedindex.named import NamedTuple
from cachedindex.rules import breaker, layout, run_memory, urls
from cachedindex.store.health_log import HealthLog


class Admission(NamedTuple):
    """The right to ask now."""

    health: Health
    """What the host remembered of the repository at that moment."""
    probes_after: float | None = None
    """The pause in seconds, if this is the one request that finds out if upstream is back."""


class Origins:
    """The logs in which the processes of this host, and of this run, share what they learn of each origin."""

    def __init__(self, host: HealthLog, run: HealthLog, clock: Callable[[], float]) -> None:
        """Take the logs of the host and of the run; `clock` returns seconds since the epoch."""
        self.host = host
        self.run = run
        self.clock = clock
        self._run_memories: dict[str, tuple[Sequence[Event], RunMemory]] = {}
        self._recalled: dict[tuple[str, str], tuple[Sequence[Event], float, Health]] = {}

    def recall_run(self, name: str) -> RunMemory:
        """Return what this run remembers of an origin; it is folded again only after another event."""
        events = self.run.events(name)
        known = self._run_memories.get(name)
        if known is None or known[0] is not events:
            known = self._run_memories[name] = (events, run_memory.recall(events))
        return known[1]

    def recall(self, name: str, events: Sequence[Event], repository: str) -> Health:
        """Return what an origin's events amount to now: for a repository, or with "" for the origin as a whole."""
        now, known = self.clock(), self._recalled.get((name, repository))
        # A look-up needs it several times, and without a new event it changes slowly.
        if known is None or known[0] is not events or not 0 <= now - known[1] < 1:
            said = breaker.of_repository(events, repository) if repository else breaker.of_origin(events)
            known = self._recalled[name, repository] = (events, now, breaker.recall(said, now))
        return known[2]


class Origin:
    """The place that is to answer one request: a repository of an origin.

    A log is opened only if it has changed since this process read it.
    """

    def __init__(self, request: Request, origins: Origins, final: str = "", asked: str = "") -> None:
        """Name the log and the subject of the events once.

        `final` is where redirects led to the last time, if any; `asked` is the URL that they led here from, if any.
        """
        self.request = request
        self.origins = origins
        self.name = layout.health_name(request)
        self.subject = layout.subject(request)
        self.repository = urls.repository(self.subject)
        self._final = final
        self._asked = asked or request.url

    def health(self) -> Health:
        """Return what this host remembers of the repository."""
        return self.origins.recall(self.name, self.origins.host.events(self.name), self.repository)

    def memory(self) -> RunMemory:
        """Return what this run remembers of look-ups without a copy."""
        return self.origins.recall_run(self.name)

    def hop(self, url: str) -> Origin:
        """Return the place that a URL is of, to which a redirect led; this one, if it is of the same repository."""
        if not url or urls.repository(url) == urls.repository(self.request.url):
            return self
        return Origin(self.request._replace(url=urls.public(url)), self.origins, asked=self.request.url)

    def admit(self) -> Admission:
        """Return the right to ask upstream in spite of a copy; a probe is claimed for this process.

        Raises NotAsked, with the cause of the last failure, if upstream must not be asked now.
        """
        # Nothing is claimed before it is certain that all of them may be asked.
        found = self.considered()
        probed = [place for place, _, admission in found if admission == "probe"]
        token = os.urandom(8).hex() if probed else ""
        return Admission(found[0][1], max((place.claim_probe(token) for place in probed), default=None))

    def considered(self) -> Sequence[tuple[Origin, Health, breaker.Admission]]:
        """Return this place, and where redirects lead from it, with their health, and whether they may be asked.

        Raises NotAsked as `admit`, and claims nothing.
        """
        hop = self.hop(self._final)
        places = (self,) if hop is self else (self, hop)
        return [(place, *place.admission()) for place in places]

    def is_failing(self) -> bool:
        """Return whether a failure is known for which a look-up with a copy would not ask now."""
        return breaker.admit_by_all(self._states(), self.subject, self.origins.clock()) == "hold"

    def has_failed(self) -> bool:
        """Return whether a failure is known that no answer has followed: its next look-up may wait in vain, too."""
        return any(state.failed or state.opened is not None for state in self._states())

    def failed(self, failure: UpstreamFailed, *, with_copy: bool = True) -> None:
        """Note for the host, and for the run if there was no copy, that upstream failed, at the hop where it did.

        Not a personal failure: another process may have the right certificate, or the proxy's right password.
        """
        if failure.personal:
            return
        what: EventKind = "failed" if failure.connected else "unreachable"
        place = self.hop(failure.url)
        place.note(what, failure.cause)
        if not with_copy and not failure.broken:
            place.remember("abrupt" if failure.abrupt else what, failure.cause)

    def note(self, what: EventKind, cause: str = "", took: float = 0.0) -> None:
        """Note an event for the host, if it changes anything; `took` is in seconds."""
        event = Event(what, self.origins.clock(), self.subject, cause, took)
        is_failure = what in ("failed", "unreachable", "limited")
        if is_failure or breaker.worth_noting_by_any(self._states(), event):
            self.origins.host.append(self.name, event)

    def remember(self, what: EventKind, cause: str = "") -> None:
        """Note an event for the run, if it changes anything; not one of a file, since files are never refused."""
        event = Event(what, self.origins.clock(), self.subject, cause)
        if self.request.kind != "file" and run_memory.worth_noting(self.memory(), event):
            self.origins.run.append(self.name, event)

    def admission(self) -> tuple[Health, breaker.Admission]:
        """Return the repository's health, and whether it may be asked at all, or as a probe; NotAsked if not."""
        states = self._states()
        admission = breaker.admit_by_all(states, self.subject, self.origins.clock())
        if admission == "hold":
            raise self._not_asked(states)
        return states[0], admission

    def claim_probe(self, token: str) -> float:
        """Return the pause after which this process, by its token, is the one to probe; NotAsked if another one is."""
        event = Event("probing", self.origins.clock(), self.subject, token)
        states = self._states(self.origins.host.claim(self.name, event))
        if not breaker.is_prober(states, token):
            raise self._not_asked(states)
        return max(state.pause for state in states)

    def _not_asked(self, states: Sequence[Health]) -> NotAsked:
        cause = breaker.why_held(states, self.subject, self.origins.clock())
        return NotAsked(f"not asked: {urls.blamed(self._asked, self.request.url, cause)}")

    def _states(self, events: Sequence[Event] | None = None) -> tuple[Health, Health]:
        """Return what this host remembers of the repository, and of its origin as a whole."""
        events = self.origins.host.events(self.name) if events is None else events
        return self.origins.recall(self.name, events, self.repository), self.origins.recall(self.name, events, "")
