"""One attempt of our own: a single try before a deadline, in a thread, past the breaker or not."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Literal

from cachedindex.errors import DeadlinePassed, NotAsked, Shortage, UpstreamFailed
from cachedindex.lookup.context import Exchange, Lookup
from cachedindex.lookup.deadline import call_with_deadline
from cachedindex.lookup.origin import Admission, Origin
from cachedindex.lookup.tee import Tee
from cachedindex.lookup.upstream import Upstream, drained
from cachedindex.model import Answer, Send
from cachedindex.named import NamedTuple
from cachedindex.options import PATIENCE_LIMIT
from cachedindex.rules import urls
from cachedindex.rules.decide import patience
from cachedindex.run.report import Report

_SMALL = 1 << 20
"""Bytes up to which a download without a promised hash is read whole under the deadline. For a larger one the deadline
ends with the headers: a healthy upstream may need longer for it than for a page, and an older version is wrong."""
_PROBE_SHARE = 1 / 30
"""The share of the pause for which a probe may delay its look-up: 1 s after the first pause, more after longer ones. So
a run that is longer than the pause does not wait for the deadline again. A late answer closes the breaker as well."""

_OPEN_FOR = 60.0
"""Seconds that an open try may take at least: 15 s are what pip waits for the first address of a name alone."""


class Attempts:
    """The attempts of one process."""

    def __init__(
        self,
        upstream: Upstream,
        report: Report,
        came_late: Callable[[Lookup, float], object],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`came_late` takes the seconds after which an answer was stored that nobody waited for; `clock` is a time."""
        self._upstream = upstream
        self._report = report
        self._came_late = came_late
        self._clock = clock
        self._unheard: set[str] = set()
        """The indexes that this process has asked openly in vain."""

    def admitted(self, lookup: Lookup, validators: Mapping[str, str], send: Send) -> Exchange:
        """Return the exchange of one try, whose failure is noted; NotAsked if the breaker holds it back.

        If an absence would stand in, the client's own retries get over a hiccup: it would take another index's version.
        """
        origin = self._upstream.origin(lookup.request, lookup.record.final if lookup.record else "")
        admission = origin.admit()

        def send_if_admitted(headers: Mapping[str, str], *, patient: bool) -> Answer:
            if (
                admission.probes_after is None and not patient
            ):  # Of many that were admitted at once, the first may have failed since.
                origin.admit()
            return send(headers, patient=patient)

        attempt = _Attempt(self._upstream, lookup, validators, send_if_admitted, origin, admission)
        may_repeat = lookup.absence is not None and urls.repository(lookup.request.url) not in self._unheard
        try:
            return self._repeated(attempt) if may_repeat else self._made(attempt)
        except UpstreamFailed as failure:
            origin.failed(failure)
            raise

    def tried(self, lookup: Lookup, send: Send) -> Exchange:
        """Return the exchange of one try without a copy, whatever the breaker says; a failure is noted."""
        origin = self._upstream.origin(lookup.request)
        try:
            exchange = self._made(_Attempt(self._upstream, lookup, {}, send, origin, Admission(origin.health())))
        except UpstreamFailed as failure:
            origin.failed(failure, with_copy=False)
            raise
        if exchange.answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # The client's own retries would end so, too.
            origin.hop(exchange.answer.url).remember("abrupt", exchange.meaning.why)
        return exchange

    def openly(self, lookup: Lookup, validators: Mapping[str, str], send: Send) -> Exchange:
        """Return the exchange of a look-up without which the client would give up, whatever the breaker says.

        The first one at an index is waited for. If it fails soon, and no failure was known before, it may be a hiccup;
        if it is a 503, a limit of requests. The client's own retries get over both. A failure is noted.
        """
        index, origin = urls.repository(lookup.request.url), self._upstream.origin(lookup.request)
        is_first = index not in self._unheard
        was_well = not origin.is_failing()
        open_for, admission = _OPEN_FOR if is_first else 0.0, Admission(origin.health())
        attempt = _Attempt(self._upstream, lookup, validators, send, origin, admission, open_for)
        try:
            exchange = self._repeated(attempt, was_well=was_well) if is_first else self._made(attempt)
        except (NotAsked, UpstreamFailed) as reason:
            self._unheard.add(index)
            if isinstance(reason, UpstreamFailed):
                origin.failed(reason, with_copy=lookup.record is not None)
            raise
        if _is_fault(exchange):
            self._unheard.add(index)
        return exchange

    def ahead(self, lookup: Lookup, validators: Mapping[str, str], send: Send, *, patient: bool) -> Exchange:
        """Return the exchange of one try that the client has not asked for yet; NotAsked if the breaker is open.

        It is sent in the client's `patient` way if a cache of the client's own may answer. No failure is noted.
        """
        origin = self._upstream.origin(lookup.request, lookup.record.final if lookup.record else "")
        way: Literal["quick", "patient"] = "patient" if patient else "quick"
        return self._made(_Attempt(self._upstream, lookup, validators, send, origin, origin.admit(), ahead=way))

    def failed(self, lookup: Lookup, failure: UpstreamFailed) -> None:
        """Note the failure of one try that was made ahead, as the client has asked for the same."""
        self._upstream.origin(lookup.request, lookup.record.final if lookup.record else "").failed(failure)

    def _repeated(self, attempt: _Attempt, *, was_well: bool = True) -> Exchange:
        """Return the exchange of an attempt; if it fails soon, that of the client's own way of asking."""
        began = self._clock()
        try:
            exchange = self._made(attempt)
        except UpstreamFailed as failure:
            is_under_way = failure.original is None
            is_gone = attempt.open_for is None and not failure.connected
            if not was_well or is_gone or failure.personal or is_under_way or self._clock() - began >= PATIENCE_LIMIT:
                raise
            return self._patient(attempt)
        may_be_a_limit = exchange.answer.status == HTTPStatus.SERVICE_UNAVAILABLE
        if not _is_fault(exchange) or not (was_well or may_be_a_limit):
            return exchange
        exchange.answer.body.close()
        return self._patient(attempt)

    def _patient(self, attempt: _Attempt) -> Exchange:
        """Return the exchange of the client's own way of asking; if that is in vain, it is the last at its index."""
        index = urls.repository(attempt.lookup.request.url)
        self._unheard.add(index)
        exchange = attempt.ask(patient=True)
        if not _is_fault(exchange):
            self._unheard.discard(index)
        return exchange

    def _made(self, attempt: _Attempt) -> Exchange:
        """Return the exchange of an attempt before its deadline; a later answer is only stored.

        If there can be no attempt of our own, for want of a thread or by an error of ours, the client asks in its own
        way, with its own patience.
        """
        began = self._clock()

        def late(exchange: Exchange) -> None:
            # The client has not asked, and asks by itself if there is no copy.
            if _is_stored(exchange) and attempt.ahead != "patient":
                self._came_late(attempt.lookup, self._clock() - began)

        try:
            return call_with_deadline(
                attempt.work, attempt.seconds(), attempt.extended, late, attempt.origin.repository
            )
        except DeadlinePassed as passed:
            proxy = "" if passed.connected else attempt.lookup.request.route.proxy
            cause = f"{passed} by way of its proxy" if proxy else str(passed)
            raise UpstreamFailed(cause, url=passed.url, connected=passed.connected) from passed
        except (NotAsked, UpstreamFailed):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and says nothing of upstream
            exchange = attempt.ask(patient=True)
            if not isinstance(error, Shortage):
                self._report.internal_error(error)
            return exchange


class _Attempt(NamedTuple):
    """What is asked, and for how long."""

    upstream: Upstream
    lookup: Lookup
    validators: Mapping[str, str]
    send: Send
    origin: Origin
    admission: Admission
    open_for: float | None = None
    """How many seconds it may take at least if it is an open one."""
    ahead: Literal["", "quick", "patient"] = ""
    """Whether the client has not asked for it yet, and how it is sent then."""

    def seconds(self, took: float = 0.0) -> float:
        """Return how long it may take in all, given how many seconds another answer has taken meanwhile."""
        pause, health = self.admission.probes_after, self.admission.health
        most = math.inf if pause is None else pause * _PROBE_SHARE
        if took > health.took:
            health = health._replace(took=took)
        usual = patience(self.lookup.request, self.lookup.record, health, self.lookup.settings)
        return min(most, max(self.open_for or 0.0, usual))

    def extended(self) -> float:
        """Return the same now: a slow answer to another attempt counts, but no failure that was noted meanwhile."""
        return self.seconds(self.origin.health().took)

    def work(self) -> Exchange:
        exchange = self.ask(patient=self.ahead == "patient")
        # What is asked ahead shares the line with others, and is read without a deadline until the client wants it.
        announced = None if self.ahead else exchange.answer.announced
        return drained(exchange) if announced is not None and announced <= _SMALL else exchange

    def ask(self, *, patient: bool) -> Exchange:
        return self.upstream.ask(
            self.origin,
            self.lookup.record,
            self.validators,
            self.send,
            patient=patient,
            store=self.lookup.settings.store,
            openly=self.open_for is not None,
            copy=self.lookup.record is not None,
            ahead=bool(self.ahead),
        )


def _is_fault(exchange: Exchange) -> bool:
    return exchange.meaning.note in ("failed", "limited") or exchange.answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _is_stored(exchange: Exchange) -> bool:
    """Read an answer to its end for the store alone, and return whether it is stored now."""
    body = exchange.answer.body
    if not isinstance(body, Tee):
        return exchange.record is not None
    body.discard()
    return body.record is not None
