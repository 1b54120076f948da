"""After an answer: does it replace the copy, renew it, cast doubt on it, say nothing about it, or not concern us?"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from cachedindex.model import Answer, Health, Record, Request
from cachedindex.rules import pages
from cachedindex.settings import CONFIRM_AFTER

_DOUBT_LIMIT = 86400.0
_DOUBTED_PROJECTS = 3
"""Doubt about as many projects at once is the origin's fault, not theirs."""
_FINAL = (401, 403)
_FAULTS = (407, 408, 429)


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
    if answer.private or "no-store" in answer.headers.get("cache-control", "").lower():
        return Judgement("pass", "not to be stored")
    if answer.status == 200:
        return _judge_page(request, record, answer, page, health, now) if request.kind == "page" else _whole(answer)
    if answer.status == 304 and record:
        return Judgement("renew")
    if answer.status in _FINAL or record is None:
        return Judgement("pass", f"upstream said {answer.status}", fault=answer.status >= 500)
    if answer.status in (404, 410):
        return _doubt(record, f"it was gone ({answer.status})", str(answer.status), health, now)
    fault = answer.status >= 500 or answer.status in _FAULTS
    return Judgement("reject", f"it answered {answer.status} {answer.reason}".rstrip(), fault)


def _whole(answer: Answer) -> Judgement:
    return Judgement("replace") if answer.whole else Judgement("reject", "the answer was cut short")


def _judge_page(
    request: Request, record: Record | None, answer: Answer, page: bytes, health: Health, now: float
) -> Judgement:
    if not answer.whole:
        return Judgement("reject", "the answer was cut short")
    try:
        new = pages.read(request.url, answer.headers.get("content-type", ""), page)
    except pages.NoIndexPage as error:
        return Judgement("reject", f"it answered with {error}")
    lost = pages.lost(_listing(record), new) if record else None
    if record and lost:
        return _doubt(record, lost, sha256(page).hexdigest(), health, now)
    return Judgement("replace")


def _listing(record: Record) -> pages.Listing:
    try:
        return pages.read(record.url, record.headers.get("content-type", ""), record.page or b"")
    except pages.NoIndexPage:  # Stored under other rules: there is nothing to lose.
        return pages.Listing(())


def _doubt(record: Record, why: str, digest: str, health: Health, now: float) -> Judgement:
    """Believe a doubtful answer once it was seen again later, with the origin sound for others in between."""
    first = record.doubt[1] if record.doubt and record.doubt[0] == digest else now
    waited = now - first
    sound_since = health.answered is not None and health.answered > first
    origins_fault = len(health.doubted) >= _DOUBTED_PROJECTS and waited < _DOUBT_LIMIT
    if waited >= CONFIRM_AFTER and sound_since and not origins_fault:
        return Judgement("pass" if digest in ("404", "410") else "replace", "seen again")
    return Judgement("doubt", why, digest=digest)
