"""What to do about a request: serve the copy, ask upstream in one of four ways, leave it to the client, or refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from cachedindex.model import Health, Record, Request, RunMemory, number
from cachedindex.named import NamedTuple
from cachedindex.options import CLOCK_SKEW, PATIENCE_LIMIT, Settings
from cachedindex.rules import accept, dates, downloads, layout, privacy, run_memory, urls

_LONGEST_LIFETIME = 600.0
"""Seconds that upstream's max-age counts at most: people notice a page that is outdated for longer."""
_MOST_SECONDS = 2.0**31
"""In place of a larger number (RFC 9111, section 1.2.2): one of 400 digits would be infinite."""
_DEFAULT_LIFETIME = 60.0
"""Seconds for a page that has neither a max-age nor validators."""
_REFUSED_FOR = 5.0
"""Seconds after a failed look-up without a copy in which its run is refused the next ones. Refusing for longer would
break jobs that simply try again a little later."""
_ABSENT_FOR = 3600.0
"""Seconds for which it counts under `missing-index = fail` that an index did not have a page."""

_NO_VALIDATORS: Mapping[str, str] = MappingProxyType({})


class Serve(NamedTuple):
    """Answer from the copy, without asking."""

    why: str
    stale: bool = False
    """Whether the copy is expired."""


class Revalidate(NamedTuple):
    """Ask under a deadline: the copy, or that there was no such page, stands in unless a sound answer comes in time."""

    validators: Mapping[str, str] = _NO_VALIDATORS


class Fetch(NamedTuple):
    """Ask with the client's own patience and retries, since no copy may stand in."""

    validators: Mapping[str, str] = _NO_VALIDATORS


class TryOnce(NamedTuple):
    """Ask once and under a deadline, without a copy: this run has waited for this origin in vain before."""

    failed: str
    """How that ended."""


class AskOpenly(NamedTuple):
    """Ask once, whatever the breaker says: any answer is the client's, sound or not, as the copy does not satisfy it.

    The copy is served only if there is no answer: a failure, a 5xx, a 429.
    """

    validators: Mapping[str, str] = _NO_VALIDATORS


class AskOrChallenge(NamedTuple):
    """Ask under a deadline; in an outage, have the client ask its keyring for the credentials of a private copy.

    Upstream gets the timeout that it gets if there is a copy, since there is one.
    """


class Challenge(NamedTuple):
    """Have the client ask its keyring for the credentials of a private copy, without asking upstream."""

    why: str


class Pass(NamedTuple):
    """Leave it to the client."""

    why: str


class Refuse(NamedTuple):
    """Answer with an error made here."""

    status: int
    why: str


Decision = Serve | Revalidate | Fetch | TryOnce | AskOpenly | AskOrChallenge | Challenge | Pass | Refuse


def decide(
    request: Request,
    record: Record | None,
    settings: Settings,
    now: float,
    memory: Callable[[], RunMemory] = RunMemory,
    is_private: Callable[[], bool] = lambda: False,
    *,
    absence: Record | None = None,
    unsatisfied: bool = False,
) -> Decision:
    """Return what to do about a request, given the record that the store has for it, in whatever form.

    `settings` are those for its URL. Only a look-up without a copy needs the rest: `memory` returns what the run
    remembers of the origin, `is_private` whether a keyring may have the credentials of a private copy; `absence` is the
    record that the index did not have it, if that counts by `is_absent`. `unsatisfied` says that the client was given
    this page without hearing upstream, and that nothing in it fits.
    """
    why = "disable = true" if settings.disable else _bypassed(request)
    if why:
        return Pass(why)
    unsatisfied = unsatisfied and not settings.offline
    if record is None and unsatisfied:
        decision: Decision = AskOpenly()
    elif record is None and is_private():
        decision = Challenge("offline = true") if settings.offline else AskOrChallenge()
    elif record is None or (request.sha256 and record.sha256 != request.sha256):
        decision = _without_copy(request, settings, now, memory, absence)
    else:
        decision = _with_copy(request, record, settings, now, unsatisfied=unsatisfied)
    # pip's fast-deps and its resumed downloads send these; their answers are never whole, so none can be stored.
    is_part = request.method == "HEAD" or "range" in request.headers
    # A listing without hashes: in an outage pip asks for the whole wheel if a HEAD is answered without ranges.
    if request.method == "HEAD" and downloads.is_distribution(request.url) and isinstance(decision, Revalidate):
        return Revalidate()
    if is_part and isinstance(decision, (Revalidate, Fetch, TryOnce, AskOpenly, AskOrChallenge)):
        return Pass("HEAD and range requests are answered from whole copies only")
    return decision


def choose(request: Request, forms: Sequence[Record], settings: Settings, now: float) -> tuple[Record, Record]:
    """Return of a page's records in several forms the one to serve or to ask by, and the one to stand in.

    Upstream can confirm only the form that it is asked for; in an outage, what was checked last is best.
    """
    newest = max(forms, key=lambda form: form.checked)
    fresh = next((form for form in forms if is_fresh(request, form, settings, now)), None)
    first = forms[0] if _may_stand_in(forms[0], settings, now) else newest
    return fresh or first, newest


def lifetime(record: Record, settings: Settings) -> float:
    """Return for how many seconds after its last check a record is fresh (RFC 9111, section 4.2.1).

    A download is fresh for as long as it says itself: its address is its version's, so that nobody waits for a change.
    """
    if record.page is None:
        return _said_lifetime(record) or 0.0
    if settings.index_ttl is not None:
        return settings.index_ttl
    said = _said_lifetime(record)
    if said is not None:
        return min(said, _LONGEST_LIFETIME)
    return 0.0 if _validators(record) else _DEFAULT_LIFETIME


def is_absent(absence: Record, settings: Settings, now: float) -> bool:
    """Return whether it counts in an outage that an index did not have a page when the record was made."""
    limit = settings.stale_if_error if settings.negative else 0.0
    if settings.missing_index == "fail":
        limit = min(limit, _ABSENT_FOR)
    return -CLOCK_SKEW <= now - absence.checked < limit


def patience(request: Request, record: Record | None, health: Health, settings: Settings) -> float:
    """Return the seconds in all that an attempt under the deadline may take.

    A URL that failed a moment ago counts as if it had taken the whole timeout, and so gets twice that: a process may be
    too short-lived to see the late answer of a slow upstream.
    """
    before = settings.timeout if layout.subject(request) in health.failed else 0.0
    took = record.took if record else 0.0
    adapted = min(2 * max(took, health.took, before), PATIENCE_LIMIT)
    return max(settings.timeout, adapted)


def _bypassed(request: Request) -> str | None:
    """Return why the cache leaves a request to the client; None if it does not."""
    if request.method not in ("GET", "HEAD"):
        return f"{request.method} is not cached"
    why = request.aside or privacy.unscoped(request) or _of_a_program(request)
    if why:
        return why
    if "range" in request.headers and request.kind != "file":
        # A part of a file never changes; a part of anything else may not fit what the client has.
        return "range requests are answered for files only"
    if "no-store" in request.headers.get("cache-control", ""):
        return "the client sent no-store"
    if request.kind == "page" and not accept.is_of_a_page(request.headers.get("accept", "*/*")):
        return "its Accept header names a form that no index page has"
    return None


def _of_a_program(request: Request) -> str:
    """Return why what a recipe asks of this machine has no copy: that would say that a program runs which did once."""
    is_asked = request.of_recipe and urls.is_loopback(request.url) and downloads.is_unnamed(request.url)
    return "it is asked of a program on this machine" if is_asked else ""


def _with_copy(request: Request, record: Record, settings: Settings, now: float, *, unsatisfied: bool) -> Decision:
    if request.kind == "file":
        return Serve("immutable")
    if "vary" in record.headers and settings.store == "auto" and privacy.varies(request, record.headers):
        return Pass("the stored answer varies by one of its headers")
    if not unsatisfied and is_fresh(request, record, settings, now) and not _is_insisted_on(request, settings):
        return Serve("fresh")
    if settings.offline:
        return Serve("offline = true", stale=True)
    checked_by = validators(request, record)
    if not _may_stand_in(record, settings, now):
        return Fetch(checked_by)
    return AskOpenly(checked_by) if unsatisfied or _is_named(request, settings) else Revalidate(checked_by)


def _without_copy(
    request: Request, settings: Settings, now: float, memory: Callable[[], RunMemory], absence: Record | None
) -> Decision:
    if settings.offline and absence:
        return Refuse(404, "offline = true, and the index did not have it")
    if settings.offline:
        return Refuse(504, "offline = true")
    if request.kind == "file" or not settings.negative or _may_poll(request):
        return Fetch()
    return _by_memory(request, settings, now, memory(), absence)


def _may_poll(request: Request) -> bool:
    """Return whether somebody may be waiting for a server, by asking it again and again."""
    return request.of_recipe and (request.kind == "page" or urls.is_loopback(request.url))


def _by_memory(request: Request, settings: Settings, now: float, known: RunMemory, absence: Record | None) -> Decision:
    """Return what to do about a look-up without a copy, given what became of others of its run."""
    is_page = request.kind == "page"
    gone = is_page and run_memory.is_missing(known, layout.subject(request), settings.negative, now)
    if gone and not _is_insisted_on(request, settings):
        return Refuse(404, "this run was answered 404 a moment ago")
    if absence:
        return AskOpenly() if _is_named(request, settings) else Revalidate()
    # What pip-compile asks of each project lies in a folder of its own, so that only its origin connects it.
    failed = run_memory.failed_since(known, layout.subject(request) if is_page else None, settings.negative, now)
    if failed is None:
        return Fetch()
    at, cause = failed
    why = f"not asked: {cause}, {now - at:.0f} s ago"
    # Anything but a page may be a download that a recipe tries again at once, so it is not refused. It gets one try, as
    # pip-compile would else wait a hundred seconds for a file that its index has never had.
    is_refused = is_page and now - at < _REFUSED_FOR and not run_memory.may_be_well(known, layout.subject(request))
    return Refuse(504, why) if is_refused else TryOnce(why)


def _is_preferred(request: Request, record: Record) -> bool:
    return record.form == accept.forms(request.kind, request.headers.get("accept", ""))[0]


def is_fresh(request: Request, record: Record, settings: Settings, now: float) -> bool:
    """Return whether a record needs no check. JSON has all that HTML of the same page has, but not the reverse."""
    if record.expired or not (record.form == "json" or _is_preferred(request, record)):
        return False
    if request.kind != "page" and not downloads.is_distribution(record.url):
        return False
    return -CLOCK_SKEW <= now - record.checked < lifetime(record, settings)


def is_at_hand(request: Request, forms: Sequence[Record], settings: Settings, now: float) -> bool:
    """Return whether one of a request's records is as good as any that another place may have."""
    if request.kind == "file":
        return any(record.sha256 == request.sha256 for record in forms)
    return any(is_fresh(request, record, settings, now) for record in forms)


def validators(request: Request, record: Record) -> Mapping[str, str]:
    """Return the headers by which upstream may confirm a record: of a page, in the form that the request prefers."""
    return _validators(record) if _is_preferred(request, record) else {}


def wants_check(request: Request) -> bool:
    """Return whether the client asks for an answer that upstream has confirmed (RFC 9111, section 5.2.1)."""
    wish = request.headers.get("cache-control", request.headers.get("pragma", ""))
    return "max-age=0" in wish or "no-cache" in wish


def _is_insisted_on(request: Request, settings: Settings) -> bool:
    """Return whether upstream must be asked even if the copy is fresh: a person wants it, or the scope demands it."""
    if privacy.must_be_asked(request):
        return True
    if wants_check(request):
        return True
    return ":all:" in settings.refresh or _is_named(request, settings)


def _is_named(request: Request, settings: Settings) -> bool:
    """Return whether the option `refresh` names the project of a page."""
    if request.kind != "page" or not settings.refresh:
        return False
    return urls.project(request.url) in {urls.normalized(name) for name in settings.refresh}


def _may_stand_in(record: Record, settings: Settings, now: float) -> bool:
    """Return whether an expired copy may be served if upstream fails (RFC 5861, stale-if-error)."""
    if not settings.stale_if_error:
        return False
    return now - record.checked - lifetime(record, settings) <= settings.stale_if_error


def _validators(record: Record) -> dict[str, str]:
    pairs = {"if-none-match": "etag", "if-modified-since": "last-modified"}
    return {name: record.headers[source] for name, source in pairs.items() if source in record.headers}


def _said_lifetime(record: Record) -> float | None:
    """Return for how many seconds upstream itself says that an answer is good; None if it says nothing.

    Cache-Control wins over Expires, and Pragma counts only without it (RFC 9111, sections 5.3 and 5.4). Whatever is no
    date, such as the 0 that many servers send, has expired.
    """
    headers = record.headers
    control = headers.get("cache-control", headers.get("pragma", "")).lower()
    if "no-cache" in control or "no-store" in control:
        return 0.0
    age = float(number(headers.get("age", "")) or 0)
    if said := re.search(r"max-age\s*=\s*\"?(\d+)", control):
        return max(min(float(said[1]), _MOST_SECONDS) - age, 0.0)
    if "expires" not in headers:
        return None
    # By the server's clock alone, which may be wrong.
    sent = dates.moment(headers.get("date", "")) or record.checked
    return max(dates.moment(headers["expires"]) - sent - age, 0.0)
