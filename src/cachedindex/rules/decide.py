"""Before asking: serve the copy, ask upstream, stay out of it, or refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cachedindex.model import Health, Record, Request, RunMemory, number
from cachedindex.options import CLOCK_SKEW, PATIENCE_LIMIT, Settings
from cachedindex.rules import accept, privacy, run_memory, urls

_LONGEST_LIFETIME = 600.0
"""Upstream's max-age counts up to here, as a page that is wrong for longer is noticed by people."""
_UNSAID_LIFETIME = 60.0
_COLD_PAUSE = 5.0
"""Seconds for which a failed look-up without a copy speaks for the next ones of its run; a script that tries a build
again finds an index that is back."""
_NEUTRAL_HEADERS = {
    "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection", "content-type",
    "dnt", "host", "if-range", "keep-alive", "pragma", "range", "te", "upgrade-insecure-requests", "user-agent",
    "x-requested-with",
}  # fmt: skip
"""What a request may say without saying who asks: every other header may be a credential."""
_FORMS = re.compile(r"\*/\*|text/\*|text/html|application/xhtml\+xml|application/vnd\.pypi\.simple\..*")


@dataclass(frozen=True)
class Serve:
    """Answer from the copy."""

    why: str
    stale: bool = False
    """Whether it is expired."""


@dataclass(frozen=True)
class Ask:
    """Ask upstream; with `copy`, under a deadline, since the copy may be served instead."""

    validators: Mapping[str, str]
    copy: bool = False
    failed: str = ""
    """Why this run's last look-up there failed, which had no copy either: one try under the deadline, or a refusal."""


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


def decide(
    request: Request, record: Record | None, settings: Settings, now: float, run: Callable[[], RunMemory] = RunMemory
) -> Decision:
    """Return what to do about a request, given what the store has for it, in whatever form.

    `settings` are those for its URL; `run` returns what the run remembers of its origin, and is only called without a
    copy.
    """
    why = "disable = true" if settings.disable else _not_ours(request)
    if why:
        return Pass(why)
    decision = _of_a_whole(request, record, settings, now, run)
    if isinstance(decision, Ask) and (request.method == "HEAD" or "range" in request.headers):
        return Pass("heads and parts come from whole copies only")
    return decision


def _of_a_whole(
    request: Request, record: Record | None, settings: Settings, now: float, run: Callable[[], RunMemory]
) -> Decision:
    if record is None or (request.sha256 and record.sha256 != request.sha256):
        return _without_copy(request, settings, now, run)
    if request.kind == "file":
        return Serve("immutable")
    if _fresh(request, record, settings, now) and not insists(request, settings):
        return Serve("fresh")
    if settings.offline:
        return Serve("offline = true", stale=True)
    validators = _validators(record) if _is_preferred(request, record) else {}
    return Ask(validators, _may_stand_in(record, settings, now))


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


def patience(request: Request, record: Record | None, health: Health, settings: Settings) -> float:
    """Return the seconds in all that an attempt under the deadline may take.

    One that has failed before took at least the whole timeout: a slow upstream gets its chance, even from processes
    that are too short to see a late answer.
    """
    before = settings.timeout if request.remembered_as in health.failed else 0.0
    took = record.took if record else 0.0
    adapted = min(2 * max(took, health.took, before), PATIENCE_LIMIT)
    return max(settings.timeout, adapted)


def telling(headers: Iterable[str]) -> str | None:
    """Return the first header, of lower-case names, that may be a credential; None for none."""
    return next((name for name in headers if name not in _NEUTRAL_HEADERS), None)


def _not_ours(request: Request) -> str | None:
    told = telling(request.headers)
    accepted = [form.partition(";")[0].strip().lower() for form in request.headers.get("accept", "*/*").split(",")]
    reasons = {
        f"{request.method} is not cached": request.method not in ("GET", "HEAD"),
        request.aside: bool(request.aside),
        "asked with credentials": bool(request.identity.credential),
        f"{told} may be a credential, or ask for something else": told is not None,
        # Part of a file is part of what never changes; that of anything else may not fit to what the client has.
        "parts come from files only": "range" in request.headers and request.kind != "file",
        "a query may be a secret, or a signature that expires": "?" in request.url,
        "the client wants it unstored": "no-store" in request.headers.get("cache-control", ""),
        "it asks for a form that is no index page's": request.kind == "page"
        and not all(map(_FORMS.fullmatch, accepted)),
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def _without_copy(request: Request, settings: Settings, now: float, run: Callable[[], RunMemory]) -> Decision:
    if settings.offline:
        return Refuse(504, "offline = true, and nothing is stored")
    if request.kind == "file" or not settings.negative:
        return Ask({})
    known, is_page = run(), request.kind == "page"
    gone = is_page and run_memory.is_missing(known, request.remembered_as, settings.negative, now)
    if gone and not insists(request, settings):
        return Refuse(404, "this run has asked for it a moment ago")
    failed = run_memory.failed_since(known, settings.negative, now)
    if failed is None:
        return Ask({})
    at, cause = failed
    why = f"{cause}, {now - at:.0f} s ago, and nothing is stored"
    # What is no page may be a download, which a recipe tries again at once.
    return Refuse(504, why) if is_page and now - at < _COLD_PAUSE else Ask({}, failed=why)


def _is_preferred(request: Request, record: Record) -> bool:
    return record.form == accept.forms(request)[0]


def _fresh(request: Request, record: Record, settings: Settings, now: float) -> bool:
    if request.kind != "page" or record.expired or not _is_preferred(request, record):
        return False
    return -CLOCK_SKEW <= now - record.checked < lifetime(record, settings)


def insists(request: Request, settings: Settings) -> bool:
    """Return whether a person wants upstream to be asked, by an option or by the client's own."""
    if request.identity.scope == privacy.GAINED:  # Only upstream can tell whether that credential still holds.
        return True
    wish = request.headers.get("cache-control", "")
    if "max-age=0" in wish or "no-cache" in wish:
        return True
    wanted = {urls.normalized(name) for name in settings.refresh}
    return ":all:" in wanted or urls.project(request.url) in wanted


def _may_stand_in(record: Record, settings: Settings, now: float) -> bool:
    if not settings.stale_if_error:
        return False
    return now - record.checked - lifetime(record, settings) <= settings.stale_if_error


def _validators(record: Record) -> dict[str, str]:
    pairs = {"if-none-match": "etag", "if-modified-since": "last-modified"}
    return {name: record.headers[source] for name, source in pairs.items() if source in record.headers}


def _age_header(record: Record) -> float:
    return float(number(record.headers.get("age", "")) or 0)
