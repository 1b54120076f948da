"""One look-up from request to answer: joins the store, the rules and the client's own way of asking."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from io import BytesIO

from cachedindex.deadline import attempt
from cachedindex.errors import IndexMissing, NotAsked, StoreUnavailable, UpstreamFailed
from cachedindex.gaps import Gaps
from cachedindex.model import Answer, Body, Ended, Outcome, Record, Request, Send
from cachedindex.promises import Promises
from cachedindex.report import Report
from cachedindex.rules import breaker, naming
from cachedindex.rules.decide import Ask, Decision, Pass, Refuse, Serve, decide, lifetime, patience
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
        self._promises = Promises(self._stored)
        self._gaps = Gaps()
        self._unasked: set[str] = set()
        """Projects whose pages the client was given without asking upstream."""
        self._refreshed: tuple[str, ...] = ()

    def answer(self, request: Request, send: Send) -> Answer | None:
        """Return the answer to a request, or None where the client should do it alone.

        Raises UpstreamFailed where `send` does and no copy can stand in; IndexMissing where that ends the build.
        """
        request = self._promises.kept(request)
        record = self._stored(request)
        decision = self._decide(request, record)
        if isinstance(decision, Serve) and record:
            served = self._serve(request, record, "stale" if decision.stale else "hit", decision.why)
            if served:
                return served
            # Its blob is gone or damaged: a miss.
            record, decision = None, self._decide(request, None)
        if isinstance(decision, Ask) and record and decision.copy:
            return self._ask_with_copy(request, record, decision, send) or self._ask_alone(request, None, Ask({}), send)
        if isinstance(decision, Ask):
            briefly = self._ask_briefly if decision.failed else self._ask_alone
            return briefly(request, record, decision, send)
        if isinstance(decision, Refuse):
            return self._refuse(request, decision)
        if isinstance(decision, Pass):
            self._end(request, "passed", decision.why)
        return None

    @contextmanager
    def refreshing(self, project: str) -> Iterator[None]:
        """Have upstream asked for a project's pages even where they are fresh."""
        self._refreshed = (project,)
        try:
            yield
        finally:
            self._refreshed = ()

    def was_not_asked(self, project: str) -> bool:
        """Return whether upstream may know more of a project than this process was given; true once for each."""
        name = naming.normalized(project)
        known = name in self._unasked
        self._unasked.discard(name)
        return known

    def _decide(self, request: Request, record: Record | None) -> Decision:
        settings = self._settings.for_url(request.url)
        if self._refreshed:
            settings = replace(settings, refresh=(*settings.refresh, *self._refreshed))
        return decide(request, record, settings, self._clock(), lambda: self._upstream.cold(request))

    def _ask_with_copy(self, request: Request, record: Record, ask: Ask, send: Send) -> Answer | None:
        """Ask under a deadline, and serve the copy unless a sound answer comes in time. None: the client has to ask."""
        admission = self._upstream.admit(request)
        if admission == "hold":
            return self._serve(request, record, "stale", breaker.why(self._upstream.health(request), request.url))
        most = self._upstream.health(request).pause * _PROBE_SHARE if admission == "probe" else math.inf
        try:
            fresh = self._attempt(request, record, ask, send, most)
        except NotAsked as reason:
            return self._serve(request, record, "stale", str(reason))
        except UpstreamFailed as failure:
            self._upstream.failed(request, failure.cause)
            return self._serve(request, record, "stale", failure.cause)
        return self._serve_fresh(request, record, fresh)

    def _attempt(self, request: Request, record: Record | None, ask: Ask, send: Send, most: float = math.inf) -> Fresh:
        """Return what one try brings before the deadline, at most `most` seconds; what comes later is stored."""
        settings = self._settings.for_url(request.url)
        health = self._upstream.health(request)
        began = self._clock()

        def allowed() -> float:
            took = max(health.took, self._upstream.health(request).took)
            return min(most, patience(request, record, replace(health, took=took), settings))

        def work() -> Fresh:
            fresh = self._upstream.ask(request, record, lambda: _ask(ask, send, patient=False))
            announced = fresh.answer.announced
            return _drained(fresh) if announced is not None and announced <= _SMALL else fresh

        def late(fresh: Fresh) -> None:
            if _drained(fresh).record:
                self._end(request, "late", f"answers in {self._clock() - began:.1f} s")

        return attempt(work, allowed, late)

    def _serve_fresh(self, request: Request, record: Record, fresh: Fresh) -> Answer | None:
        """Return what the client gets from an answer that came in time."""
        judgement, body = fresh.judgement, fresh.answer.body
        unread = not (isinstance(body, Tee) and body.closed)
        if judgement.verdict in ("pass", "remove") or (judgement.verdict == "replace" and not fresh.record and unread):
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
            fresh = self._upstream.ask(request, record, lambda: _ask(ask, send, patient=True))
        except UpstreamFailed as failure:
            self._upstream.failed(request, failure.cause, with_copy=False)
            self._end(request, "failed", failure.cause)
            self._down(request, failure.cause)
            raise
        if fresh.judgement.verdict == "renew" and fresh.record:
            self._complain(fresh.problem)
            served = self._serve(request, fresh.record, "revalidated", "expired")
            return served or self._ask_alone(request, None, Ask({}), send)
        return self._deliver(request, fresh)

    def _ask_briefly(self, request: Request, record: Record | None, ask: Ask, send: Send) -> Answer:
        """Ask once and under the deadline, though there is no copy: this run has lost its patience there already."""
        try:
            return self._deliver(request, self._attempt(request, record, ask, send))
        except NotAsked:
            return self._refuse(request, Refuse(504, ask.failed))
        except UpstreamFailed as failure:
            self._upstream.failed(request, failure.cause, with_copy=False)
            return self._refuse(request, Refuse(504, f"{failure.cause}, and nothing is stored"))

    def _deliver(self, request: Request, fresh: Fresh) -> Answer:
        """Return upstream's own answer, as it would have come without us."""
        self._complain(fresh.problem)
        body = fresh.answer.body
        if isinstance(body, Tee):
            body.ended = lambda tee: self._streamed(request, tee)
            return fresh.answer
        judgement = fresh.judgement
        stored = fresh.record is not None and judgement.verdict == "replace"
        failed = judgement.fault and request.kind == "page"  # buildout takes a 5xx for a page without links.
        self._end(request, "miss" if stored else "failed" if failed else "passed", judgement.why)
        if request.kind == "page" and fresh.answer.status == HTTPStatus.OK and judgement.verdict in ("replace", "pass"):
            self._served_page(request)
        elif judgement.fault or judgement.verdict == "reject":
            self._down(request, judgement.why)
        return fresh.answer

    def _streamed(self, request: Request, tee: Tee) -> None:
        self._complain(tee.problem)
        self._end(request, "miss" if tee.record else "passed", "" if tee.record else "it was not what was promised")

    def _serve(self, request: Request, record: Record, ended: Ended, why: str) -> Answer | None:
        body = self._body(record)
        if body is None:
            return None
        now = self._clock()
        left = math.floor(lifetime(record, self._settings.for_url(request.url)) - (now - record.checked))
        # RFC 9211; what it calls stale is what this project calls expired. A file has no time to live.
        status = "hit" if request.kind == "file" else f"hit; ttl={left}"
        status = status if ended in ("hit", "stale") else "fwd=stale"
        headers = {**record.headers, "content-length": str(record.size), "cache-status": f"cachedindex; {status}"}
        if request.kind == "page":
            self._served_page(request)
        if request.kind == "page" and ended == "hit":
            self._unasked.add(naming.project(request.url))
            self.report.served(self._store.name(request, record))
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
        """Answer with an error made here; its reason is repeated at the end, as clients hide it."""
        if refusal.status == HTTPStatus.NOT_FOUND:
            self._unasked.add(naming.project(request.url))
            self._end(request, "negative", refusal.why)
        else:
            self._end(request, "refused", refusal.why)
            if not self._settings.for_url(request.url).offline:
                self._down(request, refusal.why)
        headers = {"content-length": "0", "cache-status": "cachedindex; fwd=miss"}
        reason = f"cachedindex: {naming.origin(request.url)}: {refusal.why}"
        return Answer(refusal.status, reason, request.url, headers, BytesIO())

    def _stored(self, request: Request) -> Record | None:
        try:
            return self._store.get(request)
        except StoreUnavailable as error:
            self._complain(str(error))
            return None

    def _served_page(self, request: Request) -> None:
        """Note that the client was given a sound page."""
        self._promises.served(request)
        self._say_gap(self._gaps.found(request))

    def _down(self, request: Request, why: str) -> None:
        """Note that an index which may have a page could not be asked, and has no copy; or raise IndexMissing."""
        if request.kind != "page":
            return
        if self._settings.for_url(request.url).missing_index == "fail":
            raise IndexMissing(f"{naming.public(request.url)}: {why}, nothing is stored, and missing-index = fail")
        self._say_gap(self._gaps.down(request, why))

    def _say_gap(self, gap: str | None) -> None:
        if gap:
            self.report.complain(gap)

    def _complain(self, problem: str | None) -> None:
        if problem:
            self.report.complain(f"{problem}; the build goes on, and nothing is stored")

    def _end(self, request: Request, ended: Ended, why: str, age: float | None = None) -> None:
        url = naming.public(request.url)
        self.report.add(Outcome(ended, request.kind, url, naming.origin(url), why, age))


def _ask(ask: Ask, send: Send, *, patient: bool) -> Answer:
    """Send once; once more where upstream says that nothing has changed since an answer that nobody asked about."""
    answer = send(ask.validators, patient=patient)
    ours = ask.validators.get("if-none-match", "")
    theirs = answer.headers.get("etag", ours) if ours else ""
    agreed = ask.validators and theirs.removeprefix("W/") == ours.removeprefix("W/")
    if answer.status != HTTPStatus.NOT_MODIFIED or agreed:
        return answer
    answer.body.close()
    return send({"cache-control": "no-cache"}, patient=patient)


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
