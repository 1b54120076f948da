"""The answer that the client is given: a copy, upstream's own, or an error made here; each with one outcome."""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus
from io import BytesIO
from typing import BinaryIO

from cachedindex.errors import CopyLost, IndexMissing
from cachedindex.lookup.context import Exchange, Lookup
from cachedindex.lookup.copies import Copies
from cachedindex.lookup.given import GivenPage, GivenPages
from cachedindex.lookup.tee import Tee
from cachedindex.lookup.unreachable import Unreachable
from cachedindex.model import Answer, Ended, Identity, Outcome, Record, Request
from cachedindex.rules import accept, downloads, privacy, ranges, urls
from cachedindex.rules.decide import Refuse, lifetime
from cachedindex.rules.judge import GONE
from cachedindex.run.report import Report
from cachedindex.run.summary import MISSED, ago, printable

_LACKING = "what is stored is HTML, which has no upload times"
"""pip's `--uploaded-prior-to` and `exclude-newer` end with an error that blames the index for that."""
_ANYBODY = Identity()
_SAMPLE = 4096
"""Bytes of a page's beginning and of its end that are kept until somebody asks for a file that it may list."""
_GONE = (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, *GONE)
"""What a file is answered with that is not there any more, or not under this link: S3 says 403 for a missing key, and
400 or 403 to a signature that has expired."""


class Answers:
    """The last step of every look-up of a process; it decides nothing."""

    def __init__(self, copies: Copies, given: GivenPages, report: Report, clock: Callable[[], float]) -> None:
        """`clock` returns seconds since the epoch."""
        self._copies = copies
        self._given = given
        self._report = report
        self._clock = clock
        self._unreachable = Unreachable(given)

    def of_copy(self, lookup: Lookup, ended: Ended, why: str, answer: Answer | None = None) -> Answer:
        """Return the copy as an answer; CopyLost if its blob is gone or damaged. `answer` has just renewed it."""
        request, record = lookup.request, lookup.record
        if ended == "stale" and lookup.newest:
            record = lookup.newest
        if record is None:
            raise CopyLost(f"{request.url}: there is no copy")
        body = self._copies.body(request, record)
        served = record
        wanted = accept.forms(request.kind, request.headers.get("accept", ""))
        if record.form not in ("", *wanted):
            served = _rendered(record)
            body = BytesIO(served.page or b"")
        elif ended == "stale" and (record.form, wanted[0]) == ("html", "json"):
            why = f"{why}; {_LACKING}"
        now, page = self._clock(), ""
        if request.kind == "page":
            is_unasked = ended in ("hit", "stale") and not lookup.settings.offline
            self._give_page(given_page(request, record, is_unasked=is_unasked), record)
            page = self._copies.name(request, record) if ended == "hit" else ""
        self._add_outcome(request, ended, why, now - record.checked, page, record, answer)
        return _replayed(request, served, body, self._cache_status(lookup, record, ended, now))

    def of_exchange(self, lookup: Lookup, exchange: Exchange) -> Answer:
        """Return what the client is given after an exchange, by its meaning; CopyLost as `of_copy`."""
        give, answer = exchange.meaning.give, exchange.answer
        if lookup.absence and exchange.meaning.is_down:
            answer.body.close()
            return self.absent(lookup, lookup.absence, exchange.meaning.why)
        if give == "copy":
            self._copies.report(exchange.problem)
            answer.body.close()
            return self.of_copy(lookup, "stale", exchange.meaning.why)
        if give == "record" and exchange.record:
            self._copies.report(exchange.problem)
            ended: Ended = "revalidated" if _is_the_same(lookup, exchange) else "miss"
            served = self.of_copy(lookup._replace(record=exchange.record), ended, "expired", answer)
            return served._replace(native=answer.native and answer.native.being_read())
        return self._of_upstream(lookup, exchange)

    def mirrored(self, lookup: Lookup, there: Request, record: Record, body: BinaryIO, why: str) -> Answer:
        """Return what a mirror has, in place of upstream's answer; `there` is what it was asked.

        Upstream was not heard, so that it is asked once more if nothing in a page fits.
        """
        request, served = lookup.request, record
        if request.kind == "page":
            if record.form not in accept.forms(request.kind, request.headers.get("accept", "")):
                served = _rendered(record)
                body = BytesIO(served.page or b"")
            self._give_error(lookup)
            self._give_page(given_page(there, record), record)
        self._add_outcome(request, "mirrored", why, 0.0 if request.kind == "page" else None, record=record)
        return _replayed(request, served, body, "cachedindex; fwd=miss")

    def refusal(self, lookup: Lookup, refusal: Refuse) -> Answer:
        """Answer with an error made here; the summary at the end of the run repeats its reason, which clients hide."""
        request, why = lookup.request, refusal.why
        self._give_error(lookup)
        if refusal.status == HTTPStatus.NOT_FOUND:
            self._add_outcome(request, "negative", why)
        else:
            why = self._explained(lookup, why)
            self._missed(lookup, "refused", why)
            if not lookup.settings.offline:
                self._report_down(lookup, why)
            why = f"{why}, and nothing is stored"
        return _made(request, refusal.status, why, "cachedindex; fwd=miss")

    def absent(self, lookup: Lookup, absence: Record, why: str) -> Answer:
        """Answer 404, as the index did when it was last asked for this page."""
        self._give_error(lookup)
        age = self._clock() - absence.checked
        self._add_outcome(lookup.request, "absent", why, age)
        says = f"{why}; it did not have it {ago(age)} ago"
        return _made(lookup.request, HTTPStatus.NOT_FOUND, says, f"cachedindex; hit; ttl={math.floor(-age)}")

    def challenge(self, lookup: Lookup, why: str) -> Answer:
        """Ask the client for the credentials of this user's private copy.

        pip sends those of a keyring only after a 401 (pip 26.3, network/auth.py, handle_401).
        """
        request = lookup.request
        self._give_error(lookup)
        headers = {"www-authenticate": f'Basic realm="{urls.origin(request.url)}"', "content-length": "0"}
        answer = Answer(401, "cachedindex: the copy is private", request.url, headers, BytesIO())
        self._add_outcome(request, "passed", f"{why}; what is stored is private", answer=answer)
        return answer

    def failed(self, lookup: Lookup, why: str) -> None:
        """Note that the client gets its own exception; IndexMissing if that is to end the build."""
        why = self._explained(lookup, why)
        self._missed(lookup, "failed", why)
        self._report_down(lookup, why)

    def passed(self, lookup: Lookup, why: str) -> None:
        """Note that the client asks by itself."""
        self._add_outcome(lookup.request, "passed", why)

    def came_late(self, lookup: Lookup, seconds: float) -> None:
        """Note that an answer came and was stored after its look-up had been served from the copy."""
        self._add_outcome(lookup.request, "late", f"answers in {seconds:.1f} s")

    def _of_upstream(self, lookup: Lookup, exchange: Exchange) -> Answer:
        """Return upstream's own answer, as it would have come without us."""
        request, means, answer = lookup.request, exchange.meaning, exchange.answer
        self._copies.report(exchange.problem)
        if isinstance(answer.body, Tee):
            answer.body.when_settled(lambda tee: self._streamed(lookup, answer, tee))
            return answer
        if answer.status in _GONE:
            self._lapse(request)
        is_stored = exchange.record is not None and means.store == "answer"
        if means.is_down:
            # buildout takes a 5xx for a page without links, so only the outcome says that it failed.
            self._missed(lookup, "failed", means.why)
            self._report_down(lookup, means.why)
            return answer
        self._add_outcome(request, "miss" if is_stored else "passed", means.why, record=exchange.record, answer=answer)
        if request.kind == "page" and answer.status == HTTPStatus.OK:
            self._give_page(given_page(request, exchange.record), exchange.record)
        return answer

    def _streamed(self, lookup: Lookup, answer: Answer, tee: Tee) -> None:
        self._copies.report(tee.problem)
        if tee.is_broken:
            self._missed(lookup, "failed", "its answer broke off")
        elif tee.record:
            self._add_outcome(lookup.request, "miss", "", record=tee.record, answer=answer)
        else:
            why = "its bytes were not those that were promised"
            self._add_outcome(lookup.request, "passed", why, answer=answer)
            if tee.is_another:
                self._lapse(lookup.request)

    def _lapse(self, request: Request) -> None:
        """Have the pages expire that list a file which is gone or another one, if upstream was not asked for them."""
        if request.kind == "file" or downloads.is_distribution(request.url.removesuffix(".metadata")):
            for page in self._given.lapse(request.url):
                self._copies.expire(page)

    def _cache_status(self, lookup: Lookup, record: Record, ended: Ended, now: float) -> str:
        """Return the header of RFC 9211, whose word for expired is stale."""
        if ended not in ("hit", "stale"):
            return "cachedindex; fwd=stale"
        if lookup.request.kind == "file":  # It has no time to live.
            return "cachedindex; hit"
        return f"cachedindex; hit; ttl={math.floor(lifetime(record, lookup.settings) - (now - record.checked))}"

    def _give_page(self, page: GivenPage, record: Record | None) -> None:
        """Note that the client is given a sound page; warn if another index could not be asked for its project."""
        if record:
            self._given.recent.append(record)
        self._given.latest.append(page)
        if self._unreachable.projects:
            self._warn(self._unreachable.warning(urls.project(page.request.url)))

    def _give_error(self, lookup: Lookup) -> None:
        """Note that the client is given an error made here, without hearing upstream."""
        if lookup.request.kind == "page" and not lookup.settings.offline:
            self._given.latest.append(GivenPage(lookup.request, is_unasked=True, is_absent=True))

    def _explained(self, lookup: Lookup, why: str) -> str:
        """Return why there is no answer, and why there is no copy, if the index has said so."""
        is_forbidden = lookup.settings.store == "auto" and self._copies.is_forbidden(lookup.request)
        return f"{why}; it forbids to store its answers, which store = always overrides" if is_forbidden else why

    def _report_down(self, lookup: Lookup, why: str) -> None:
        """Warn that an index which may have a page could not be asked, and there is no copy; or raise IndexMissing."""
        request = lookup.request
        if request.kind != "page":
            return
        if lookup.settings.missing_index == "fail":
            page = f"{privacy.shown_index(request)}{urls.project(request.url)}/"
            said = f"{page}: {why}, {self._lack(lookup)}, and missing-index = fail"
            raise IndexMissing(printable(said))
        self._warn(self._unreachable.add(request, f"({why}), and {self._lack(lookup)}"))

    def _warn(self, line: str | None) -> None:
        if line:
            self._report.warn(line)

    def _lack(self, lookup: Lookup) -> str:
        """Return why no copy stands in."""
        age = self._age(lookup)
        return "nothing is stored" if age is None else f"the copy is too old to stand in ({ago(age)})"

    def _age(self, lookup: Lookup) -> float | None:
        """Return the age of a copy that is too old to stand in; None if there is no copy."""
        # A file is never too old: there is another one under its URL.
        is_old = lookup.record is not None and lookup.request.kind != "file"
        return self._clock() - lookup.record.checked if is_old and lookup.record else None

    def _missed(self, lookup: Lookup, ended: Ended, why: str) -> None:
        self._add_outcome(lookup.request, ended, why, self._age(lookup))

    def _add_outcome(
        self,
        request: Request,
        ended: Ended,
        why: str,
        age: float | None = None,
        page: str = "",
        record: Record | None = None,
        answer: Answer | None = None,
    ) -> None:
        """Report a look-up's one outcome, with the record that was served or stored, and the answer of upstream.

        `page` is the name of a record that was served without asking upstream.
        """
        url = urls.public(request.url)
        outcome = Outcome(
            ended,
            request.kind,
            url,
            urls.origin(url),
            why,
            age,
            at=self._clock(),
            sha256=record.sha256 if record else "",
            took=record.took if record and ended in ("revalidated", "miss") else 0.0,
        )
        is_private = ended in MISSED and self._copies.has_private(
            request
        )  # pip asks without its keyring's password first.
        if is_private or answer or request.identity != _ANYBODY:  # Else everybody: a fresh page needs no further rule.
            seen_by = "user" if is_private else privacy.seen_by(request, answer, (record and record.page) or b"")
            outcome = outcome._replace(seen_by=seen_by, shown_index=privacy.shown_index(request))
        self._report.add(outcome, page)


def _made(request: Request, status: int, why: str, cache_status: str) -> Answer:
    """Return an error that no index sent."""
    headers = {"content-length": "0", "cache-status": cache_status}
    reason = printable(f"cachedindex: {urls.origin(request.url)}: {why}")
    return Answer(status, reason, request.url, headers, BytesIO())


def _rendered(record: Record) -> Record:
    """Return a copy in JSON for a client that reads HTML only; CopyLost if it cannot be rendered."""
    from cachedindex.rules import rendering  # noqa: PLC0415 - no pip needs it

    try:
        return rendering.as_html(record)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise CopyLost(f"{record.url}: {error}") from None


def given_page(request: Request, record: Record | None, *, is_unasked: bool = False) -> GivenPage:
    """Return a page as it was given to the client; None for a page that is not stored."""
    if record is None:
        return GivenPage(request)
    body = record.page or b""
    return GivenPage(request, record.sha256, is_unasked=is_unasked, sample=body[:_SAMPLE] + b"\n" + body[-_SAMPLE:])


def _replayed(request: Request, record: Record, body: BinaryIO, cache_status: str) -> Answer:
    """Return a record as an answer: whole, in part (RFC 9110, section 14), or its headers; `body` is verified."""
    headers = {**record.headers, "content-length": str(record.size), "cache-status": cache_status}
    if request.kind == "file":
        headers["accept-ranges"] = "bytes"  # pip's fast-deps looks for it (pip 26.3, network/lazy_wheel.py).
    if request.method == "HEAD":
        body.close()
        return Answer(200, "OK", record.final, headers, BytesIO())
    if "range" not in request.headers:
        return Answer(200, "OK", record.final, headers, body)
    part = ranges.wanted(request.headers, record.headers, record.size)
    if part == "whole":
        return Answer(200, "OK", record.final, headers, body)
    if part == "none":
        body.close()
        headers |= {"content-length": "0", "content-range": f"bytes */{record.size}"}
        return Answer(416, "Range Not Satisfiable", record.final, headers, BytesIO())
    return _partial(record, body, part, headers)


def _partial(record: Record, body: BinaryIO, part: range, headers: dict[str, str]) -> Answer:
    body.seek(part.start)
    headers |= {
        "content-length": str(len(part)),
        "content-range": f"bytes {part.start}-{part.stop - 1}/{record.size}",
    }
    return Answer(206, "Partial Content", record.final, headers, Part(body, len(part)))


class Part:
    """A Body that is a part of another one."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        """`source` is open at the start of the part, which has `size` bytes."""
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


def _is_the_same(lookup: Lookup, exchange: Exchange) -> bool:
    """Return whether upstream confirmed the copy: by a 304, or by its bytes: Apache with DEFLATE ignores its ETag."""
    old, new = lookup.record, exchange.record
    has_validator = old is not None and not {"etag", "last-modified"}.isdisjoint(old.headers)
    return exchange.meaning.store == "renewal" or bool(has_validator and old and new and old.sha256 == new.sha256)
