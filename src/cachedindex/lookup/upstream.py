"""One exchange with upstream: whether it may be asked now, what came back, and what the host learns from it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from http import HTTPStatus
from io import BytesIO

from cachedindex.errors import StoreUnavailable
from cachedindex.lookup.tee import Tee
from cachedindex.model import Answer, Event, EventKind, Health, Record, Request, RunMemory
from cachedindex.rules import accept, breaker, layout, pages, privacy, run_memory, urls
from cachedindex.rules.judge import GONE, Judgement, exceeds, judge
from cachedindex.store.blob import NewBlob
from cachedindex.store.health_log import HealthLog
from cachedindex.store.store import Store

_STORED_HEADERS = (
    "content-type", "content-encoding", "content-disposition", "etag", "last-modified", "cache-control", "age", "date",
    "x-pypi-last-serial",
)  # fmt: skip


@dataclass(frozen=True)
class Exchange:
    """What one exchange with upstream brought, as far as it has been read."""

    answer: Answer
    judgement: Judgement
    record: Record | None = None
    """What is stored now because of it; None while its body is still to be read."""
    problem: str | None = None
    """Why it could not be stored."""


class Upstream:
    """The origins beyond the store, as the processes of this host, and of this run, see them together."""

    def __init__(self, store: Store, host: HealthLog, run: HealthLog, clock: Callable[[], float] = time.time) -> None:
        """Take where answers and events are kept; `clock` tells seconds since the epoch."""
        self._store = store
        self._host = host
        self._run = run
        self._clock = clock
        self._recalled: dict[str, tuple[Sequence[Event], float, Health]] = {}

    def health(self, request: Request) -> Health:
        """Return what this host remembers of the request's origin."""
        name, now = layout.health_name(request), self._clock()
        events = self._host.events(name)
        known = self._recalled.get(name)
        # Every question to upstream wants to know this some times, and time alone changes it slowly.
        if known is None or known[0] is not events or not 0 <= now - known[1] < 1:
            known = self._recalled[name] = (events, now, breaker.recall(events, now))
        return known[2]

    def cold(self, request: Request) -> RunMemory:
        """Return what this run remembers of look-ups without a copy at the request's origin."""
        return run_memory.recall(self._run.events(layout.health_name(request)))

    def admit(self, request: Request) -> breaker.Admission:
        """Return whether a look-up that has a copy may ask now; a probe is claimed for this process."""
        admission = breaker.admit(self.health(request), request.remembered_as, self._clock())
        if admission != "probe":
            return admission
        token = secrets.token_hex(8)
        self._note(request, "probing", cause=token)
        return "probe" if breaker.is_prober(self.health(request), token) else "hold"

    def failed(self, request: Request, cause: str, *, with_copy: bool = True) -> None:
        """Tell the host, and the run where there was no copy, that the origin did."""
        self._note(request, "failed", cause=cause)
        if not with_copy:
            self._remember(request, "failed", cause)

    def ask(self, request: Request, record: Record | None, send: Callable[[], Answer]) -> Exchange:
        """Send the request, judge the answer, store what it is worth. Raises UpstreamFailed as `send` does.

        It may run in a thread of its own, and end after its caller has gone on: it says nothing to anybody.
        """
        asked = self._clock()
        answer = send()
        if answer.disclosure.gained and record is None and not request.identity.scope and not request.identity.shared:
            request = request.within(privacy.GAINED)
        body = b""
        if pages.is_read_whole(request) and answer.untouched is None:
            body = answer.body.read()
            answer = replace(answer, body=BytesIO(body))
        judgement = judge(request, record, answer, body, self.health(request), self._clock())
        self._learn(request, judgement, self._clock() - asked)
        if record is None and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._remember(request, "removed" if answer.status in GONE else "answered")
        if judgement.verdict == "replace" and request.kind != "page":
            return self._teed(request, answer, asked, judgement)
        return self._kept(request, record, answer, body, asked, judgement)

    def _learn(self, request: Request, judgement: Judgement, took: float) -> None:
        if judgement.verdict in ("replace", "renew"):
            self._note(request, "answered", took=took)
        elif judgement.verdict == "doubt":
            self._note(request, "doubted", cause=judgement.digest)
        elif judgement.verdict == "remove":
            self._note(request, "removed")
        elif judgement.fault and request.kind == "page":  # A failing file is no failing index.
            self.failed(request, judgement.why)

    def _kept(
        self, request: Request, record: Record | None, answer: Answer, body: bytes, asked: float, judgement: Judgement
    ) -> Exchange:
        """Return what asking for a page brought, once the store has taken it."""
        now = self._clock()
        if judgement.verdict == "replace":
            new = self._record(answer, request, asked, len(body), sha256(body).hexdigest(), body)
        elif judgement.verdict == "renew" and record and exceeds(request, answer):
            return Exchange(answer, judgement, record)
        elif judgement.verdict == "renew" and record:
            headers = _renewed(record, answer)
            new = replace(record, headers=headers, asked=asked, checked=now, took=now - asked, expired=False)
        elif judgement.verdict == "remove":
            return Exchange(answer, judgement, problem=self._stored(lambda: self._store.remove(request)))
        else:
            return Exchange(answer, judgement)
        return Exchange(answer, judgement, new, self._stored(lambda: self._store.put(request, new)))

    def _teed(self, request: Request, answer: Answer, asked: float, judgement: Judgement) -> Exchange:
        """Return the answer with a body that is stored as it is read, where its end can be told from a cut."""
        if self._store.read_only:
            return Exchange(answer, judgement)
        chunked = "chunked" in answer.headers.get("transfer-encoding", "").lower()
        # An encoded body is its own only in the encoding that this client asked for.
        ends = answer.announced is not None or chunked
        if not request.sha256 and ("content-encoding" in answer.headers or not ends):
            return Exchange(answer, judgement)

        def keep(blob: NewBlob) -> Record | None:
            if request.sha256 and blob.sha256 != request.sha256:
                return None
            blob.commit()
            record = self._record(answer, request, asked, blob.size, blob.sha256)
            self._store.put(request, record)
            return record

        try:
            blob = self._store.new_blob(request)
        except StoreUnavailable as error:
            return Exchange(answer, judgement, problem=str(error))
        tee = Tee(answer.body, blob, answer.announced, keep)
        native = answer.native and answer.native.being_read()
        return Exchange(replace(answer, body=tee, native=native), judgement)

    def _record(
        self, answer: Answer, request: Request, asked: float, size: int, digest: str, page: bytes | None = None
    ) -> Record:
        now = self._clock()
        final = urls.public(answer.url)
        headers = _storable(answer)
        # What the client's own cache had kept is as old as that says.
        age, took = answer.age, now - asked
        form = accept.kept_form(request, answer.headers.get("content-type", ""))
        return Record(request.url, final, headers, asked - age, now - age, took, size, digest, page, form)

    def _note(self, request: Request, what: EventKind, cause: str = "", took: float = 0.0) -> None:
        event = Event(what, self._clock(), request.remembered_as, cause, took)
        if breaker.worth_noting(self.health(request), event):
            self._host.append(layout.health_name(request), event)

    def _remember(self, request: Request, what: EventKind, cause: str = "") -> None:
        event = Event(what, self._clock(), request.remembered_as, cause)
        if request.kind != "file" and run_memory.worth_noting(self.cold(request), event):
            self._run.append(layout.health_name(request), event)

    @staticmethod
    def _stored(change: Callable[[], object]) -> str | None:
        """Return why a change of the store was not taken, or None."""
        try:
            change()
        except StoreUnavailable as error:
            return str(error)
        return None


def _renewed(record: Record, answer: Answer) -> dict[str, str]:
    """Return a record's headers after a 304, which tells of the time, but not of the body (RFC 9111, section 3.2).

    A type or an encoding that it names is that of no body. An Age that it does not repeat is over.
    """
    kept = {name: value for name, value in record.headers.items() if name != "age"}
    told = {name: value for name, value in _storable(answer).items() if not name.startswith("content-")}
    return {**kept, **told}


def _storable(answer: Answer) -> dict[str, str]:
    return {name: answer.headers[name] for name in _STORED_HEADERS if name in answer.headers}
