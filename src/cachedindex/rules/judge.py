"""The verdict on an answer of upstream, and what follows for the store, for other processes, and for the client."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from cachedindex.errors import assert_never
from cachedindex.model import Answer, Doubted, EventKind, Health, Record, Request
from cachedindex.named import NamedTuple
from cachedindex.options import CONFIRM_AFTER
from cachedindex.rules import downloads, layout, limits, pages, privacy, urls

_DOUBT_LIMIT = 86400.0
"""Seconds after which a doubtful answer is believed in any case."""
_DOUBTED_PROJECTS = 3
"""From this many doubted projects on, the cause is the origin, not the projects."""
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_PROXY_THAT_SAYS_401 = "tinyproxy"
"""How the Server header begins of a proxy that answers a wrong password of its own with 401 instead of 407."""


class Replace(NamedTuple):
    """The answer is sound, and replaces the copy."""


class Renew(NamedTuple):
    """Upstream confirms the copy."""


class Remove(NamedTuple):
    """Upstream no longer has it, and this has been confirmed."""

    why: str


class Doubt(NamedTuple):
    """The answer may mean a removal or an outage: the copy stays until the answer is confirmed."""

    why: str
    digest: str
    """Of the doubtful answer, to recognize it."""


class Reject(NamedTuple):
    """The answer cannot be the page or file that was asked for: the copy stays."""

    why: str
    fault: bool = False
    """Whether it counts as a failure of whatever answered."""
    wait: float = 0.0
    """Seconds for which it asked to be left alone."""
    personal: bool = False
    """Whether those who ask otherwise may be answered, so that the fault is not noted for them."""


class Bar(NamedTuple):
    """It is refused to everybody who asks like this: the copy is not served to them any more, outage or not."""

    why: str


class Absent(NamedTuple):
    """The index does not have it, and there is no copy that says otherwise: this is kept for an outage."""

    why: str


class Forbid(NamedTuple):
    """The answer is sound, but its index forbids to store it."""


class HandOver(NamedTuple):
    """The answer is for the client alone, and changes no copy."""

    why: str
    fault: bool = False
    wait: float = 0.0
    personal: bool = False


Verdict = Replace | Renew | Remove | Doubt | Reject | Bar | Absent | Forbid | HandOver


class Meaning(NamedTuple):
    """What follows from an answer."""

    store: Literal["answer", "renewal", "removal", "bar", "absence", "prohibition", "nothing"]
    note: EventKind | None
    """The event that is noted for the other processes of this host."""
    give: Literal["answer", "record", "copy"]
    """Upstream's own answer; the record as it is stored now; or the copy as it was, stale."""
    why: str = ""
    is_down: bool = False
    """Whether the index may have it, but does not deliver it: without a copy, the client goes without."""
    digest: str = ""
    """Of a doubtful answer."""
    wait: float = 0.0
    """Seconds for which upstream asked to be left alone."""


def meaning(  # noqa: PLR0911 - one for each verdict
    request: Request, verdict: Verdict, *, copy: bool, openly: bool = False
) -> Meaning:
    """Return what follows from a verdict, given whether there is a copy that may stand in.

    `openly` says that this copy does not satisfy the client: then an answer is given as it is, unless it is a fault.
    """
    instead: Literal["copy", "answer"] = "copy" if copy and not openly else "answer"
    match verdict:
        case Replace():
            return Meaning("answer", "answered", "record" if copy else "answer")
        case Renew():
            return Meaning("renewal", "answered", "record")
        case Remove(why):
            return Meaning("removal", "removed", "answer", why)
        case Doubt(why, digest):
            return Meaning("nothing", "doubted", instead, why, digest=digest)
        case Reject(why, fault, wait, personal):
            instead = "copy" if copy and fault else instead
            is_down, note = not (copy and openly), _failure(request, fault and not personal, wait)
            return Meaning("nothing", note, instead, why, is_down=is_down, wait=wait)
        case Bar(why):
            return Meaning("bar", None, "answer", why)
        case Absent(why):
            return Meaning("absence", "answered", "answer", why)
        case Forbid():
            return Meaning("prohibition", None, "answer", "the index forbids to store it")
        case HandOver(why, fault, wait, personal):
            note = _failure(request, fault and not personal, wait)
            return Meaning("nothing", note, "answer", why, is_down=fault, wait=wait)
        case _:
            return assert_never(verdict)


def _failure(
    request: Request,
    fault: bool,  # noqa: FBT001 - passed on as it stands in a verdict
    wait: float,
) -> EventKind | None:
    """Return the event that a fault is noted as: a file that fails does not make its index a failing one.

    A limit is to be respected, whatever was asked for.
    """
    if wait:
        return "limited"
    return "failed" if fault and request.kind == "page" else None


def judge(
    request: Request,
    record: Record | None,
    answer: Answer,
    body: bytes,
    health: Health,
    now: float,
    store: privacy.Storing = "auto",
) -> Verdict:
    """Return the verdict on an answer; `body` is empty unless it is read whole, as for a page and an `extends` file."""
    if answer.status == HTTPStatus.OK:
        is_head = request.method == "HEAD"
        verdict = HandOver("no body") if is_head else _judge_body(request, record, answer, body, health, now)
        is_secret = isinstance(verdict, Replace) and privacy.unstorable(request, answer, body, store)
        return _unstored(request, answer, store) if is_secret else verdict
    if answer.status == HTTPStatus.NOT_MODIFIED and record:
        return Renew()
    # A redirect that nobody could follow: its target is missing, or it is part of a loop.
    is_lost = HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST
    is_busy = answer.status == HTTPStatus.TOO_MANY_REQUESTS
    is_proxys = _is_proxys(answer)
    fault = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or is_busy or is_lost or is_proxys
    wait = limits.wait(answer, now)
    who = "its proxy" if is_proxys else "it, or its proxy," if _may_be_proxys(request, answer) else "it"
    why = f"{who} answered {answer.status} {answer.reason}".rstrip()
    if fault:
        why = urls.blamed(request.url, answer.url, f"{why}, and asked to wait {wait:.0f} s" if wait else why)
    # An index may know a project by one spelling of its name only, which is the record's.
    is_misspelt = answer.status in GONE and record is not None and record.url != request.url
    # A server may have HEAD for nobody, and answer GET.
    is_heads = request.method == "HEAD" and not fault
    if record is None or is_misspelt or is_heads or privacy.exceeds(request, answer):
        is_absent = record is None and answer.status in GONE and _is_to_be_known(request, answer, health, store)
        return Absent(why) if is_absent else HandOver(why, fault, wait, is_proxys)
    if answer.status in _REFUSALS and not is_proxys:
        return _judge_refusal(request, answer, why, health, now)
    if answer.status in GONE:
        return _doubt(request, why, str(answer.status), health, now)
    return Reject(why, fault, wait, is_proxys)


def _unstored(request: Request, answer: Answer, store: privacy.Storing) -> Verdict:
    """Return the verdict on a sound answer that must not be stored."""
    is_forbidden = request.kind != "other" and privacy.is_forbidden(answer, store)
    return Forbid() if is_forbidden else HandOver("it must not be stored")


def _is_proxys(answer: Answer) -> bool:
    """Return whether a proxy has refused this client."""
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return answer.headers.get("server", "").startswith(_PROXY_THAT_SAYS_401) and "via" not in answer.headers
    return answer.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED


def _may_be_proxys(request: Request, answer: Answer) -> bool:
    """Return whether an error may be that of a proxy, which sees what is asked without TLS."""
    return bool(request.route.proxy) and urls.is_plain(answer.url or request.url) and answer.status not in GONE


def _is_to_be_known(request: Request, answer: Answer, health: Health, store: privacy.Storing) -> bool:
    """Return whether it is kept that an index does not have a page: not if that may be its outage, or is secret."""
    is_doubtful = layout.subject(request) in health.doubted or _doubted_projects(health) >= _DOUBTED_PROJECTS
    # The answer to a credential that is added below us would never be found again.
    is_lost = request.of_recipe or privacy.must_be_asked(request) or privacy.is_one_users(request, answer.headers)
    is_lost = is_lost or privacy.unstorable(request, answer, store=store)
    return request.kind == "page" and not is_doubtful and not is_lost


def _judge_refusal(request: Request, answer: Answer, why: str, health: Health, now: float) -> Verdict:
    """Judge what was refused to a client that has a copy.

    A copy that everybody may read is not barred because of one token that has expired. nginx answers 400 to a
    certificate that it does not accept.
    """
    if answer.status == HTTPStatus.BAD_REQUEST and not request.identity.certified:
        return Reject(why)
    if answer.status == HTTPStatus.FORBIDDEN and privacy.is_anybodys(request):
        # Nobody's right was revoked, as nobody had shown any (tuna#2603): one project is a policy, many are an outage.
        return _doubt(request, why, str(answer.status), health, now)
    # It may be a proxy's, unless it says that it came through one (RFC 9110, section 7.6.3).
    is_unsure = request.route.proxy and urls.is_plain(request.url) and "via" not in answer.headers
    return HandOver(why) if request.identity.shared or is_unsure else Bar(why)


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
    is_the_clients = record is None and (request.of_recipe or answer.is_streamed)
    try:
        if answer.is_streamed:
            raise pages.NoIndexPage("a body that is no page, or longer than any")
        new = pages.read(request.url, media, body)
        if is_the_clients and not new.links and not new.projects:
            raise pages.NoIndexPage("a page that lists nothing")
    except pages.NoIndexPage as error:
        why = f"it answered with {error}"
        return HandOver(why) if is_the_clients else Reject(why)
    # If neither a length, nor a last chunk, nor gzip shows that an answer is whole, its HTML has to.
    if not answer.completeness.ends and not pages.is_closed(media, body):
        return Reject("the answer was cut short")
    if record is None or new.status == "quarantined":  # PEP 792: installers must not be offered its files.
        return Replace()
    old = pages.stored(record)
    if _is_older(record, old, answer, new, now):
        return Reject("it answered with an older page")
    lost = pages.lost(old, new)
    if lost is None or pages.gains(
        old, new, request.url
    ):  # A living index may list its newest files only (vllm#17804).
        return Replace()
    return _doubt(request, lost, pages.digest(new), health, now)


def _is_older(record: Record, old: pages.Page, answer: Answer, new: pages.Page, now: float) -> bool:
    """Return whether a page is one that the index had before: its serial is lower, and it offers nothing new.

    For a day only: an index that was set up anew counts from the start (devpi#817 kept its copies for ever).
    """
    before, after = pages.serial(old, record.headers), pages.serial(new, answer.headers)
    if before is None or after is None or after >= before or now - record.checked >= _DOUBT_LIMIT:
        return False
    return pages.offers_less(old, new)


def _doubted_projects(health: Health) -> int:
    """Return how many projects are in doubt: a removed one may be by its page and by each of its files."""
    return len({urls.project_of(subject) for subject in health.doubted})


def _doubt(request: Request, why: str, digest: str, health: Health, now: float) -> Verdict:
    """Believe a doubtful answer once it was seen again later, if the origin gave sound answers for others in between.

    After a day, believe it in any case: an origin may have no other page, and an index may drop most of its projects.
    """
    known = health.doubted.get(layout.subject(request), Doubted(now, now, digest))
    since = known.since if known.digest == digest else now
    sound_since = health.answered is not None and health.answered > since
    is_the_projects = sound_since and _doubted_projects(health) < _DOUBTED_PROJECTS
    is_confirmed = is_the_projects and now - since >= CONFIRM_AFTER
    if not is_confirmed and now - known.first < _DOUBT_LIMIT:
        return Doubt(why, digest)
    return Remove("seen again") if digest.isdigit() else Replace()
