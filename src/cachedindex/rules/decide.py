"""Before asking: serve the copy, ask upstream, stay out of it, or refuse."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cachedindex.model import Health, Record, Request
from cachedindex.rules import naming
from cachedindex.settings import CLOCK_SKEW, PATIENCE_LIMIT, Settings

_LONGEST_LIFETIME = 600.0
"""Upstream's max-age counts up to here, as a page that is wrong for longer is noticed by people."""
_UNSAID_LIFETIME = 60.0
_NEUTRAL_HEADERS = {
    "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection", "content-type",
    "dnt", "host", "keep-alive", "pragma", "te", "upgrade-insecure-requests", "user-agent", "x-requested-with",
}  # fmt: skip
"""What a request may say without saying who asks, or for which part: every other header may be a credential."""
_FORMS = re.compile(r"\*/\*|text/\*|text/html|application/xhtml\+xml|application/vnd\.pypi\.simple\..*")


@dataclass(frozen=True)
class Serve:
    """Answer from the copy."""

    why: str
    stale: bool = False


@dataclass(frozen=True)
class Ask:
    """Ask upstream; with `copy`, under a deadline, since the copy may be served instead."""

    validators: Mapping[str, str]
    copy: bool = False


@dataclass(frozen=True)
class Pass:
    """Let the client do it alone."""

    why: str


@dataclass(frozen=True)
class Refuse:
    """Answer with an error made here."""

    status: int
    why: str


Decision = Serve | Ask | Pass | Refuse


def decide(request: Request, record: Record | None, settings: Settings, now: float) -> Decision:
    """Return what to do about a request, given what the store has for it."""
    why = _not_ours(request)
    if why:
        return Pass(why)
    if record is None or (request.sha256 and record.sha256 != request.sha256):
        return Refuse(504, "offline = true, and nothing is stored") if settings.offline else Ask({})
    if request.kind == "file":
        return Serve("immutable")
    if _fresh(request, record, settings, now) and not _insists(request, settings):
        return Serve("fresh")
    stale = Serve("offline = true", stale=True)
    return stale if settings.offline else Ask(_validators(record), _may_stand_in(record, settings, now))


def lifetime(record: Record, settings: Settings) -> float:
    """Return for how many seconds after its last check a page is fresh (RFC 9111, section 4.2.1)."""
    if settings.index_ttl is not None:
        return settings.index_ttl
    control = record.headers.get("cache-control", "").lower()
    if "no-cache" in control or "no-store" in control:
        return 0.0
    said = re.search(r"max-age\s*=\s*\"?(\d+)", control)
    if said:
        return min(max(float(said[1]) - _age_header(record), 0.0), _LONGEST_LIFETIME)
    return 0.0 if _validators(record) else _UNSAID_LIFETIME


def patience(record: Record, health: Health, settings: Settings) -> float:
    """Return the seconds in all that an attempt may take while a copy could stand in.

    One that has failed before took at least the whole timeout: a slow upstream gets its chance, even from processes
    that are too short to see a late answer.
    """
    before = settings.timeout if record.url in health.failed else 0.0
    adapted = min(2 * max(record.took, health.took, before), PATIENCE_LIMIT)
    return max(settings.timeout, adapted)


def telling(headers: Iterable[str]) -> str | None:
    """Return the first header, of lower-case names, that may be a credential or ask for a part; None for none."""
    return next((name for name in headers if name not in _NEUTRAL_HEADERS), None)


def _not_ours(request: Request) -> str | None:
    told = telling(request.headers)
    accepted = [form.partition(";")[0].strip().lower() for form in request.headers.get("accept", "*/*").split(",")]
    reasons = {
        f"{request.method} is not cached": request.method != "GET",
        request.aside: bool(request.aside),
        f"{told} may be a credential, or ask for a part": told is not None,
        "a query may be a secret, or a signature that expires": "?" in request.url,
        "the client wants it unstored": "no-store" in request.headers.get("cache-control", ""),
        "it asks for a form that is no index page's": request.kind == "page"
        and not all(map(_FORMS.fullmatch, accepted)),
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def _fresh(request: Request, record: Record, settings: Settings, now: float) -> bool:
    age = now - record.checked
    return request.kind == "page" and -CLOCK_SKEW <= age < lifetime(record, settings)


def _insists(request: Request, settings: Settings) -> bool:
    wish = request.headers.get("cache-control", "")
    if "max-age=0" in wish or "no-cache" in wish:
        return True
    wanted = {naming.normalized(name) for name in settings.refresh}
    return ":all:" in wanted or naming.project(request.url) in wanted


def _may_stand_in(record: Record, settings: Settings, now: float) -> bool:
    if not settings.stale_if_error:
        return False
    return now - record.checked - lifetime(record, settings) <= settings.stale_if_error


def _validators(record: Record) -> dict[str, str]:
    pairs = {"if-none-match": "etag", "if-modified-since": "last-modified"}
    return {name: record.headers[source] for name, source in pairs.items() if source in record.headers}


def _age_header(record: Record) -> float:
    text = record.headers.get("age", "")
    return float(text) if text.isdigit() else 0.0
