"""After an answer: whether it replaces the copy, renews it, casts doubt on it, is rejected, or is not for us."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Literal

from cachedindex.model import Answer, Health, Record, Request
from cachedindex.rules import pages
from cachedindex.settings import CONFIRM_AFTER

_DOUBT_LIMIT = 86400.0
_DOUBTED_PROJECTS = 3
"""Doubt about as many projects at once is the origin's fault, not theirs."""
_FINAL = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_PROXY_FAULT = HTTPStatus.PROXY_AUTHENTICATION_REQUIRED


@dataclass(frozen=True)
class Judgement:
    """What an answer means for the record."""

    verdict: Literal["replace", "renew", "doubt", "reject", "pass"]
    why: str = ""
    fault: bool = False
    """Whether it counts as a failure of the origin."""
    digest: str = ""
    """Of a doubtful answer, to know it again."""


def judge(
    request: Request, record: Record | None, answer: Answer, page: bytes, health: Health, now: float
) -> Judgement:
    """Return what an answer means; `page` is its body when the request is for a page."""
    if answer.status == HTTPStatus.OK:
        judged = _judge_page(request, record, answer, page, health, now) if request.kind == "page" else _whole(answer)
        unstored = judged.verdict == "replace" and _unstored(answer)
        return Judgement("pass", "it is not to be stored") if unstored else judged
    if answer.status == HTTPStatus.NOT_MODIFIED and record:
        return Judgement("renew")
    fault = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == _PROXY_FAULT
    why = f"it answered {answer.status} {answer.reason}".rstrip()
    if answer.status in _FINAL or record is None:
        return Judgement("pass", why, fault)
    if answer.status in _GONE:
        return _doubt(record, why, str(answer.status), health, now)
    return Judgement("reject", why, fault)


def _unstored(answer: Answer) -> bool:
    control = answer.headers.get("cache-control", "").lower()
    return answer.private or "no-store" in control or "private" in control


def _whole(answer: Answer) -> Judgement:
    return Judgement("replace") if answer.whole else Judgement("reject", "the answer was cut short")


def _judge_page(
    request: Request, record: Record | None, answer: Answer, page: bytes, health: Health, now: float
) -> Judgement:
    if not answer.whole:
        return Judgement("reject", "the answer was cut short")
    try:
        new = pages.links(request.url, answer.headers.get("content-type", ""), page)
    except pages.NoIndexPage as error:
        return Judgement("reject", f"it answered with {error}")
    lost = pages.lost(_links(record), new) if record else None
    if record and lost:
        return _doubt(record, lost, sha256(page).hexdigest(), health, now)
    return Judgement("replace")


def _links(record: Record) -> tuple[pages.Link, ...]:
    try:
        return pages.links(record.url, record.headers.get("content-type", ""), record.page or b"")
    except pages.NoIndexPage:  # Stored under other rules: there is nothing to lose.
        return ()


def _doubt(record: Record, why: str, digest: str, health: Health, now: float) -> Judgement:
    """Believe a doubtful answer once it was seen again later, with the origin sound for others in between."""
    first = record.doubt[1] if record.doubt and record.doubt[0] == digest else now
    waited = now - first
    sound_since = health.answered is not None and health.answered > first
    origins_fault = len(health.doubted) >= _DOUBTED_PROJECTS and waited < _DOUBT_LIMIT
    if waited >= CONFIRM_AFTER and sound_since and not origins_fault:
        return Judgement("pass" if digest.isdigit() else "replace", "seen again")
    return Judgement("doubt", why, digest=digest)
