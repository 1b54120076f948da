"""What the client is given in the end: a copy, upstream's own answer, or an error made here; one outcome for each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from io import BytesIO
from typing import BinaryIO

from cachedindex.errors import IndexMissing
from cachedindex.lookup.copies import Copies
from cachedindex.lookup.promises import Promises
from cachedindex.lookup.tee import Tee
from cachedindex.lookup.unreachable import Unreachable
from cachedindex.lookup.upstream import Exchange
from cachedindex.model import Answer, Ended, Outcome, Record, Request
from cachedindex.options import Settings
from cachedindex.rules import ranges, urls
from cachedindex.rules.decide import Refuse, lifetime
from cachedindex.run.report import Report


class Answers:
    """The last step of every look-up of a process, which remembers what its client was given."""

    def __init__(self, copies: Copies, settings: Settings, report: Report, clock: Callable[[], float]) -> None:
        self._copies = copies
        self._settings = settings
        self._report = report
        self._clock = clock
        self._unreachable = Unreachable()
        self._unasked: set[str] = set()
        self.promises = Promises(copies.found)

    def was_unasked(self, project: str) -> bool:
        """Return whether a project's page was given without asking upstream; true once for each."""
        name = urls.normalized(project)
        known = name in self._unasked
        self._unasked.discard(name)
        return known

    def serve(self, request: Request, record: Record, ended: Ended, why: str) -> Answer | None:
        """Return the copy as an answer; None where its blob is gone or damaged."""
        body = self._copies.body(request, record)
        if body is None:
            return None
        now = self._clock()
        left = math.floor(lifetime(record, self._settings.for_url(request.url)) - (now - record.checked))
        # RFC 9211; what it calls stale is what this project calls expired. A file has no time to live.
        status = "hit" if request.kind == "file" else f"hit; ttl={left}"
        status = status if ended in ("hit", "stale") else "fwd=stale"
        name = ""
        if request.kind == "page":
            self._gave_page(request, record)
        if request.kind == "page" and ended == "hit":
            self._unasked.add(urls.project(request.url))
            name = self._copies.name(request, record)
        self.end(request, ended, why, now - record.checked, name)
        return _of_copy(request, record, body, f"cachedindex; {status}")

    def serve_exchanged(self, request: Request, record: Record, exchange: Exchange) -> Answer | None:
        """Return what the client gets of an answer that came in time, where there is a copy; None: it has to ask."""
        judgement, body = exchange.judgement, exchange.answer.body
        unread = not (isinstance(body, Tee) and body.closed)
        if judgement.verdict in ("pass", "remove") or (
            judgement.verdict == "replace" and not exchange.record and unread
        ):
            return self.hand_over(request, exchange)
        self._copies.complain(exchange.problem)
        if judgement.verdict == "replace" and not exchange.record:
            return None  # Read for a store that did not take it: the client has to ask for it once more.
        if exchange.record and judgement.verdict in ("replace", "renew"):
            ended: Ended = "miss" if judgement.verdict == "replace" else "revalidated"
            served = self.serve(request, exchange.record, ended, "expired")
            native = exchange.answer.native
            return served and replace(served, native=native and native.being_read())
        exchange.answer.body.close()
        return self.serve(request, record, "stale", judgement.why)

    def hand_over(self, request: Request, exchange: Exchange) -> Answer:
        """Return upstream's own answer, as it would have come without us."""
        self._copies.complain(exchange.problem)
        body = exchange.answer.body
        if isinstance(body, Tee):
            body.then(lambda tee: self._streamed(request, tee))
            return exchange.answer
        judgement = exchange.judgement
        stored = exchange.record is not None and judgement.verdict == "replace"
        failed = judgement.fault and request.kind == "page"  # buildout takes a 5xx for a page without links.
        self.end(request, "miss" if stored else "failed" if failed else "passed", judgement.why)
        if (
            request.kind == "page"
            and exchange.answer.status == HTTPStatus.OK
            and judgement.verdict in ("replace", "pass")
        ):
            self._gave_page(request, exchange.record)
        elif judgement.fault or judgement.verdict == "reject":
            self._is_down(request, judgement.why)
        return exchange.answer

    def refuse(self, request: Request, refusal: Refuse) -> Answer:
        """Answer with an error made here; its reason is repeated at the end of the run, as clients hide it."""
        if refusal.status == HTTPStatus.NOT_FOUND:
            self._unasked.add(urls.project(request.url))
            self.end(request, "negative", refusal.why)
        else:
            self.end(request, "refused", refusal.why)
            if not self._settings.for_url(request.url).offline:
                self._is_down(request, refusal.why)
        headers = {"content-length": "0", "cache-status": "cachedindex; fwd=miss"}
        reason = f"cachedindex: {urls.origin(request.url)}: {refusal.why}"
        return Answer(refusal.status, reason, request.url, headers, BytesIO())

    def challenge(self, request: Request, why: str) -> Answer:
        """Ask the client for credentials, with which it gets what this user has a private copy of."""
        self.end(request, "passed", f"{why}; what is stored is private")
        realm = urls.origin(request.url)
        headers = {"www-authenticate": f'Basic realm="{realm}"', "content-length": "0"}
        return Answer(401, "cachedindex: the copy is private", request.url, headers, BytesIO())

    def fail(self, request: Request, why: str) -> None:
        """Note that the client gets its own exception."""
        self.end(request, "failed", why)
        self._is_down(request, why)

    def end(self, request: Request, ended: Ended, why: str, age: float | None = None, page: str = "") -> None:
        """Report a look-up's one outcome."""
        url = urls.public(request.url)
        self._report.add(Outcome(ended, request.kind, url, urls.origin(url), why, age), page)

    def _streamed(self, request: Request, tee: Tee) -> None:
        self._copies.complain(tee.problem)
        self.end(request, "miss" if tee.record else "passed", "" if tee.record else "it was not what was promised")

    def _gave_page(self, request: Request, record: Record | None) -> None:
        """Note that the client was given a sound page."""
        self.promises.served(request, record.sha256 if record else "")
        self._say(self._unreachable.found(request))

    def _is_down(self, request: Request, why: str) -> None:
        """Note that an index which may have a page could not be asked, and has no copy; or raise IndexMissing."""
        if request.kind != "page":
            return
        if self._settings.for_url(request.url).missing_index == "fail":
            raise IndexMissing(f"{urls.public(request.url)}: {why}, nothing is stored, and missing-index = fail")
        self._say(self._unreachable.down(request, why))

    def _say(self, gap: str | None) -> None:
        if gap:
            self._report.warn(gap)


def _of_copy(request: Request, record: Record, body: BinaryIO, cache_status: str) -> Answer:
    """Return what the request gets of a record whose bytes `body` holds, every one of them verified (RFC 9110, 14)."""
    headers = {**record.headers, "content-length": str(record.size), "cache-status": cache_status}
    if request.kind == "file":
        headers["accept-ranges"] = "bytes"  # pip's fast-deps looks for it (pip 26.3, network/lazy_wheel.py).
    if request.method == "HEAD":
        body.close()
        return Answer(200, "OK", record.final, headers, BytesIO())
    part = ranges.wanted(request.headers, record.headers, record.size)
    if part == "whole":
        return Answer(200, "OK", record.final, headers, body)
    if part == "none":
        body.close()
        headers |= {"content-length": "0", "content-range": f"bytes */{record.size}"}
        return Answer(416, "Range Not Satisfiable", record.final, headers, BytesIO())
    body.seek(part.start)
    headers |= {
        "content-length": str(len(part)),
        "content-range": f"bytes {part.start}-{part.stop - 1}/{record.size}",
    }
    return Answer(206, "Partial Content", record.final, headers, Part(body, len(part)))


class Part:
    """A Body that ends before another one does."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        """Take an open source at the part's start, and how many bytes the part has."""
        self._source = source
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        """Return the part's next bytes."""
        data = self._source.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Close the source."""
        self._source.close()
