from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from io import BytesIO
from typing import Any

import pytest

from cachedindex.model import Answer, Completeness, Disclosure, Doubted, Health, Identity, Record, Request, Route
from cachedindex.rules.judge import (
    Absent,
    Bar,
    Doubt,
    Forbid,
    HandOver,
    Meaning,
    Reject,
    Remove,
    Renew,
    Replace,
    Verdict,
    judge,
    meaning,
)
from cachedindex.rules.privacy import GAINED
from tests.values import replace

NOW = 1_000_000.0
URL = "https://index.example/simple/six/"
PAGE = Request("GET", URL, "page", {})
FILE = Request("GET", "https://files.example/six-1.0.whl", "file", {}, "a" * 64)
JSON = {"content-type": "application/vnd.pypi.simple.v1+json"}
NO_STORE = {**JSON, "cache-control": "no-store"}
CUT = Completeness(whole=False)
OTHER, ADDED = Disclosure(other=True), Disclosure(gained=True)


def listing(*versions: int, name: str = "six", files: str = "six") -> bytes:
    listed = [{"url": f"/{files}-{version}.whl", "filename": f"{files}-{version}.whl"} for version in versions]
    return json.dumps({"name": name, "files": listed}).encode()


GOOD, EMPTY = listing(1, 2, 3), listing()
COPY = Record(URL, URL, JSON, 0, 0, 0.1, len(GOOD), sha256(GOOD).hexdigest(), GOOD)


NAMES: dict[type, str] = {
    Replace: "replace", Renew: "renew", Remove: "remove", Doubt: "doubt", Reject: "reject", Bar: "bar",
    Absent: "absent", Forbid: "forbid", HandOver: "pass",
}  # fmt: skip


def name(verdict: Verdict) -> str:
    return NAMES[type(verdict)]


def answer(status: int = 200, headers: dict[str, str] = JSON, **more: Any) -> Answer:
    return Answer(status, "Reason", URL, headers, BytesIO(), **more)


@pytest.mark.parametrize(
    ("record", "got", "page", "verdict", "fault"),
    [
        (None, answer(), GOOD, "replace", False),
        (COPY, answer(), listing(1, 2, 3, 4), "replace", False),
        (None, answer(), EMPTY, "replace", False),
        (COPY, answer(304), b"", "renew", False),
        (None, answer(304), b"", "pass", True),
        # unsound
        (COPY, answer(completeness=CUT), GOOD, "reject", False),
        (None, answer(completeness=CUT), GOOD, "reject", False),
        (COPY, answer(), b"{", "reject", False),
        (None, answer(headers={"content-type": "text/html"}), b"<form>", "reject", False),
        (COPY, answer(), listing(1, name="other"), "reject", False),
        # doubtful
        (COPY, answer(404), b"", "doubt", False),
        (COPY, answer(410), b"", "doubt", False),
        (COPY, answer(), EMPTY, "doubt", False),
        (COPY, answer(), listing(1), "doubt", False),
        # a living index: a new file of this project, however much is gone (vllm#17804, devpi#436)
        (COPY, answer(), listing(9), "replace", False),
        (COPY, answer(), listing(1, 9), "replace", False),
        (COPY, answer(), listing(9, name="six", files="other"), "doubt", False),
        # without a copy there is nothing to doubt
        (None, answer(404), b"", "absent", False),
        (None, answer(410), b"", "absent", False),
        (None, answer(404, NO_STORE), b"", "pass", False),
        (None, answer(404, disclosure=OTHER), b"", "pass", False),
        (None, answer(404, {**JSON, "cache-control": "private"}), b"", "pass", False),
        # final
        (COPY, answer(401), b"", "bar", False),
        (None, answer(401), b"", "pass", False),
        # nobody's right was revoked, as nobody had shown any (tuna#2603): a policy, or an outage
        (COPY, answer(403), b"", "doubt", False),
        (None, answer(403), b"", "pass", False),
        # upstream saw more than the look-up shows, so that this says nothing of the copy
        (COPY, answer(401, disclosure=OTHER), b"", "pass", False),
        (COPY, answer(403, disclosure=ADDED), b"", "pass", False),
        (COPY, answer(404, disclosure=ADDED), b"", "pass", False),
        (COPY, answer(503, disclosure=ADDED), b"", "pass", True),
        # outages
        (COPY, answer(500), b"", "reject", True),
        (COPY, answer(503), b"", "reject", True),
        (COPY, answer(400), b"", "reject", False),
        # a proxy's refusal
        (COPY, answer(407), b"", "reject", True),
        (COPY, answer(401, {"server": "tinyproxy/1.11"}), b"", "reject", True),
        (COPY, answer(401, {"server": "tinyproxy/1.11", "via": "1.1 x"}), b"", "bar", False),
        (None, answer(407), b"", "pass", True),
        (COPY, answer(429), b"", "reject", True),
        (COPY, answer(300), b"", "reject", True),
        (COPY, answer(302), b"", "reject", True),
        (None, answer(400), b"", "pass", False),
        (None, answer(500), b"", "pass", True),
        # not to be stored, where it would be sound otherwise
        (COPY, answer(disclosure=OTHER), GOOD, "pass", False),
        (COPY, answer(503, NO_STORE), b"", "reject", True),
        (COPY, answer(404, NO_STORE), b"", "doubt", False),
        (COPY, answer(304, NO_STORE), b"", "renew", False),
        (COPY, answer(headers={**NO_STORE, "content-type": "text/html"}), b"<form>", "reject", False),
        (COPY, answer(headers={**JSON, "cache-control": "no-store"}), GOOD, "forbid", False),
        (None, answer(headers={**JSON, "cache-control": "no-store"}), GOOD, "forbid", False),
        (COPY, answer(headers={**JSON, "cache-control": "Private"}), GOOD, "replace", False),
        # a version that not every client of this page reads
        (None, answer(headers={"content-type": "application/vnd.pypi.simple.v2+json"}), GOOD, "pass", False),
        (COPY, answer(headers={"content-type": "application/vnd.pypi.simple.v10+json"}), GOOD, "pass", False),
    ],
)
def test_what_an_answer_means(record: Record | None, got: Answer, page: bytes, verdict: str, fault: bool) -> None:
    judged = judge(PAGE, record, got, page, Health(), NOW)
    assert (name(judged), getattr(judged, "fault", False)) == (verdict, fault)


@pytest.mark.parametrize(
    ("doubted", "request_", "verdict"),
    [
        (("https://index.example/simple/a/", "https://index.example/simple/b/"), PAGE, "absent"),
        # another form of it is stored, and its removal is not confirmed yet
        ((URL,), PAGE, "pass"),
        # so many at once are an outage
        ([f"https://index.example/simple/{name}/" for name in "abc"], PAGE, "pass"),
        # it would never be found again
        ((), PAGE.within("gained"), "pass"),
        ((), PAGE.within("0" * 32), "absent"),
    ],
)
def test_when_it_is_kept_that_an_index_has_no_such_page(
    doubted: Sequence[str], request_: Request, verdict: str
) -> None:
    health = Health(doubted={url: Doubted(NOW, NOW, "404") for url in doubted})
    assert name(judge(request_, None, answer(404), b"", health, NOW)) == verdict


@pytest.mark.parametrize(
    ("got", "verdict"),
    [
        (answer(), "replace"),
        (answer(headers={"content-type": "text/html"}), "replace"),
        (answer(completeness=CUT), "reject"),
        (answer(404), "pass"),
    ],
)
def test_a_file_is_judged_by_its_hash_later_on(got: Answer, verdict: str) -> None:
    assert name(judge(FILE, None, got, b"", Health(), NOW)) == verdict


@pytest.mark.parametrize(
    ("seen_before", "digest", "answered", "doubted", "verdict"),
    [
        (59, "404", 10, 1, "doubt"),
        (61, "404", 10, 1, "remove"),
        (61, "410", 10, 1, "doubt"),  # another doubtful answer than before
        (61, "404", None, 1, "doubt"),  # the origin gave nobody a sound answer since
        (61, "404", 62, 1, "doubt"),  # it did, but before
        (61, "404", 10, 3, "doubt"),  # too many at once: the origin's fault
        (90_000, "404", 10, 3, "remove"),  # but not for ever
        (90_000, "404", None, 1, "remove"),  # and an origin may have no other page
        (90_000, "410", None, 1, "remove"),  # a doubtful answer that changes does not start the day anew
        (-5, "404", 10, 1, "doubt"),  # a clock that ran back
    ],
)
def test_when_a_doubtful_answer_is_believed(
    seen_before: float, digest: str, answered: float | None, doubted: int, verdict: str
) -> None:
    others = {str(number): Doubted(NOW - 61, NOW - 61, "404") for number in range(doubted - 1)}
    health = Health(
        doubted={URL: Doubted(NOW - seen_before, NOW - seen_before, digest), **others},
        answered=None if answered is None else NOW - answered,
    )
    assert name(judge(PAGE, COPY, answer(404), b"", health, NOW)) == verdict


def test_a_page_that_stays_empty_replaces_the_copy() -> None:
    first = judge(PAGE, COPY, answer(), EMPTY, Health(), NOW - 61)
    assert isinstance(first, Doubt)
    health = Health(doubted={URL: Doubted(NOW - 61, NOW - 61, first.digest)}, answered=NOW - 1)
    assert name(judge(PAGE, COPY, answer(), EMPTY, health, NOW)) == "replace"


@pytest.mark.parametrize(
    ("others", "verdict"),
    [
        (["/packages/six-1.0-py3-none-any.whl", "/packages/six-1.0.tar.gz", "/packages/Six-2.0.zip"], "remove"),
        (["/packages/six-1.0.tar.gz", "/packages/foo-1.0.tar.gz", "/packages/bar_baz-1.0.tar.gz"], "doubt"),
        (["/simple/foo/", "/simple/bar/"], "doubt"),
        (["/foo.cfg", "/bar.cfg"], "doubt"),
    ],
)
def test_a_removed_project_is_one_doubt(others: Sequence[str], verdict: str) -> None:
    """If links have no hashes, each of its files is in doubt as well (pypiserver, a folder behind a server)."""
    urls = [URL, *(f"https://index.example{path}" for path in others)]
    health = Health(doubted={url: Doubted(NOW - 61, NOW - 61, "404") for url in urls}, answered=NOW - 10)
    assert name(judge(PAGE, COPY, answer(404), b"", health, NOW)) == verdict


@pytest.mark.parametrize(("versions", "verdict"), [((1,), "replace"), ((2,), "doubt"), ((), "doubt")])
def test_a_doubtful_page_is_known_again_by_what_it_lists(versions: tuple[int, ...], verdict: str) -> None:
    first = judge(PAGE, COPY, answer(), with_serial(7, 1), Health(), NOW - 61)
    assert isinstance(first, Doubt)
    health = Health(doubted={URL: Doubted(NOW - 61, NOW - 61, first.digest)}, answered=NOW - 1)
    # Many indexes write the time, or a number that counts, into every page that they make.
    assert name(judge(PAGE, COPY, answer(), with_serial(8, *versions), health, NOW)) == verdict


def with_serial(serial: int, *versions: int) -> bytes:
    return json.dumps({**json.loads(listing(*versions)), "meta": {"_last-serial": serial}}).encode()


@pytest.mark.parametrize(
    ("before", "after", "checked", "verdict"),
    [
        (with_serial(5, 1, 2, 3), with_serial(4, 1, 2), NOW - 9, "reject"),
        (with_serial(5, 1, 2, 3), with_serial(4, 1, 2), NOW - 90_000, "replace"),  # set up anew: not for ever
        (with_serial(5, 1, 2, 3), with_serial(4, 1, 2, 3), NOW - 9, "replace"),  # says the same
        (with_serial(5, 1, 2, 3), with_serial(4, 1, 2, 4), NOW - 9, "replace"),  # offers something new
        (with_serial(5, 1, 2, 3), with_serial(6, 1, 2), NOW - 9, "replace"),
        (with_serial(5, 1, 2, 3), with_serial(5, 1, 2), NOW - 9, "replace"),
        (with_serial(5, 1, 2, 3), listing(1, 2), NOW - 9, "replace"),  # says nothing
        (listing(1, 2, 3), with_serial(4, 1, 2), NOW - 9, "replace"),
    ],
)
def test_an_older_page_of_the_index(before: bytes, after: bytes, checked: float, verdict: str) -> None:
    copy = replace(COPY, page=before, checked=checked)
    assert name(judge(PAGE, copy, answer(), after, Health(), NOW)) == verdict


def test_a_serial_in_a_header_counts_before_the_pages_own() -> None:
    copy = replace(COPY, headers={**JSON, "x-pypi-last-serial": "9"}, checked=NOW)
    got = answer(headers={**JSON, "x-pypi-last-serial": "8"})
    assert name(judge(PAGE, copy, got, listing(1, 2), Health(), NOW)) == "reject"


def test_a_quarantine_is_believed_at_once() -> None:
    quarantined = json.dumps({"name": "six", "files": [], "project-status": {"status": "quarantined"}}).encode()
    assert name(judge(PAGE, COPY, answer(), quarantined, Health(), NOW)) == "replace"


HTML = {"content-type": "text/html"}
OPENED = b"<html><title>Links for six</title><a href='six-1.whl'>"


@pytest.mark.parametrize(
    ("page", "ends", "verdict"),
    [
        (OPENED + b"</html>\n", False, "replace"),
        (OPENED, True, "replace"),
        (OPENED, False, "reject"),
        (b"<title>Links for six</title><a href='six-1.whl'>", False, "replace"),  # says nothing of its end
    ],
)
def test_html_without_a_length(page: bytes, ends: bool, verdict: str) -> None:
    got = answer(headers=HTML, completeness=Completeness(ends=ends))
    assert name(judge(PAGE, None, got, page, Health(), NOW)) == verdict


EXTENDS = Request("GET", "https://files.example/base.cfg", "other", {})
ARCHIVE = Request("GET", "https://files.example/x-1.tar.gz", "other", {})
BINARY = {"content-type": "application/gzip"}
DOWNLOAD = Record(ARCHIVE.url, ARCHIVE.url, BINARY, 0, 0, 0.1, 1, "a" * 64)


@pytest.mark.parametrize(
    ("request_", "record", "got", "body", "verdict"),
    [
        (EXTENDS, None, answer(headers={}), b"# base\n\n[buildout]\nparts =", "replace"),
        (EXTENDS, None, answer(headers={}), b"[versions : sys.version_info > (3,)]\n", "replace"),
        (EXTENDS, None, answer(headers={}, completeness=Completeness(ends=False)), b"[buildout]", "pass"),
        (EXTENDS, None, answer(headers={}), b"<html>[a]", "reject"),
        (EXTENDS, None, answer(headers={}), b"", "reject"),
        (EXTENDS, None, answer(headers={}), b"key = value\n[buildout]", "reject"),
        (ARCHIVE, None, answer(headers=BINARY), b"", "replace"),
        (ARCHIVE, None, answer(headers=HTML), b"", "reject"),
        (ARCHIVE, DOWNLOAD, answer(headers=HTML), b"", "reject"),
        (ARCHIVE, replace(DOWNLOAD, headers=HTML), answer(headers=HTML), b"", "replace"),
        (replace(EXTENDS, url="https://files.example/notes"), None, answer(headers=HTML), b"", "replace"),
        (replace(EXTENDS, url="https://files.example/notes"), DOWNLOAD, answer(headers=HTML), b"", "reject"),
    ],
)
def test_what_no_index_vouches_for(
    request_: Request, record: Record | None, got: Answer, body: bytes, verdict: str
) -> None:
    assert name(judge(request_, record, got, body, Health(), NOW)) == verdict


@pytest.mark.parametrize(
    ("request_", "told", "verdict"),
    [
        (PAGE, {}, "replace"),
        (PAGE, {"disclosure": OTHER}, "pass"),
        (PAGE, {"disclosure": ADDED}, "pass"),
        (PAGE.within(GAINED), {"disclosure": ADDED}, "replace"),
        (replace(PAGE, identity=Identity(shared=True)), {"disclosure": ADDED}, "replace"),
        (PAGE.within("abc"), {}, "replace"),
        (PAGE.within("abc"), {"disclosure": ADDED}, "pass"),
        (PAGE, {"headers": {"cache-control": "private"}}, "replace"),  # in this user's own folder
        (replace(PAGE, identity=Identity(keeps=False)), {"headers": {"cache-control": "private"}}, "pass"),
        (PAGE.within("abc"), {"headers": {"cache-control": "private"}}, "replace"),
        (replace(PAGE, identity=Identity(shared=True)), {"headers": {"cache-control": "private"}}, "replace"),
        (PAGE.within("abc"), {"headers": {"cache-control": "no-store"}}, "forbid"),
        (replace(PAGE, identity=Identity(shared=True)), {"headers": {"cache-control": "no-store"}}, "forbid"),
        (PAGE, {"status": 404}, "doubt"),
        (PAGE, {"status": 404, "disclosure": ADDED}, "pass"),
    ],
)
def test_what_was_given_to_more_than_a_request_tells_of_changes_no_copy(
    request_: Request, told: dict[str, Any], verdict: str
) -> None:
    got = replace(answer(headers={**JSON, **told.pop("headers", {})}), **told)
    assert name(judge(request_, COPY, got, GOOD, Health(), NOW)) == verdict


@pytest.mark.parametrize(
    ("verdict", "with_copy", "without"),
    [
        (Replace(), ("answer", "answered", "record", False), ("answer", "answered", "answer", False)),
        (Renew(), ("renewal", "answered", "record", False), ("renewal", "answered", "record", False)),
        (Remove("x"), ("removal", "removed", "answer", False), ("removal", "removed", "answer", False)),
        (Doubt("x", "404"), ("nothing", "doubted", "copy", False), ("nothing", "doubted", "answer", False)),
        (Reject("x"), ("nothing", None, "copy", True), ("nothing", None, "answer", True)),
        (Reject("x", True), ("nothing", "failed", "copy", True), ("nothing", "failed", "answer", True)),
        (Bar("x"), ("bar", None, "answer", False), ("bar", None, "answer", False)),
        (Forbid(), ("prohibition", None, "answer", False), ("prohibition", None, "answer", False)),
        (HandOver("x"), ("nothing", None, "answer", False), ("nothing", None, "answer", False)),
        (HandOver("x", True), ("nothing", "failed", "answer", True), ("nothing", "failed", "answer", True)),
    ],
)
def test_what_follows_from_a_verdict(
    verdict: Verdict, with_copy: tuple[object, ...], without: tuple[object, ...]
) -> None:
    def said(found: Meaning) -> tuple[object, ...]:
        return found.store, found.note, found.give, found.is_down

    assert said(meaning(PAGE, verdict, copy=True)) == with_copy
    assert said(meaning(PAGE, verdict, copy=False)) == without


@pytest.mark.parametrize(
    ("verdict", "give"),
    [
        (Replace(), "record"),
        (Renew(), "record"),
        (Doubt("x", "404"), "answer"),
        (Reject("x"), "answer"),
        (Reject("x", fault=True), "copy"),
    ],
    ids=str,
)
def test_what_an_open_try_gives(verdict: Verdict, give: str) -> None:
    openly = meaning(PAGE, verdict, copy=True, openly=True)
    usual = meaning(PAGE, verdict, copy=True)
    assert openly == usual._replace(give=give, is_down=False)  # type: ignore[arg-type]


def test_a_file_that_fails_is_no_failing_index() -> None:
    assert meaning(FILE, HandOver("x", fault=True), copy=False).note is None


@pytest.mark.parametrize(
    ("status", "said", "note", "wait"),
    [
        (429, "60", "limited", 60),
        (503, "60", "limited", 60),
        (429, "86400", "limited", 300),
        (503, "Thu, 01 Jan 1970 00:01:30 GMT", "limited", 30),
        (503, "Thu, 01 Jan 1970 00:01:30", "limited", 30),
        # it asks for nothing that can be kept to
        (429, None, "failed", 0),
        (429, "0", "failed", 0),
        (429, "-1", "failed", 0),
        (429, "soon", "failed", 0),
        (429, "Thu, 01 Jan 99999999999 00:01:30 GMT", "failed", 0),
        (503, "Thu, 01 Jan 1970 00:00:30 GMT", "failed", 0),
        # nobody is to wait because of another status
        (500, "60", "failed", 0),
        (404, "60", "doubted", 0),
    ],
)
def test_for_how_long_it_asks_to_be_left_alone(status: int, said: str | None, note: str, wait: float) -> None:
    headers = {**JSON, "retry-after": said} if said else JSON
    means = meaning(PAGE, judge(PAGE, COPY, answer(status, headers), b"", Health(), 60.0), copy=True)
    assert (means.note, means.wait, means.give) == (note, wait, "copy")
    assert means.why == (f"it answered {status} Reason" + (f", and asked to wait {wait:.0f} s" if wait else ""))


@pytest.mark.parametrize(("request_", "note"), [(FILE, "limited"), (PAGE, "limited")])
def test_a_limit_is_one_whatever_was_asked_for(request_: Request, note: str) -> None:
    limit = answer(429, {"retry-after": "9"})
    assert meaning(request_, judge(request_, None, limit, b"", Health(), NOW), copy=False).note == note


def test_a_failure_names_where_a_redirect_led() -> None:
    verdict = judge(PAGE, COPY, replace(answer(503), url="https://cdn.example/simple/six/"), b"", Health(), NOW)
    assert isinstance(verdict, Reject)
    assert verdict.why == "it redirects to https://cdn.example, which failed: it answered 503 Reason"


CERTIFIED = replace(PAGE, identity=Identity(scope="abc", certified=True))


@pytest.mark.parametrize(
    ("request_", "status", "verdict"),
    [
        (PAGE.within("abc"), 403, "bar"),  # a right that was revoked
        (replace(PAGE, identity=Identity(shared=True)), 403, "pass"),
        (PAGE.within("abc"), 401, "bar"),
        (CERTIFIED, 400, "bar"),  # nginx, of a certificate that was revoked
        (PAGE.within("abc"), 400, "reject"),
        (replace(PAGE, identity=Identity(shared=True)), 401, "pass"),  # one token has expired
        (replace(PAGE, url=URL.replace("https", "http"), route=Route("http", "proxy.example:3128")), 401, "pass"),
        (replace(PAGE, route=Route(proxy="proxy.example:3128")), 401, "bar"),  # of a tunnel, a proxy sees no request
    ],
)
def test_who_is_refused(request_: Request, status: int, verdict: str) -> None:
    assert name(judge(request_, COPY, answer(status), b"", Health(), NOW)) == verdict


def test_a_refusal_that_came_through_a_proxy_is_not_the_proxys() -> None:
    plain = replace(PAGE, url=URL.replace("https", "http"), route=Route("http", "proxy.example:3128"))
    assert name(judge(plain, COPY, answer(401, {"via": "1.1 proxy.example"}), b"", Health(), NOW)) == "bar"


@pytest.mark.parametrize("record", [COPY, None])
@pytest.mark.parametrize("got", [answer(407), answer(401, {"server": "tinyproxy"})])
def test_what_a_proxy_refuses_one_client_is_noted_for_nobody(record: Record | None, got: Answer) -> None:
    means = meaning(PAGE, judge(PAGE, record, got, b"", Health(), NOW), copy=record is not None)
    assert means.note is None
    assert means.is_down
    assert means.why.startswith("its proxy answered 40")
    assert means.give == ("copy" if record else "answer")


LINKS = Request("GET", "https://index.example/wheels/", "page", {})


def links(*names: str) -> bytes:
    anchors = "".join(f"<a href={name}>x</a>" for name in names)
    return f"<html><title>Index of /wheels</title>{anchors}</html>".encode()


@pytest.mark.parametrize(
    ("after", "verdict"),
    [(links("b-2.whl"), "replace"), (links("b-1.whl"), "doubt"), (links(), "doubt")],
)
def test_a_page_of_no_project_lives_by_any_new_file(after: bytes, verdict: str) -> None:
    before = links("a-1.whl", "a-2.whl", "b-1.whl")
    copy = replace(COPY, url=LINKS.url, final=LINKS.url, headers=HTML, page=before)
    assert name(judge(LINKS, copy, answer(headers=HTML), after, Health(), NOW)) == verdict


def test_a_doubtful_page_that_changes_is_believed_a_day_after_the_first() -> None:
    health = Health(doubted={URL: Doubted(NOW - 90_000, NOW - 5, "another")})
    assert name(judge(PAGE, COPY, answer(), EMPTY, health, NOW)) == "replace"


HEAD = replace(PAGE, method="HEAD")
PLAIN = replace(PAGE, url="http://index.example/simple/six/")
PROXIED = Route("http", "proxy.example:3128")


@pytest.mark.parametrize(
    ("request_", "got", "verdict"),
    [
        # a server may have HEAD for nobody, but an outage is one for HEAD, too
        (HEAD, answer(404), "pass"),
        (HEAD, answer(503), "reject"),
        # an index that knows another spelling of the project's name
        (replace(PAGE, url="https://index.example/simple/Six/"), answer(404), "pass"),
        # only a proxy on the way could have refused it in the index's name
        (PLAIN, answer(401), "bar"),
        (replace(PLAIN, route=PROXIED), answer(401), "pass"),
        (replace(PLAIN, route=PROXIED), answer(401, {"via": "1.1 x"}), "bar"),
        (replace(PAGE, route=PROXIED), answer(401), "bar"),
    ],
)
def test_what_says_nothing_of_a_copy(request_: Request, got: Answer, verdict: str) -> None:
    assert name(judge(request_, COPY, got, b"", Health(), NOW)) == verdict


def test_that_an_index_forbids_to_store_its_pages_is_not_known_by_a_download() -> None:
    download = Request("GET", "https://files.example/base.txt", "other", {})
    assert name(judge(download, None, answer(headers=NO_STORE), b"", Health(), NOW)) == "pass"
    assert name(judge(PAGE, None, answer(headers=NO_STORE), GOOD, Health(), NOW)) == "forbid"


@pytest.mark.parametrize(
    ("request_", "status", "url", "says"),
    [
        (PAGE, 503, URL, "it answered 503 Reason"),
        (replace(PAGE, route=PROXIED), 503, URL, "it answered 503 Reason"),
        (PLAIN, 503, PLAIN.url, "it answered 503 Reason"),
        (replace(PLAIN, route=PROXIED), 503, PLAIN.url, "it, or its proxy, answered 503 Reason"),
        (replace(PLAIN, route=PROXIED), 503, "", "it, or its proxy, answered 503 Reason"),
        (replace(PLAIN, route=PROXIED), 404, PLAIN.url, "it answered 404 Reason"),
        # where a redirect led to: what is asked by TLS, no proxy sees
        (replace(PLAIN, route=PROXIED), 503, URL, "it answered 503 Reason"),
        (replace(PAGE, route=PROXIED), 503, PLAIN.url, "it, or its proxy, answered 503 Reason"),
        (PAGE, 404, "https://files.example/six/", "it answered 404 Reason"),
        (PAGE, 407, URL, "its proxy answered 407 Reason"),
    ],
)
def test_who_is_said_to_have_answered(request_: Request, status: int, url: str, says: str) -> None:
    verdict = judge(request_, None, replace(answer(status), url=url), b"", Health(), NOW)
    why: str = verdict.why  # type: ignore[union-attr] - a Replace has none
    assert why.endswith(says)
