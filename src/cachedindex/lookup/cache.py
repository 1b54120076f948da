"""One look-up from request to answer: joins the store, the rules and the client's own way of asking."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus

from cachedindex.errors import NotAsked, UpstreamFailed
from cachedindex.lookup.answers import Answers
from cachedindex.lookup.copies import Copies
from cachedindex.lookup.deadline import attempt
from cachedindex.lookup.single_flight import Flights
from cachedindex.lookup.tee import Tee
from cachedindex.lookup.upstream import Exchange, Upstream
from cachedindex.model import Answer, Record, Request, Send
from cachedindex.options import Settings
from cachedindex.rules import breaker
from cachedindex.rules.decide import Ask, Decision, Pass, Refuse, Serve, decide, patience
from cachedindex.run.report import Report
from cachedindex.store.store import Store

_SMALL = 1 << 20
"""Bytes up to which a download that no page vouches for is read under the deadline; a larger one is streamed, since
a healthy upstream may need longer for it than anybody would wait for a page."""
_PROBE_SHARE = 1 / 30
"""Of the pause, that a probe may hold up its look-up: 1 s after the first one, more when that was not enough. An answer
that comes later closes the breaker all the same."""


class Cache:
    """What every client asks; one for a process."""

    def __init__(
        self,
        store: Store,
        upstream: Upstream,
        settings: Settings,
        report: Report,
        clock: Callable[[], float] = time.time,
        flights: Flights | None = None,
    ) -> None:
        """Join the parts; `clock` tells seconds since the epoch. Without `flights`, nobody waits for anybody."""
        self._upstream = upstream
        self._settings = settings
        self._clock = clock
        self._flights = flights
        self._copies = Copies(store, settings, report)
        self._answers = Answers(self._copies, settings, report, clock)
        self._refreshed: tuple[str, ...] = ()
        self.report = report

    def answer(self, request: Request, send: Send) -> Answer | None:
        """Return the answer to a request, or None where the client should do it alone.

        Raises UpstreamFailed where `send` does and no copy can stand in; IndexMissing where that ends the build.
        """
        request, record = self._copies.found(self._answers.promises.kept(request))
        decision = self._decide(request, record)
        if record is None and isinstance(decision, (Ask, Refuse)) and self._copies.is_somebodys(request):
            return self._ask_or_challenge(request, send)
        if isinstance(decision, Serve) and record:
            served = self._answers.serve(request, record, "stale" if decision.stale else "hit", decision.why)
            if served:
                return served
            # Its blob is gone or damaged: a miss.
            record, decision = None, self._decide(request, None)
        if isinstance(decision, Ask) and record and decision.copy:
            return self._ask_with_copy(request, record, decision, send) or self._ask_alone(request, None, Ask({}), send)
        if isinstance(decision, Ask):
            ask = self._ask_briefly if decision.failed else self._ask_in_flight
            return ask(request, record, decision, send)
        if isinstance(decision, Refuse):
            return self._answers.refuse(request, decision)
        if isinstance(decision, Pass):
            self._answers.end(request, "passed", decision.why)
        return None

    @contextmanager
    def refreshing(self, project: str) -> Iterator[None]:
        """Have upstream asked for a project's pages even where they are fresh."""
        self._refreshed = (project,)
        try:
            yield
        finally:
            self._refreshed = ()

    def has_unasked(self, project: str) -> bool:
        """Return whether upstream may know more of a project than this process was given; true once for each."""
        return self._answers.was_unasked(project)

    def _decide(self, request: Request, record: Record | None) -> Decision:
        settings = self._settings.for_url(request.url)
        if self._refreshed:
            settings = replace(settings, refresh=(*settings.refresh, *self._refreshed))
        return decide(request, record, settings, self._clock(), lambda: self._upstream.cold(request))

    def _ask_with_copy(self, request: Request, record: Record, ask: Ask, send: Send) -> Answer | None:
        """Ask under a deadline, and serve the copy unless a sound answer comes in time. None: the client has to ask."""
        try:
            exchange = self._admitted(request, record, ask, send)
        except (NotAsked, UpstreamFailed) as reason:
            return self._answers.serve(request, record, "stale", str(reason))
        return self._answers.serve_exchanged(request, record, exchange)

    def _ask_or_challenge(self, request: Request, send: Send) -> Answer:
        """Ask for what this user has a private copy of; in an outage, ask the client for the credentials instead.

        pip sends those of a keyring only after a 401 (pip 26.3, network/auth.py, handle_401).
        """
        if self._settings.for_url(request.url).offline:
            return self._answers.challenge(request, "offline = true")
        try:
            exchange = self._admitted(request, None, Ask({}), send)
        except (NotAsked, UpstreamFailed) as reason:
            return self._answers.challenge(request, str(reason))
        if exchange.judgement.fault or exchange.judgement.verdict == "reject":
            exchange.answer.body.close()
            return self._answers.challenge(request, exchange.judgement.why)
        return self._answers.hand_over(request, exchange)

    def _admitted(self, request: Request, record: Record | None, ask: Ask, send: Send) -> Exchange:
        """Return what one try brings, where the breaker lets it through; NotAsked where it does not."""
        most = math.inf
        if self._admit(request) == "probe":
            most = self._upstream.health(request).pause * _PROBE_SHARE

        def send_still(headers: Mapping[str, str], *, patient: bool) -> Answer:
            if most == math.inf:  # Many may have been let through at once, and the first of them have failed meanwhile.
                self._admit(request)
            return send(headers, patient=patient)

        try:
            return self._attempt(request, record, ask, send_still, most)
        except UpstreamFailed as failure:
            self._upstream.failed(request, failure.cause)
            raise

    def _admit(self, request: Request) -> breaker.Admission:
        admission = self._upstream.admit(request)
        if admission == "hold":
            raise NotAsked(breaker.why(self._upstream.health(request), request.remembered_as))
        return admission

    def _attempt(
        self, request: Request, record: Record | None, ask: Ask, send: Send, most: float = math.inf
    ) -> Exchange:
        """Return what one try brings before the deadline, at most `most` seconds; what comes later is stored."""
        settings = self._settings.for_url(request.url)
        health = self._upstream.health(request)
        began = self._clock()

        def allowed() -> float:
            took = max(health.took, self._upstream.health(request).took)
            return min(most, patience(request, record, replace(health, took=took), settings))

        def work() -> Exchange:
            exchange = self._upstream.ask(request, record, lambda: _ask(ask, ask.validators, send, patient=False))
            announced = exchange.answer.announced
            return _drained(exchange) if announced is not None and announced <= _SMALL else exchange

        def late(exchange: Exchange) -> None:
            if _drained(exchange).record:
                self._answers.end(request, "late", f"answers in {self._clock() - began:.1f} s")

        return attempt(work, allowed, late)

    def _ask_in_flight(self, request: Request, record: Record | None, ask: Ask, send: Send) -> Answer:
        """Ask, unless another process is just doing so: then wait, and look again."""
        if self._flights is None or request.kind == "other":  # Which every process asks for in any case.
            return self._ask_alone(request, record, ask, send)
        began = self._clock()
        flight = self._flights.board(request, self._settings.for_url(request.url).timeout)
        try:
            answer = self._arrived(request, began) or self._ask_alone(request, record, ask, send)
        except BaseException:
            flight.land()
            raise
        flight.land_with(answer.body)
        return answer

    def _arrived(self, request: Request, began: float) -> Answer | None:
        """Serve what another process was answered meanwhile: it was asked for us as well (RFC 9111, section 4)."""
        record = self._copies.record(request)
        served = isinstance(self._decide(request, record), Serve)
        if record and (served or (request.kind == "page" and record.checked >= began)):
            return self._answers.serve(request, record, "hit", "another process asked for it")
        return None

    def _ask_alone(self, request: Request, record: Record | None, ask: Ask, send: Send) -> Answer:
        """Ask in the client's thread, with the client's patience; it gets what it would have got without us."""
        # What has expired here may be fresh for a cache of the client's own, which is not to answer for upstream.
        headers = {"cache-control": "max-age=0", **ask.validators} if record else ask.validators
        try:
            exchange = self._upstream.ask(request, record, lambda: _ask(ask, headers, send, patient=True))
        except UpstreamFailed as failure:
            self._upstream.failed(request, failure.cause, with_copy=False)
            self._answers.fail(request, failure.cause)
            raise
        if exchange.judgement.verdict == "renew" and exchange.record:
            self._copies.complain(exchange.problem)
            served = self._answers.serve(request, exchange.record, "revalidated", "expired")
            return served or self._ask_alone(request, None, Ask({}), send)
        return self._answers.hand_over(request, exchange)

    def _ask_briefly(self, request: Request, record: Record | None, ask: Ask, send: Send) -> Answer:
        """Ask once and under the deadline, though there is no copy: this run has lost its patience there already."""
        try:
            return self._answers.hand_over(request, self._attempt(request, record, ask, send))
        except NotAsked:
            return self._answers.refuse(request, Refuse(504, ask.failed))
        except UpstreamFailed as failure:
            self._upstream.failed(request, failure.cause, with_copy=False)
            return self._answers.refuse(request, Refuse(504, f"{failure.cause}, and nothing is stored"))


def _ask(ask: Ask, headers: Mapping[str, str], send: Send, *, patient: bool) -> Answer:
    """Send with these headers; once more where upstream says that nothing has changed since what nobody asked about."""
    answer = send(headers, patient=patient)
    ours = ask.validators.get("if-none-match", "")
    theirs = answer.headers.get("etag", ours) if ours else ""
    agreed = ask.validators and theirs.removeprefix("W/") == ours.removeprefix("W/")
    if answer.status != HTTPStatus.NOT_MODIFIED or agreed:
        return answer
    answer.body.close()
    return send({"cache-control": "no-cache"}, patient=patient)


def _drained(exchange: Exchange) -> Exchange:
    """Return what came of an answer whose body is read to its end for the store alone."""
    body = exchange.answer.body
    if not isinstance(body, Tee):
        return exchange
    try:
        body.drain()
    except Exception as error:
        raise UpstreamFailed("its answer broke off", error) from error
    if body.record is None and body.problem is None:
        raise UpstreamFailed("its answer was cut short")
    return replace(exchange, record=body.record, problem=body.problem)
