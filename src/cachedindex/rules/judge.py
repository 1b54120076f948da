"""After an answer: what it is worth, and what follows from that for the store, for the others, and for the client."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from cachedindex.errors import assert_never
from cachedindex.model import Answer, EventKind, Health, Record, Request
from cachedindex.options import CONFIRM_AFTER
from cachedindex.rules import downloads, layout, limits, pages, privacy, urls

_DOUBT_LIMIT = 86400.0
_DOUBTED_PROJECTS = 3
"""Doubt about as many projects at once is the origin's fault, not theirs."""
_FINAL = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_FAULTS = (HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, HTTPStatus.TOO_MANY_REQUESTS)
"""Failures that are no 5xx."""


@dataclass(frozen=True)
class Replace:
    """It is sound, and takes the place of the copy."""


@dataclass(frozen=True)
class Renew:
    """The copy is still right."""


@dataclass(frozen=True)
class Remove:
    """Upstream has it no more, and this has been confirmed."""

    why: str


@dataclass(frozen=True)
class Doubt:
    """It may be a removal or an outage: the copy stays until it is confirmed."""

    why: str
    digest: str
    """Of the doubtful answer, to know it again."""


@dataclass(frozen=True)
class Reject:
    """It cannot be what was asked for: the copy is better."""

    why: str
    fault: bool = False
    """Whether it counts as a failure of whatever answered."""
    wait: float = 0.0
    """Seconds for which it asked to be left alone."""


@dataclass(frozen=True)
class HandOver:
    """It is for the client alone, and changes no copy."""

    why: str
    fault: bool = False
    wait: float = 0.0


Verdict = Replace | Renew | Remove | Doubt | Reject | HandOver


@dataclass(frozen=True)
class Meaning:
    """What follows from an answer."""

    store: Literal["answer", "renewal", "removal", "nothing"]
    note: EventKind | None
    """What the other processes of this host learn of the origin."""
    give: Literal["answer", "record", "copy"]
    """Upstream's own answer; the record that is stored now; the copy as it was, stale."""
    why: str = ""
    is_down: bool = False
    """Whether a client without a copy has to do without what the index may have."""
    digest: str = ""
    """Of a doubtful answer."""
    wait: float = 0.0
    """Seconds for which upstream asked to be left alone."""


def meaning(  # noqa: PLR0911 - one for each verdict
    request: Request, verdict: Verdict, *, copy: bool
) -> Meaning:
    """Return what follows from a verdict, given whether there is a copy that may stand in."""
    instead: Literal["copy", "answer"] = "copy" if copy else "answer"
    match verdict:
        case Replace():
            return Meaning("answer", "answered", "record" if copy else "answer")
        case Renew():
            return Meaning("renewal", "answered", "record")
        case Remove(why):
            return Meaning("removal", "removed", "answer", why)
        case Doubt(why, digest):
            return Meaning("nothing", "doubted", instead, why, digest=digest)
        case Reject(why, fault, wait):
            return Meaning("nothing", _failure(request, fault, wait), instead, why, is_down=True, wait=wait)
        case HandOver(why, fault, wait):
            return Meaning("nothing", _failure(request, fault, wait), "answer", why, is_down=fault, wait=wait)
        case _:
            return assert_never(verdict)


def _failure(
    request: Request,
    fault: bool,  # noqa: FBT001 - passed on as it stands in a verdict
    wait: float,
) -> EventKind | None:
    """Return what is noted of a fault: a file that fails is no failing index, but every limit is to be respected."""
    if wait:
        return "limited"
    return "failed" if fault and request.kind == "page" else None


def judge(request: Request, record: Record | None, answer: Answer, body: bytes, health: Health, now: float) -> Verdict:
    """Return what an answer is worth; `body` is there for what is read whole: a page, an `extends` file."""
    if answer.status == HTTPStatus.OK:
        verdict = _judge_body(request, record, answer, body, health, now)
        is_secret = isinstance(verdict, Replace) and privacy.unstorable(request, answer)
        return HandOver("it is not to be stored") if is_secret else verdict
    if answer.status == HTTPStatus.NOT_MODIFIED and record:
        return Renew()
    # A redirect that is left at the end of the way leads nowhere, or in a circle.
    is_lost = HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST
    fault = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _FAULTS or is_lost
    wait = limits.wait(answer, now)
    why = f"it answered {answer.status} {answer.reason}".rstrip() + (
        f", and asked to wait {wait:.0f} s" if wait else ""
    )
    why = urls.blamed(request.url, answer.url, why) if fault else why
    if answer.status in _FINAL or record is None or privacy.exceeds(request, answer):
        return HandOver(why, fault, wait)
    if answer.status in GONE:
        return _doubt(request, why, str(answer.status), health, now)
    return Reject(why, fault, wait)


def _judge_body(
    request: Request, record: Record | None, answer: Answer, body: bytes, health: Health, now: float
) -> Verdict:
    if not answer.completeness.whole:
        return Reject("the answer was cut short")
    media = answer.headers.get("content-type", "")
    if request.kind == "page":
        return _judge_page(request, record, media, body, answer, health, now)
    unlike = downloads.unlike(request.url, record, media, body) if request.kind == "other" else None
    if unlike:
        return Reject(f"it answered with {unlike}")
    return Replace() if answer.completeness.ends else HandOver("its end cannot be distinguished from a break")


def _judge_page(
    request: Request, record: Record | None, media: str, body: bytes, answer: Answer, health: Health, now: float
) -> Verdict:
    try:
        new = pages.read(request.url, media, body)
    except pages.NoIndexPage as error:
        return Reject(f"it answered with {error}")
    # If neither a length, nor a last chunk, nor gzip shows that an answer is whole, the page has to.
    if not answer.completeness.ends and not pages.is_closed(media, body):
        return Reject("the answer was cut short")
    if record is None or new.status == "quarantined":  # PEP 792: installers must not be offered its files.
        return Replace()
    old = pages.stored(record)
    if _is_older(record, old, answer, new, now):
        return Reject("it answered with an older page")
    lost = pages.lost(old, new)
    return _doubt(request, lost, pages.digest(new), health, now) if lost else Replace()


def _is_older(record: Record, old: pages.Page, answer: Answer, new: pages.Page, now: float) -> bool:
    """Return whether a page is one that the index had before: by its serial, and as it offers nothing new.

    For a day only: an index that was set up anew counts from the start (devpi#817 held on to its copies for ever).
    """
    before, after = pages.serial(old, record.headers), pages.serial(new, answer.headers)
    if before is None or after is None or after >= before or now - record.checked >= _DOUBT_LIMIT:
        return False
    return pages.offers_less(old, new)


def _doubt(request: Request, why: str, digest: str, health: Health, now: float) -> Verdict:
    """Believe a doubtful answer once it was seen again later, if the origin gave sound answers for others in between.

    After a day in any case: an origin may have no other page, and an index may drop most of what it has.
    """
    since, seen = health.doubted.get(layout.subject(request), (now, digest))
    first = since if seen == digest else now
    waited = now - first
    sound_since = health.answered is not None and health.answered > first
    projects_own = sound_since and len(health.doubted) < _DOUBTED_PROJECTS
    if waited < (CONFIRM_AFTER if projects_own else _DOUBT_LIMIT):
        return Doubt(why, digest)
    return Remove("seen again") if digest.isdigit() else Replace()
