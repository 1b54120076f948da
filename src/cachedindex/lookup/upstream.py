"""One exchange with upstream: whether it may be asked now, what came back, and what the host learns from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from http import HTTPStatus
from io import BytesIO

from cachedindex.errors import StoreUnavailable, UpstreamFailed
from cachedindex.lookup.context import Exchange
from cachedindex.lookup.origin import Origin, Origins
from cachedindex.lookup.tee import Tee
from cachedindex.model import Answer, Record, Request, Send
from cachedindex.rules import accept, pages, privacy, urls
from cachedindex.rules.judge import GONE, Meaning, judge, meaning
from cachedindex.store.blob import NewBlob
from cachedindex.store.health_log import HealthLog
from cachedindex.store.store import Store


class Upstream:
    """The origins beyond the store."""

    def __init__(self, store: Store, host: HealthLog, run: HealthLog, clock: Callable[[], float] = time.time) -> None:
        """Take where answers and events are kept; `clock` returns seconds since the epoch."""
        self._store = store
        self._clock = clock
        self._origins = Origins(host, run, clock)

    def origin(self, request: Request, final: str = "") -> Origin:
        """Return the origin of a request; `final` is where redirects led to the last time, if any."""
        return Origin(request, self._origins, final)

    def ask(
        self, origin: Origin, record: Record | None, validators: Mapping[str, str], send: Send, *, patient: bool
    ) -> Exchange:
        """Send the origin's request, judge the answer, store what it is worth. Raises UpstreamFailed as `send` does.

        A patient one is the client's own, for want of a copy that may stand in. It may run in a thread of its own, and
        end after its caller has gone on: it says nothing to anybody.
        """
        asked = self._clock()
        answer = _sent(validators, send, patient=patient, is_renewal=record is not None)
        request = origin.request
        if record is None and (kept_for := privacy.kept_for(request, answer)) is not request:
            request, origin = kept_for, self.origin(kept_for)
        body = b""
        if pages.is_read_whole(request) and answer.untouched is None:
            body = answer.body.read()
            answer = replace(answer, body=BytesIO(body))
        health, now = origin.health(), self._clock()
        may_stand_in = record is not None and not patient
        means = meaning(request, judge(request, record, answer, body, health, now), copy=may_stand_in)
        self._learn(origin, record, answer, means, now - asked)
        if means.store == "answer" and request.kind != "page":
            return self._teed(request, answer, asked, means)
        return self._kept(request, record, answer, body, asked, means)

    @staticmethod
    def _learn(origin: Origin, record: Record | None, answer: Answer, means: Meaning, took: float) -> None:
        hop = origin.hop(answer.url)
        if means.note in ("failed", "limited"):
            hop.note(means.note, means.why, means.wait)
        elif means.note:
            origin.note(means.note, means.digest, took if means.note == "answered" else 0.0)
            if hop is not origin:
                hop.note("answered", took=took)
        if record is None and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            origin.remember("removed" if answer.status in GONE else "answered")

    def _kept(
        self, request: Request, record: Record | None, answer: Answer, body: bytes, asked: float, means: Meaning
    ) -> Exchange:
        """Return what asking for a page brought, once the store has taken it."""
        if means.store == "answer":
            page = self._record(answer, request, asked, len(body), sha256(body).hexdigest(), body)
            return Exchange(answer, means, page, self._problem(lambda: self._store.put(request, page)))
        if means.store == "renewal" and record and privacy.exceeds(request, answer):
            return Exchange(answer, means, record)
        if means.store == "renewal" and record:
            renewed = _renewed(record, answer, asked, self._clock())
            return Exchange(answer, means, renewed, self._problem(lambda: self._store.put(request, renewed)))
        if means.store == "removal":
            return Exchange(answer, means, problem=self._problem(lambda: self._store.remove(request)))
        return Exchange(answer, means)

    def _teed(self, request: Request, answer: Answer, asked: float, means: Meaning) -> Exchange:
        """Return the answer with a body that is stored as it is read, if its end can be distinguished from a cut."""
        chunked = "chunked" in answer.headers.get("transfer-encoding", "").lower()
        ends = answer.announced is not None or chunked
        # An encoded body is its own only in the encoding that this client asked for.
        is_certain = request.sha256 or (ends and "content-encoding" not in answer.headers)
        if self._store.read_only or not is_certain:
            return Exchange(answer, means)

        def publish(blob: NewBlob) -> Record | None:
            if request.sha256 and blob.sha256 != request.sha256:
                return None
            blob.commit()
            record = self._record(answer, request, asked, blob.size, blob.sha256)
            self._store.put(request, record)
            return record

        try:
            blob = self._store.new_blob(request)
        except StoreUnavailable as problem:
            return Exchange(answer, means, problem=problem)
        tee = Tee(answer.body, blob, answer.announced, publish)
        return Exchange(replace(answer, body=tee, native=answer.native and answer.native.being_read()), means)

    def _record(
        self, answer: Answer, request: Request, asked: float, size: int, digest: str, page: bytes | None = None
    ) -> Record:
        now = self._clock()
        # What the client's own cache had kept is as old as that says.
        asked_then, checked, took = asked - answer.age, now - answer.age, now - asked
        headers, final = privacy.storable(answer.headers), urls.public(answer.url)
        form = accept.kept_form(request, answer.headers.get("content-type", ""))
        return Record(request.url, final, headers, asked_then, checked, took, size, digest, page, form)

    @staticmethod
    def _problem(change: Callable[[], object]) -> StoreUnavailable | None:
        """Return why a change of the store was not taken, or None."""
        try:
            change()
        except StoreUnavailable as problem:
            return problem
        return None


def drained(exchange: Exchange) -> Exchange:
    """Return what came of an answer whose body is read to its end, and then given from memory.

    Raises UpstreamFailed if it breaks off or is not what was announced.
    """
    body = exchange.answer.body
    if not isinstance(body, Tee):
        return exchange
    try:
        data = body.drain()
    except Exception as error:
        raise UpstreamFailed("its answer broke off", error) from error
    if body.record is None and body.problem is None:
        raise UpstreamFailed("its answer was cut short")
    answer = replace(exchange.answer, body=BytesIO(data))
    return replace(exchange, answer=answer, record=body.record, problem=body.problem)


def _sent(validators: Mapping[str, str], send: Send, *, patient: bool, is_renewal: bool) -> Answer:
    """Send with the validators; again without, if upstream says that nothing has changed since something else."""
    headers = dict(validators)
    if patient and is_renewal:
        # What has expired here may be fresh for a cache of the client's own, which is not to answer for upstream.
        headers = {"cache-control": "max-age=0", **headers}
    answer = send(headers, patient=patient)
    ours = validators.get("if-none-match", "")
    theirs = answer.headers.get("etag", ours) if ours else ""
    agreed = validators and theirs.removeprefix("W/") == ours.removeprefix("W/")
    if answer.status != HTTPStatus.NOT_MODIFIED or agreed:
        return answer
    answer.body.close()
    return send({"cache-control": "no-cache"}, patient=patient)


def _renewed(record: Record, answer: Answer, asked: float, now: float) -> Record:
    """Return a record after a 304, which says something of the time, but not of the body (RFC 9111, section 3.2).

    A type or an encoding that it names is that of no body. An Age that it does not repeat is over.
    """
    kept = {name: value for name, value in record.headers.items() if name != "age"}
    told = {name: value for name, value in privacy.storable(answer.headers).items() if not name.startswith("content-")}
    return replace(record, headers={**kept, **told}, asked=asked, checked=now, took=now - asked, expired=False)
