"""One look-up from request to answer: joins the store, the rules and the client's own way of asking."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from urllib.parse import unquote

from cachedindex.deadline import attempt
from cachedindex.errors import NotAsked, StoreUnavailable, UpstreamFailed
from cachedindex.model import Answer, Body, Ended, Outcome, Record, Request, Send
from cachedindex.report import Report
from cachedindex.rules import breaker, naming, pages
from cachedindex.rules.decide import Ask, Pass, Refuse, Serve, decide, lifetime, patience
from cachedindex.settings import Settings
from cachedindex.store.store import Store
from cachedindex.tee import Tee
from cachedindex.upstream import Fresh, Upstream

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
    ) -> None:
        """Join the parts; `clock` tells seconds since the epoch."""
        self._store = store
        self._upstream = upstream
        self._settings = settings
        self._clock = clock
        self.report = report
        self._pages: dict[str, Request] = {}
        """Pages that this process was served, and that have not been read for what they promise."""
        self._promises: dict[str, str] = {}

    def answer(self, request: Request, send: Send) -> Answer | None:
        """Return the answer to a request, or None where the client should do it alone.

        Raises UpstreamFailed where `send` does and no copy can stand in.
        """
        request = self._vouched_for(request)
        record = self._stored(request)
        decision = decide(request, record, self._settings, self._clock())
        if isinstance(decision, Serve) and record:
            served = self._serve(request, record, "stale" if decision.stale else "hit", decision.why)
            if served:
                return served
            # Its blob is gone or damaged: a miss.
            record, decision = None, decide(request, None, self._settings, self._clock())
        if isinstance(decision, Ask) and record and decision.copy:
            return self._ask_with_copy(request, record, decision, send) or self._ask_alone(request, None, Ask({}), send)
        if isinstance(decision, Ask):
            return self._ask_alone(request, record, decision, send)
        if isinstance(decision, Refuse):
            return self._refuse(request, decision)
        if isinstance(decision, Pass):
            self._end(request, "passed", decision.why)
        return None

    def _ask_with_copy(self, request: Request, record: Record, ask: Ask, send: Send) -> Answer | None:
        """Ask under a deadline, and serve the copy unless a sound answer comes in time. None: the client has to ask."""
        admission = self._upstream.admit(request)
        if admission == "hold":
            return self._serve(request, record, "stale", breaker.why(self._upstream.health(request), request.url))

        health = self._upstream.health(request)
        most = health.pause * _PROBE_SHARE if admission == "probe" else math.inf

        def allowed() -> float:
            took = max(health.took, self._upstream.health(request).took)
            return min(most, patience(record, replace(health, took=took), self._settings))

        def work() -> Fresh:
            fresh = self._upstream.ask(request, record, lambda: send(ask.validators, patient=False))
            announced = fresh.answer.announced
            return _drained(fresh) if announced is not None and announced <= _SMALL else fresh

        try:
            fresh = attempt(work, allowed, _drained)
        except NotAsked as reason:
            return self._serve(request, record, "stale", str(reason))
        except UpstreamFailed as failure:
            self._upstream.failed(request, failure.cause)
            return self._serve(request, record, "stale", failure.cause)
        return self._serve_fresh(request, record, fresh)

    def _serve_fresh(self, request: Request, record: Record, fresh: Fresh) -> Answer | None:
        """Return what the client gets from an answer that came in time."""
        judgement, body = fresh.judgement, fresh.answer.body
        unread = not (isinstance(body, Tee) and body.closed)
        if judgement.verdict == "pass" or (judgement.verdict == "replace" and not fresh.record and unread):
            return self._deliver(request, fresh)
        self._complain(fresh.problem)
        if judgement.verdict == "replace" and not fresh.record:
            return None  # Read for a store that did not take it: the client has to ask for it once more.
        if fresh.record and judgement.verdict == "replace":
            return self._serve(request, fresh.record, "miss", "expired")
        if fresh.record and judgement.verdict == "renew":
            return self._serve(request, fresh.record, "revalidated", "expired")
        fresh.answer.body.close()
        return self._serve(request, record, "stale", judgement.why)

    def _ask_alone(self, request: Request, record: Record | None, ask: Ask, send: Send) -> Answer:
        """Ask in the client's thread, with the client's patience; it gets what it would have got without us."""
        try:
            fresh = self._upstream.ask(request, record, lambda: send(ask.validators, patient=True))
        except UpstreamFailed as failure:
            self._upstream.failed(request, failure.cause)
            self._end(request, "failed", failure.cause)
            raise
        if fresh.judgement.verdict == "renew" and fresh.record:
            self._complain(fresh.problem)
            served = self._serve(request, fresh.record, "revalidated", "expired")
            return served or self._ask_alone(request, None, Ask({}), send)
        return self._deliver(request, fresh)

    def _deliver(self, request: Request, fresh: Fresh) -> Answer:
        """Return upstream's own answer, as it would have come without us."""
        self._complain(fresh.problem)
        body = fresh.answer.body
        if isinstance(body, Tee):
            body.ended = lambda tee: self._streamed(request, tee)
            return fresh.answer
        stored = fresh.record is not None and fresh.judgement.verdict == "replace"
        self._served_page(request)
        self._end(request, "miss" if stored else "passed", fresh.judgement.why)
        return fresh.answer

    def _streamed(self, request: Request, tee: Tee) -> None:
        self._complain(tee.problem)
        self._end(request, "miss" if tee.record else "passed", "" if tee.record else "it was not what was promised")

    def _serve(self, request: Request, record: Record, ended: Ended, why: str) -> Answer | None:
        body = self._body(record)
        if body is None:
            return None
        now = self._clock()
        left = math.floor(lifetime(record, self._settings) - (now - record.checked))
        # RFC 9211; what it calls stale is what this project calls expired. A file has no time to live.
        status = "hit" if request.kind == "file" else f"hit; ttl={left}"
        status = status if ended in ("hit", "stale") else "fwd=stale"
        headers = {**record.headers, "content-length": str(record.size), "cache-status": f"cachedindex; {status}"}
        self._served_page(request)
        self._end(request, ended, why, now - record.checked)
        return Answer(200, "OK", record.final, headers, body)

    def _body(self, record: Record) -> Body | None:
        if record.page is not None:
            return BytesIO(record.page)
        try:
            return self._store.open_blob(record.sha256, record.size)
        except StoreUnavailable as error:
            self._complain(str(error))
            return None

    def _refuse(self, request: Request, refusal: Refuse) -> Answer:
        self._end(request, "refused", refusal.why)
        headers = {"content-length": "0", "cache-status": "cachedindex; fwd=miss"}
        return Answer(refusal.status, f"cachedindex: {refusal.why}", request.url, headers, BytesIO())

    def _stored(self, request: Request) -> Record | None:
        try:
            return self._store.get(request)
        except StoreUnavailable as error:
            self._complain(str(error))
            return None

    def _served_page(self, request: Request) -> None:
        if request.kind == "page":
            self._pages[request.url] = request

    def _vouched_for(self, request: Request) -> Request:
        """Return the request as one for a file, where a page that this process was served promises its hash."""
        if request.kind != "other":
            return request
        for url in [url for url in list(self._pages) if pages.may_list(url, request.url)]:
            page = self._pages.pop(url, None)
            record = page and self._stored(page)
            if record:
                self._promises.update((unquote(file), digest) for file, digest in pages.promises(record).items())
        digest = self._promises.get(unquote(request.url))
        return replace(request, kind="file", sha256=digest) if digest else request

    def _complain(self, problem: str | None) -> None:
        if problem:
            self.report.complain(f"{problem}; the build goes on, and nothing is stored")

    def _end(self, request: Request, ended: Ended, why: str, age: float | None = None) -> None:
        url = naming.public(request.url)
        self.report.add(Outcome(ended, request.kind, url, naming.origin(url), why, age))


def _drained(fresh: Fresh) -> Fresh:
    """Return what came of an answer whose body is read to its end for the store alone."""
    body = fresh.answer.body
    if not isinstance(body, Tee):
        return fresh
    try:
        body.drain()
    except Exception as error:
        raise UpstreamFailed("its answer broke off", error) from error
    if body.record is None and body.problem is None:
        raise UpstreamFailed("its answer was cut short")
    return replace(fresh, record=body.record, problem=body.problem)
