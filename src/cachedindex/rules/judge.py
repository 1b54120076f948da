"""After an answer: whether it replaces the copy, renews it, casts doubt on it, is rejected, or is not for us."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from cachedindex.model import Answer, Health, Record, Request
from cachedindex.options import CONFIRM_AFTER
from cachedindex.rules import downloads, pages, privacy

_DOUBT_LIMIT = 86400.0
_DOUBTED_PROJECTS = 3
"""Doubt about as many projects at once is the origin's fault, not theirs."""
_FINAL = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_LATER_VERSION = re.compile(r"vnd\.pypi\.simple\.v(?!1\+)")
"""Of the index API, which a client of version 1 must not be given (PEP 691)."""
_PROXY_FAULT = HTTPStatus.PROXY_AUTHENTICATION_REQUIRED


@dataclass(frozen=True)
class Judgement:
    """What an answer means for the record."""

    verdict: Literal["replace", "renew", "remove", "doubt", "reject", "pass"]
    why: str = ""
    fault: bool = False
    """Whether it counts as a failure of the origin."""
    digest: str = ""
    """Of a doubtful answer, to know it again."""


def judge(
    request: Request, record: Record | None, answer: Answer, body: bytes, health: Health, now: float
) -> Judgement:
    """Return what an answer means; `body` is there for what is read whole: a page, an `extends` file."""
    if answer.status == HTTPStatus.OK:
        judged = _judge_body(request, record, answer, body, health, now)
        unstored = judged.verdict == "replace" and _unstored(request, answer)
        return Judgement("pass", "it is not to be stored") if unstored else judged
    if answer.status == HTTPStatus.NOT_MODIFIED and record:
        return Judgement("renew")
    # A redirect that is left at the end of the way leads nowhere, or in a circle.
    lost = HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST
    fault = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == _PROXY_FAULT or lost
    why = f"it answered {answer.status} {answer.reason}".rstrip()
    if answer.status in _FINAL or record is None or exceeds(request, answer):
        return Judgement("pass", why, fault)
    if answer.status in GONE:
        return _doubt(request, why, str(answer.status), health, now)
    return Judgement("reject", why, fault)


def exceeds(request: Request, answer: Answer) -> bool:
    """Return whether an answer was given to more than the request tells of, so that it must not change a copy."""
    told, identity = answer.disclosure, request.identity
    return told.other or (told.gained and identity.scope != privacy.GAINED and not identity.shared)


def _unstored(request: Request, answer: Answer) -> bool:
    control = answer.headers.get("cache-control", "").lower()
    if exceeds(request, answer) or "no-store" in control:
        return True
    if _LATER_VERSION.search(answer.headers.get("content-type", "").lower()):  # There is one record for all clients.
        return True
    return "private" in control and not (request.identity.scope or request.identity.shared)


def _judge_body(
    request: Request, record: Record | None, answer: Answer, body: bytes, health: Health, now: float
) -> Judgement:
    if not answer.completeness.whole:
        return Judgement("reject", "the answer was cut short")
    media = answer.headers.get("content-type", "")
    if request.kind == "page":
        return _judge_page(request, record, media, body, answer, health, now)
    unlike = downloads.unlike(request.url, record, media, body) if request.kind == "other" else None
    if unlike:
        return Judgement("reject", f"it answered with {unlike}")
    return (
        Judgement("replace") if answer.completeness.ends else Judgement("pass", "its end cannot be told from a break")
    )


def _judge_page(
    request: Request, record: Record | None, media: str, body: bytes, answer: Answer, health: Health, now: float
) -> Judgement:
    try:
        new = pages.read(request.url, media, body)
    except pages.NoIndexPage as error:
        return Judgement("reject", f"it answered with {error}")
    # Where neither a length, nor a last chunk, nor gzip tells a whole answer from a cut one, the page has to.
    if not answer.completeness.ends and not pages.is_closed(media, body):
        return Judgement("reject", "the answer was cut short")
    if record is None or new.status == "quarantined":  # PEP 792: installers must not be offered its files.
        return Judgement("replace")
    old = pages.stored(record)
    if _is_older(record, old, answer, new, now):
        return Judgement("reject", "it answered with an older page")
    lost = pages.lost(old, new)
    return _doubt(request, lost, pages.digest(new), health, now) if lost else Judgement("replace")


def _is_older(record: Record, old: pages.Page, answer: Answer, new: pages.Page, now: float) -> bool:
    """Return whether a page is one that the index had before: by its serial, and as it offers nothing new.

    For a day only: an index that was set up anew counts from the start (devpi#817 held on to its copies for ever).
    """
    before, after = pages.serial(old, record.headers), pages.serial(new, answer.headers)
    if before is None or after is None or after >= before or now - record.checked >= _DOUBT_LIMIT:
        return False
    return pages.offers_less(old, new)


def _doubt(request: Request, why: str, digest: str, health: Health, now: float) -> Judgement:
    """Believe a doubtful answer once it was seen again later, with the origin sound for others in between.

    After a day in any case: an origin may have no other page, and an index may drop most of what it has.
    """
    since, seen = health.doubted.get(request.remembered_as, (now, digest))
    first = since if seen == digest else now
    waited = now - first
    sound_since = health.answered is not None and health.answered > first
    projects_own = sound_since and len(health.doubted) < _DOUBTED_PROJECTS
    if waited >= (CONFIRM_AFTER if projects_own else _DOUBT_LIMIT):
        return Judgement("remove" if digest.isdigit() else "replace", "seen again")
    return Judgement("doubt", why, digest=digest)
