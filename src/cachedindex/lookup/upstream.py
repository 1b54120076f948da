"""One exchange with upstream: the request is sent, the answer judged, stored, and noted for the host."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from http import HTTPStatus
from io import BytesIO

from cachedindex.errors import StoreUnavailable, UpstreamFailed
from cachedindex.lookup.context import Exchange
from cachedindex.lookup.origin import Origin, Origins
from cachedindex.lookup.tee import Tee
from cachedindex.model import Answer, Record, Request, Send
from cachedindex.rules import accept, breaker, pages, privacy, urls
from cachedindex.rules.judge import GONE, Meaning, judge, meaning
from cachedindex.store.blob import NewBlob
from cachedindex.store.health_log import HealthLog
from cachedindex.store.store import Store

_PAUSES = (0.25, 0.5, 1.0)
"""Seconds before each new try of a look-up that met a limit of requests: the first pauses of urllib3's retries."""
_LATELY = 5.0
"""Seconds after a sound answer of an index in which a 503 shows a limit of requests instead of an outage."""


class Upstream:
    """All origins, and the store for their answers."""

    def __init__(self, store: Store, host: HealthLog, run: HealthLog, clock: Callable[[], float] = time.time) -> None:
        """`host` and `run` are the logs for events; `clock` returns seconds since the epoch."""
        self._store = store
        self._clock = clock
        self._origins = Origins(host, run, clock)
        self._answered: dict[str, float] = {}
        """When each repository gave this process a sound answer last."""

    def origin(self, request: Request, final: str = "") -> Origin:
        """Return the origin of a request; `final` is where redirects led to the last time, if any."""
        return Origin(request, self._origins, final)

    def ask(
        self,
        origin: Origin,
        record: Record | None,
        validators: Mapping[str, str],
        send: Send,
        *,
        patient: bool,
        store: privacy.Storing = "auto",
        openly: bool = False,
        copy: bool = False,
        ahead: bool = False,
    ) -> Exchange:
        """Send the origin's request, judge the answer, and store it. Raises UpstreamFailed and Shortage as `send` does.

        It is sent in a `patient` way, or as one try. `copy` says that the record may stand in, `openly` that it does
        not satisfy the client. `ahead` says that the client asks again if the answer is no sound one: that is not
        noted, as it may be due to many requests at once. Nothing is printed or reported, since this may run in a thread
        of its own and end after its caller has gone on.
        """
        asked = self._clock()
        try:
            answer = _sent(validators, send, patient=patient, is_renewal=record is not None)
            if not (patient or openly or ahead):
                answer = self._past_limit(origin, answer, lambda: send(validators, patient=False))
        except UpstreamFailed as failure:
            if failure.final:
                self._problem(lambda: self._store.bar(origin.request))
            raise
        request = origin.request
        if record is None and (kept_for := privacy.kept_for(request, answer)) is not request:
            request, origin = kept_for, self.origin(kept_for)
        body = b""
        if pages.is_read_whole(request) and answer.untouched is None and not answer.is_streamed:
            body = answer.body.read()
            answer = answer._replace(body=BytesIO(body))
        health, now = origin.health(), self._clock()
        verdict = judge(request, record, answer, body, health, now, store)
        means = meaning(request, verdict, copy=copy, openly=openly)
        if not ahead or means.note not in ("failed", "limited"):
            self._learn(origin, record, answer, means, now - asked)
        if means.store == "answer" and request.kind != "page":
            return self._teed(request, answer, asked, means)
        return self._kept(request, record, answer, body, asked, means)

    def _past_limit(self, origin: Origin, answer: Answer, again: Callable[[], Answer]) -> Answer:
        """Return the first answer that is no 503, after pauses, if that is a limit of requests (nginx's limit_req)."""
        for pause in _PAUSES:
            is_lately = self._clock() - self._answered.get(origin.repository, -_LATELY) < _LATELY
            if answer.status != HTTPStatus.SERVICE_UNAVAILABLE or "retry-after" in answer.headers or not is_lately:
                break
            answer.body.close()
            time.sleep(pause)
            answer = again()
        return answer

    def _learn(self, origin: Origin, record: Record | None, answer: Answer, means: Meaning, took: float) -> None:
        hop = origin.hop(answer.url)
        if means.note == "answered":
            self._answered[origin.repository] = self._clock()
        if means.note in ("failed", "limited"):
            hop.note(means.note, means.why, means.wait)
        elif means.note:
            origin.note(means.note, means.digest, took if means.note == "answered" else 0.0)
            if hop is not origin:
                hop.note("answered", took=took)
        if means.give == "copy" and means.note in (None, "doubted") and breaker.is_slow(took):
            hop.note("failed", means.why)  # A portal, or 404 for all: each page would wait for it again.
        if record is None and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            origin.remember("removed" if answer.status in GONE else "answered")

    def _kept(
        self, request: Request, record: Record | None, answer: Answer, body: bytes, asked: float, means: Meaning
    ) -> Exchange:
        """Return the exchange, after its page, renewal or removal has been stored."""
        if means.store == "answer":
            page = self._record(answer, request, asked, len(body), sha256(body).hexdigest(), body)
            return Exchange(answer, means, page, self._problem(lambda: self._put(request, answer, page)))
        if means.store == "renewal" and record and privacy.exceeds(request, answer):
            return Exchange(answer, means, record)
        if means.store == "renewal" and record:
            renewed = _renewed(record, answer, asked, self._clock())
            return Exchange(
                answer, means, renewed, self._problem(lambda: self._put(request, answer, renewed, renewal=True))
            )

        def marker() -> Record:
            return self._record(answer, request, asked, 0, sha256().hexdigest(), b"")

        changes: Mapping[str, Callable[[], object]] = {
            "removal": lambda: self._store.remove(request, asked),
            "bar": lambda: self._store.bar(request),
            "absence": lambda: self._store.put_absence(request, marker()),
            "prohibition": lambda: self._store.put_prohibition(request, marker()),
        }
        change = changes.get(means.store)
        return Exchange(answer, means, problem=self._problem(change) if change else None)

    def _teed(self, request: Request, answer: Answer, asked: float, means: Meaning) -> Exchange:
        """Return the exchange with a body that is stored as it is read, if its end shows that it is whole."""
        chunked = "chunked" in answer.headers.get("transfer-encoding", "").lower()
        ends = answer.announced is not None or chunked
        # An encoded body is the file's bytes only for a client that asked for that encoding.
        is_certain = request.sha256 or (ends and "content-encoding" not in answer.headers)
        if self._store.read_only or not is_certain:
            return Exchange(answer, means)

        kept = request.within(privacy.USER) if privacy.is_one_users(request, answer.headers) else request

        def publish(blob: NewBlob) -> Record | None:
            if request.sha256 and blob.sha256 != request.sha256:
                return None
            blob.commit()
            record = self._record(answer, request, asked, blob.size, blob.sha256)
            self._put(request, answer, record)
            return record

        try:
            blob = self._store.new_blob(kept)
        except StoreUnavailable as problem:
            return Exchange(answer, means, problem=problem)
        tee = Tee(answer.body, blob, answer.announced, publish)
        return Exchange(answer._replace(body=tee, native=answer.native and answer.native.being_read()), means)

    def _put(self, request: Request, answer: Answer, new: Record, *, renewal: bool = False) -> None:
        """Store a record; if it is this user's alone from now on, in place of the one that was everybody's."""
        if not privacy.is_one_users(request, answer.headers, new.page or b""):
            self._store.put(request, new, renewal=renewal)
            return
        if not self._store.read_only:
            self._store.put(request.within(privacy.USER), new)
            self._store.remove(request, new.asked)

    def _record(
        self, answer: Answer, request: Request, asked: float, size: int, digest: str, page: bytes | None = None
    ) -> Record:
        now = self._clock()
        # An answer of the client's own cache is older by the time that it lay there.
        asked_then, checked, took = asked - answer.age, now - answer.age, now - asked
        headers, final = privacy.storable(answer.headers), urls.public(answer.url)
        form = accept.kept_form(request, answer.headers.get("content-type", ""))
        return Record(request.url, final, headers, asked_then, checked, took, size, digest, page, form)

    @staticmethod
    def _problem(change: Callable[[], object]) -> StoreUnavailable | None:
        """Make a change in the store, and return why that failed, or None."""
        try:
            change()
        except StoreUnavailable as problem:
            return problem
        return None


def drained(exchange: Exchange) -> Exchange:
    """Return the exchange with its body read to the end, and then given from memory.

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
    answer = exchange.answer._replace(body=BytesIO(data))
    return exchange._replace(answer=answer, record=body.record, problem=body.problem)


def _sent(validators: Mapping[str, str], send: Send, *, patient: bool, is_renewal: bool) -> Answer:
    """Send with the validators; once more without them, if a 304 is for another version than ours."""
    headers = dict(validators)
    if patient and is_renewal:
        # An expired copy may be fresh for the client's own cache, which must not answer for upstream.
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
    """Return a record after a 304, which renews its time, but not the description of its body (RFC 9111, section 3.2).

    A type or an encoding in a 304 describes no body: stored, it would make the page unreadable. An Age that the 304
    does not repeat no longer counts.
    """
    kept = {name: value for name, value in record.headers.items() if name != "age"}
    said = {name: value for name, value in privacy.storable(answer.headers).items() if not name.startswith("content-")}
    return record._replace(headers={**kept, **said}, asked=asked, checked=now, took=now - asked, expired=False)
