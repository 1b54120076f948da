"""An origin as a look-up sees it: what the host and the run remember of it, and the right to ask it now."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cachedindex.errors import NotAsked
from cachedindex.model import Event, EventKind, Health, Request, RunMemory
from cachedindex.rules import breaker, layout, run_memory
from cachedindex.store.health_log import HealthLog


@dataclass(frozen=True)
class Admission:
    """The right to ask an origin now."""

    health: Health
    """What the host remembered of the origin at that moment."""
    is_probe: bool = False
    """Whether this is the one request that finds out if the origin is back."""


class Origins:
    """The logs in which the processes of this host, and of this run, share what they learn of each origin."""

    def __init__(self, host: HealthLog, run: HealthLog, clock: Callable[[], float]) -> None:
        """Take the logs of the host and of the run; `clock` returns seconds since the epoch."""
        self.host = host
        self.run = run
        self.clock = clock
        self._recalled: dict[str, tuple[Sequence[Event], float, Health]] = {}

    def recall(self, name: str, events: Sequence[Event]) -> Health:
        """Return the state that an origin's events amount to now."""
        now, known = self.clock(), self._recalled.get(name)
        # A look-up needs it several times, and without a new event it changes slowly.
        if known is None or known[0] is not events or not 0 <= now - known[1] < 1:
            known = self._recalled[name] = (events, now, breaker.recall(events, now))
        return known[2]


class Origin:
    """The origin of one request. A log is opened only if it has changed since this process read it."""

    def __init__(self, request: Request, origins: Origins) -> None:
        """Compute the names of the log and of the events' subject once."""
        self.request = request
        self._origins = origins
        self._name = layout.health_name(request)
        self._subject = layout.subject(request)

    def health(self) -> Health:
        """Return what this host remembers."""
        return self._origins.recall(self._name, self._origins.host.events(self._name))

    def memory(self) -> RunMemory:
        """Return what this run remembers of look-ups without a copy."""
        return run_memory.recall(self._origins.run.events(self._name))

    def admit(self) -> Admission:
        """Return the right to ask upstream in spite of a copy; a probe is claimed for this process.

        Raises NotAsked, with the cause of the last failure, if upstream must not be asked now.
        """
        health, now = self.health(), self._origins.clock()
        admission = breaker.admit(health, self._subject, now)
        if admission == "probe":
            token = secrets.token_hex(8)
            events = self._origins.host.claim(self._name, Event("probing", now, self._subject, token))
            health = self._origins.recall(self._name, events)
            admission = "probe" if breaker.is_prober(health, token) else "hold"
        if admission == "hold":
            raise NotAsked(breaker.why(health, self._subject))
        return Admission(health, is_probe=admission == "probe")

    def failed(self, cause: str, *, with_copy: bool = True) -> None:
        """Note for the host, and for the run if there was no copy, that the origin failed."""
        self.note("failed", cause)
        if not with_copy:
            self.remember("failed", cause)

    def note(self, what: EventKind, cause: str = "", took: float = 0.0) -> None:
        """Note an event for the host, if it changes anything; `took` is in seconds."""
        event = Event(what, self._origins.clock(), self._subject, cause, took)
        if what == "failed" or breaker.worth_noting(self.health(), event):
            self._origins.host.append(self._name, event)

    def remember(self, what: EventKind, cause: str = "") -> None:
        """Note an event for the run, if it changes anything; not one of a file, since files are never refused."""
        event = Event(what, self._origins.clock(), self._subject, cause)
        if self.request.kind != "file" and run_memory.worth_noting(self.memory(), event):
            self._origins.run.append(self._name, event)
