"""Before asking: serve the copy, ask upstream in one of four ways, leave it to the client, or refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cachedindex.model import Health, Record, Request, RunMemory, number
from cachedindex.options import CLOCK_SKEW, PATIENCE_LIMIT, Settings
from cachedindex.rules import accept, layout, privacy, run_memory, urls

_LONGEST_LIFETIME = 600.0
"""Upstream's max-age counts up to here, as people notice a page that is wrong for longer."""
_UNSAID_LIFETIME = 60.0
_REFUSED_FOR = 5.0
"""Seconds for which a failed look-up without a copy stands for the next ones of its run; a script that tries a build
again finds an index that is back."""


@dataclass(frozen=True)
class Serve:
    """Answer from the copy, without asking."""

    why: str
    stale: bool = False
    """Whether it is expired."""


@dataclass(frozen=True)
class Revalidate:
    """Ask under a deadline: the copy stands in unless a sound answer comes in time."""

    validators: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fetch:
    """Ask with the client's own patience, as no copy may stand in."""

    validators: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TryOnce:
    """Ask once and under a deadline, without a copy: this run has waited for this origin in vain before."""

    failed: str
    """What became of it then."""


@dataclass(frozen=True)
class AskOrChallenge:
    """Ask under a deadline; in an outage, ask the client for the credentials that open this user's private copy."""


@dataclass(frozen=True)
class Challenge:
    """Ask the client for the credentials that open this user's private copy, without asking upstream."""

    why: str


@dataclass(frozen=True)
class Pass:
    """Leave it to the client."""

    why: str


@dataclass(frozen=True)
class Refuse:
    """Answer with an error made here."""

    status: int
    why: str


Decision = Serve | Revalidate | Fetch | TryOnce | AskOrChallenge | Challenge | Pass | Refuse


def decide(
    request: Request,
    record: Record | None,
    settings: Settings,
    now: float,
    memory: Callable[[], RunMemory] = RunMemory,
    is_private: Callable[[], bool] = lambda: False,
) -> Decision:
    """Return what to do about a request, given what the store has for it, in whatever form.

    `settings` are those for its URL. Only a look-up without a copy needs the rest: `memory` returns what the run
    remembers of the origin, `is_private` whether this user has a copy that takes a credential to get.
    """
    why = "disable = true" if settings.disable else _bypassed(request)
    if why:
        return Pass(why)
    if record is None and is_private():
        decision: Decision = Challenge("offline = true") if settings.offline else AskOrChallenge()
    elif record is None or (request.sha256 and record.sha256 != request.sha256):
        decision = _without_copy(request, settings, now, memory)
    else:
        decision = _with_copy(request, record, settings, now)
    is_part = request.method == "HEAD" or "range" in request.headers
    if is_part and isinstance(decision, (Revalidate, Fetch, TryOnce, AskOrChallenge)):
        return Pass("heads and parts come from whole copies only")
    return decision


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
    before = settings.timeout if layout.subject(request) in health.failed else 0.0
    took = record.took if record else 0.0
    adapted = min(2 * max(took, health.took, before), PATIENCE_LIMIT)
    return max(settings.timeout, adapted)


def _bypassed(request: Request) -> str | None:
    """Return why the cache has no part in a request; None if it has."""
    if request.method not in ("GET", "HEAD"):
        return f"{request.method} is not cached"
    why = request.aside or privacy.unscoped(request)
    if why:
        return why
    if "range" in request.headers and request.kind != "file":
        # A part of a file never changes; a part of anything else may not fit what the client has.
        return "parts come from files only"
    if "no-store" in request.headers.get("cache-control", ""):
        return "the client wants it unstored"
    if request.kind == "page" and not accept.is_of_a_page(request.headers.get("accept", "*/*")):
        return "it asks for a form that no index page has"
    return None


def _with_copy(request: Request, record: Record, settings: Settings, now: float) -> Decision:
    if request.kind == "file":
        return Serve("immutable")
    if _is_fresh(request, record, settings, now) and not _is_insisted_on(request, settings):
        return Serve("fresh")
    if settings.offline:
        return Serve("offline = true", stale=True)
    validators = _validators(record) if _is_preferred(request, record) else {}
    return Revalidate(validators) if _may_stand_in(record, settings, now) else Fetch(validators)


def _without_copy(request: Request, settings: Settings, now: float, memory: Callable[[], RunMemory]) -> Decision:
    if settings.offline:
        return Refuse(504, "offline = true, and nothing is stored")
    if request.kind == "file" or not settings.negative:
        return Fetch()
    return _by_memory(request, settings, now, memory())


def _by_memory(request: Request, settings: Settings, now: float, known: RunMemory) -> Decision:
    """Return what to do about a look-up without a copy, given what became of others of its run."""
    is_page = request.kind == "page"
    gone = is_page and run_memory.is_missing(known, layout.subject(request), settings.negative, now)
    if gone and not _is_insisted_on(request, settings):
        return Refuse(404, "this run has asked for it a moment ago")
    failed = run_memory.failed_since(known, request.url, settings.negative, now)
    if failed is None:
        return Fetch()
    at, cause = failed
    why = f"{cause}, {now - at:.0f} s ago, and nothing is stored"
    # Anything but a page may be a download, which a recipe tries again at once.
    return Refuse(504, why) if is_page and now - at < _REFUSED_FOR else TryOnce(why)


def _is_preferred(request: Request, record: Record) -> bool:
    return record.form == accept.forms(request.kind, request.headers.get("accept", ""))[0]


def _is_fresh(request: Request, record: Record, settings: Settings, now: float) -> bool:
    if request.kind != "page" or record.expired or not _is_preferred(request, record):
        return False
    return -CLOCK_SKEW <= now - record.checked < lifetime(record, settings)


def _is_insisted_on(request: Request, settings: Settings) -> bool:
    """Return whether upstream is to be asked in any case: as a person wants it, or as nothing else can answer."""
    if privacy.must_be_asked(request):
        return True
    wish = request.headers.get("cache-control", "")
    if "max-age=0" in wish or "no-cache" in wish:
        return True
    if not settings.refresh:
        return False
    wanted = {urls.normalized(name) for name in settings.refresh}
    return ":all:" in wanted or urls.project(request.url) in wanted


def _may_stand_in(record: Record, settings: Settings, now: float) -> bool:
    """Return whether an expired copy may be served if upstream fails (RFC 5861, stale-if-error)."""
    if not settings.stale_if_error:
        return False
    return now - record.checked - lifetime(record, settings) <= settings.stale_if_error


def _validators(record: Record) -> dict[str, str]:
    pairs = {"if-none-match": "etag", "if-modified-since": "last-modified"}
    return {name: record.headers[source] for name, source in pairs.items() if source in record.headers}


def _age_header(record: Record) -> float:
    return float(number(record.headers.get("age", "")) or 0)
