from __future__ import annotations

import math
from email.utils import formatdate

import pytest

from cachedindex.model import Health, Kind, Record, Request, RunMemory
from cachedindex.options import Settings
from cachedindex.rules.decide import (
    AskOpenly,
    AskOrChallenge,
    Challenge,
    Fetch,
    Pass,
    Refuse,
    Revalidate,
    Serve,
    TryOnce,
    choose,
    decide,
    is_absent,
    lifetime,
    patience,
)
from cachedindex.rules.privacy import GAINED, unseen
from tests.values import replace

NOW = 1_000_000.0
DIGEST = "a" * 64
PAGE = Request("GET", "https://index.example/simple/six/", "page", {})
ZOPE = Request("GET", "https://index.example/simple/zope-interface/", "page", {})
FILE = Request("GET", "https://files.example/six-1.0.whl", "file", {}, DIGEST)
OTHER = Request("GET", "https://files.example/extends.cfg", "other", {})
ARCHIVE = Request("GET", "https://files.example/six-1.0.tar.gz", "other", {})
RECORD = Record(PAGE.url, PAGE.url, {}, NOW - 30, NOW - 30, 0.1, 0, DIGEST, b"", "html")
SAID = replace(RECORD, url=ARCHIVE.url, page=None, form="", headers={"cache-control": "max-age=300"})
IN_300 = formatdate(RECORD.checked + 300, usegmt=True)
OLD = replace(RECORD, checked=NOW - 3600)
ETAG = {"etag": '"1"'}
OFFLINE = Settings(offline=True)
PART = {"range": "bytes=0-9", "if-range": '"1"'}
PASSED = Pass("HEAD and range requests are answered from whole copies only")


def assert_is(found: object, decision: object) -> None:
    """Compare the types as well: the decisions are named tuples, and tuples of one content are equal."""
    assert (type(found), found) == (type(decision), decision)


def aged(seconds: float, **headers: str) -> Record:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(RECORD, checked=NOW - seconds, headers=named)


@pytest.mark.parametrize(
    ("request_", "record", "settings", "decision"),
    [
        # cold
        (PAGE, None, Settings(), Fetch()),
        (PAGE, None, OFFLINE, Refuse(504, "offline = true")),
        (FILE, None, Settings(), Fetch()),
        # fresh
        (PAGE, RECORD, Settings(), Serve("fresh")),
        (PAGE, aged(59), Settings(), Serve("fresh")),
        (PAGE, aged(61), Settings(), Revalidate()),
        (PAGE, aged(3600), Settings(index_ttl=7200), Serve("fresh")),
        (PAGE, aged(1), Settings(index_ttl=0), Revalidate()),
        (PAGE, aged(0), Settings(index_ttl=0), Revalidate()),
        # from the future: another host's clock, or one that ran backwards
        (PAGE, aged(-30), Settings(), Serve("fresh")),
        (PAGE, aged(-90), Settings(), Revalidate()),
        # expired, with validators
        (PAGE, replace(OLD, headers=ETAG), Settings(), Revalidate({"if-none-match": '"1"'})),
        (PAGE, aged(3600, last_modified="x"), Settings(), Revalidate({"if-modified-since": "x"})),
        # too stale
        (PAGE, aged(31 * 86400), Settings(), Fetch()),
        (PAGE, aged(31 * 86400, **ETAG), Settings(), Fetch({"if-none-match": '"1"'})),
        (PAGE, aged(31 * 86400), Settings(stale_if_error=math.inf), Revalidate()),
        (PAGE, OLD, Settings(stale_if_error=0.0), Fetch()),
        (PAGE, RECORD, Settings(stale_if_error=0.0), Serve("fresh")),
        (replace(PAGE, headers={"cache-control": "max-age=0"}), RECORD, Settings(stale_if_error=0.0), Fetch()),
        (PAGE, aged(10.5 * 86400), Settings(index_ttl=10 * 86400, stale_if_error=86400), Revalidate()),
        (PAGE, aged(11.5 * 86400), Settings(index_ttl=10 * 86400, stale_if_error=86400), Fetch()),
        # offline
        (PAGE, OLD, OFFLINE, Serve("offline = true", stale=True)),
        (PAGE, RECORD, OFFLINE, Serve("fresh")),
        # refresh, by name and by the client's own wish
        (PAGE, RECORD, Settings(refresh=("six",)), AskOpenly()),
        (PAGE, OLD, Settings(refresh=("six",)), AskOpenly()),
        (PAGE, OLD, Settings(refresh=("six",), offline=True), Serve("offline = true", stale=True)),
        (PAGE, OLD, Settings(refresh=("six",), stale_if_error=0.0), Fetch()),
        (replace(PAGE, method="HEAD"), OLD, Settings(refresh=("six",)), PASSED),
        (PAGE, RECORD, Settings(refresh=(":all:",)), Revalidate()),
        (PAGE, RECORD, Settings(refresh=("other",)), Serve("fresh")),
        (ZOPE, replace(RECORD, url=ZOPE.url), Settings(refresh=("Zope.Interface",)), AskOpenly()),
        (replace(PAGE, headers={"cache-control": "max-age=0"}), RECORD, Settings(), Revalidate()),
        (replace(PAGE, headers={"cache-control": "no-cache"}), RECORD, Settings(), Revalidate()),
        (replace(PAGE, headers={"pragma": "no-cache"}), RECORD, Settings(), Revalidate()),
        (
            replace(PAGE, headers={"pragma": "no-cache", "cache-control": "max-age=60"}),
            RECORD,
            Settings(),
            Serve("fresh"),
        ),
        # only upstream knows whether a credential that nobody sees still holds
        (PAGE.within(GAINED), RECORD, Settings(), Revalidate()),
        (PAGE.within(unseen("mine")), RECORD, Settings(), Revalidate()),
        (PAGE.within("mine"), RECORD, Settings(), Serve("fresh")),
        # a file is immutable under its hash
        (FILE, replace(OLD, page=None), Settings(), Serve("immutable")),
        (FILE, replace(OLD, sha256="b" * 64), Settings(), Fetch()),
        # what no index vouches for is always asked
        (OTHER, RECORD, Settings(), Revalidate()),
        (OTHER, RECORD, Settings(index_ttl=7200), Revalidate()),
        (replace(OTHER, url="https://files.example/six"), RECORD, Settings(refresh=("six",)), Revalidate()),
        (
            ARCHIVE,
            replace(OLD, url=ARCHIVE.url, page=None, form="", headers=ETAG),
            Settings(),
            Revalidate({"if-none-match": '"1"'}),
        ),
        # a download is fresh for as long as it says itself, if its address is its version's
        (ARCHIVE, SAID, Settings(index_ttl=0), Serve("fresh")),
        (OTHER, replace(SAID, url=OTHER.url), Settings(), Revalidate()),
        # in an outage pip asks for the whole of it if this is answered without ranges
        (replace(ARCHIVE, method="HEAD"), replace(SAID, checked=OLD.checked, headers=ETAG), Settings(), Revalidate()),
        # what a client accepts says something of pages only
        (replace(FILE, headers={"accept": "application/octet-stream"}), OLD, Settings(), Serve("immutable")),
        # heads and parts, of a whole copy only
        (replace(FILE, method="HEAD"), replace(OLD, page=None), Settings(), Serve("immutable")),
        (replace(FILE, headers=PART), replace(OLD, page=None), Settings(), Serve("immutable")),
        (replace(PAGE, method="HEAD"), RECORD, Settings(), Serve("fresh")),
        (replace(PAGE, method="HEAD"), OLD, Settings(), PASSED),
        (replace(FILE, method="HEAD"), None, Settings(), PASSED),
        (replace(FILE, headers=PART), None, Settings(), PASSED),
        (replace(FILE, headers=PART), replace(OLD, sha256="b" * 64), Settings(), PASSED),
        (replace(OTHER, method="HEAD"), RECORD, Settings(), PASSED),
        (replace(FILE, headers=PART), None, OFFLINE, Refuse(504, "offline = true")),
    ],
)
def test_what_to_do(request_: Request, record: Record | None, settings: Settings, decision: object) -> None:
    assert_is(decide(request_, record, settings, NOW), decision)


ABSENCE = replace(RECORD, form="absent")
FAIL = Settings(missing_index="fail")


@pytest.mark.parametrize(
    ("age", "settings", "counts"),
    [
        (0, Settings(), True),
        (30 * 86400 - 1, Settings(), True),
        (30 * 86400, Settings(), False),
        (-59, Settings(), True),
        (-61, Settings(), False),
        (1, Settings(stale_if_error=0.0), False),
        (1e9, Settings(stale_if_error=math.inf), True),
        (0, Settings(negative=0.0), False),
        (3599, FAIL, True),
        (3600, FAIL, False),
        (600, replace(FAIL, stale_if_error=600.0), False),
    ],
)
def test_for_how_long_it_counts_that_a_page_was_absent(age: float, settings: Settings, counts: bool) -> None:
    assert is_absent(replace(ABSENCE, checked=NOW - age), settings, NOW) is counts


@pytest.mark.parametrize(
    ("settings", "memory", "decision"),
    [
        (Settings(), RunMemory(), Revalidate()),
        (Settings(), RunMemory(failed={"https://index.example/simple/": (NOW - 1, "gone")}), Revalidate()),
        (Settings(), RunMemory(missing={PAGE.url: NOW - 1}), Refuse(404, "this run was answered 404 a moment ago")),
        (Settings(refresh=("six",)), RunMemory(), AskOpenly()),
        (Settings(refresh=("other",)), RunMemory(), Revalidate()),
        (OFFLINE, RunMemory(), Refuse(404, "offline = true, and the index did not have it")),
    ],
)
def test_a_page_that_its_index_did_not_have(settings: Settings, memory: RunMemory, decision: object) -> None:
    assert_is(decide(PAGE, None, settings, NOW, lambda: memory, absence=ABSENCE), decision)


def test_a_copy_that_the_client_may_have_needs_no_challenge() -> None:
    assert_is(decide(PAGE, RECORD, Settings(), NOW, is_private=lambda: True), Serve("fresh"))


def test_offline_a_private_copy_needs_a_challenge() -> None:
    assert_is(decide(PAGE, None, OFFLINE, NOW, is_private=lambda: True), Challenge("offline = true"))


def test_of_several_forms_a_fresh_one_is_served() -> None:
    html, as_json = OLD, replace(RECORD, form="json")
    assert choose(PAGE, [html, as_json], Settings(), NOW) == (as_json, as_json)
    assert choose(PAGE, [html, replace(as_json, checked=NOW - 3000)], Settings(), NOW)[0] == html


def test_of_several_forms_one_that_is_too_stale_is_not_asked_by() -> None:
    as_json = replace(OLD, form="json")
    assert choose(PAGE, [aged(31 * 86400), as_json], Settings(), NOW) == (as_json, as_json)


@pytest.mark.parametrize(("headers", "seconds"), [
    ({}, 0), ({"cache-control": "max-age=86400"}, 86400), ({"cache-control": f"max-age={'9' * 400}"}, 2**31),
])  # fmt: skip
def test_for_how_long_a_download_is_fresh(headers: dict[str, str], seconds: float) -> None:
    assert lifetime(replace(RECORD, page=None, headers=headers), Settings(index_ttl=120)) == seconds


def test_a_private_copy_counts_more_than_that_others_were_answered_404() -> None:
    assert_is(decide(PAGE, None, Settings(), NOW, is_private=lambda: True, absence=ABSENCE), AskOrChallenge())


@pytest.mark.parametrize(
    "request_",
    [
        replace(PAGE, method="POST"),
        replace(PAGE, aside="asked with a body"),
        replace(PAGE, headers={"authorization": "Basic x"}),
        replace(PAGE, headers={"cookie": "x"}),
        replace(PAGE, headers={"private-token": "x"}),
        replace(PAGE, headers={"accept": "application/json"}),
        replace(PAGE, headers={"accept": "text/html, application/json;q=0.9"}),
        replace(PAGE, headers={"range": "bytes=0-9"}),
        replace(OTHER, headers={"range": "bytes=0-9"}),
        replace(PAGE, headers={"if-none-match": '"1"'}),
        replace(PAGE, headers={"cache-control": "no-store"}),
        replace(PAGE, url="https://index.example/simple/six/?token=secret"),
    ],
    ids=str,
)
def test_what_is_left_to_the_client(request_: Request) -> None:
    assert isinstance(decide(request_, RECORD, Settings(), NOW), Pass)


@pytest.mark.parametrize(
    ("headers", "settings", "seconds"),
    [
        ({}, Settings(), 60),
        ({"etag": "x"}, Settings(), 0),
        ({"last-modified": "x"}, Settings(), 0),
        ({"cache-control": "max-age=300"}, Settings(), 300),
        ({"cache-control": "max-age=300", "age": "100", "etag": "x"}, Settings(), 200),
        ({"cache-control": "max-age=300", "age": "400"}, Settings(), 0),
        ({"cache-control": "public, MAX-AGE=86400"}, Settings(), 600),
        ({"cache-control": "max-age=0"}, Settings(), 0),
        ({"cache-control": "no-cache"}, Settings(), 0),
        ({"cache-control": "public"}, Settings(), 60),
        ({"cache-control": "no-cache"}, Settings(index_ttl=120), 120),
        # Expires, by the server's own clock (RFC 9111, section 5.3)
        ({"expires": IN_300}, Settings(), 300),
        ({"expires": IN_300, "age": "100"}, Settings(), 200),
        ({"expires": "Mon, 12 Jan 1970 14:00:00 GMT", "date": "Mon, 12 Jan 1970 13:55:00 GMT"}, Settings(), 300),
        ({"expires": "Mon, 12 Jan 1970 14:00:00", "date": "Mon, 12 Jan 1970 13:55:00 -0000"}, Settings(), 300),
        ({"expires": IN_300, "date": "yesterday"}, Settings(), 300),
        ({"expires": "Fri, 31 Dec 9999 23:59:59 GMT"}, Settings(), 600),
        ({"expires": "Thu, 01 Jan 1970 00:00:00 GMT"}, Settings(), 0),
        ({"expires": "0"}, Settings(), 0),
        ({"expires": "-1"}, Settings(), 0),
        ({"expires": ""}, Settings(), 0),
        ({"expires": "Mon, 99 Feb 9999 99:99:99 GMT"}, Settings(), 0),
        ({"expires": "0", "cache-control": "max-age=300"}, Settings(), 300),
        ({"expires": "0", "cache-control": "public"}, Settings(), 0),
        ({"expires": IN_300, "cache-control": "no-cache"}, Settings(), 0),
        ({"expires": "0"}, Settings(index_ttl=120), 120),
        # Pragma, only without Cache-Control (section 5.4)
        ({"pragma": "no-cache"}, Settings(), 0),
        ({"pragma": "No-Cache", "expires": IN_300}, Settings(), 0),
        ({"pragma": "no-cache", "cache-control": "max-age=300"}, Settings(), 300),
        ({"pragma": "no-cache", "cache-control": "public"}, Settings(), 60),
        ({"cache-control": "no-store, max-age=300"}, Settings(store="always"), 0),
    ],
)
def test_for_how_long_a_page_is_fresh(headers: dict[str, str], settings: Settings, seconds: float) -> None:
    assert lifetime(replace(RECORD, headers=headers), settings) == seconds


@pytest.mark.parametrize(
    ("record_took", "health_took", "timeout", "seconds"),
    [(0.1, 0, 3, 3), (4, 0, 3, 8), (0.1, 4, 3, 8), (20, 0, 3, 15), (20, 0, 30, 30), (0, 0, 0.5, 0.5)],
)
def test_how_long_upstream_may_take(record_took: float, health_took: float, timeout: float, seconds: float) -> None:
    record, health = replace(RECORD, took=record_took), Health(took=health_took)
    assert patience(PAGE, record, health, Settings(timeout=timeout)) == seconds


def test_a_url_that_ran_into_the_deadline_gets_twice_the_timeout_next_time() -> None:
    assert patience(PAGE, RECORD, Health(failed={RECORD.url: (NOW, "")}), Settings()) == 6
    assert patience(PAGE, RECORD, Health(failed={"another": (NOW, "")}), Settings()) == 3
    assert patience(PAGE, None, Health(), Settings()) == 3
    assert patience(PAGE, None, Health(), Settings(timeout=0.5)) == 0.5


GONE = RunMemory(missing={PAGE.url: NOW - 10})
DOWN = RunMemory(failed={"": (NOW - 2, "it hangs")})
DOWN_BEFORE = RunMemory(failed={"": (NOW - 10, "it hangs")})
NEIGHBOUR_DOWN = RunMemory(failed={"https://index.example/other/": (NOW - 2, "it hangs")})
ASKED_BEFORE = Refuse(404, "this run was answered 404 a moment ago")


@pytest.mark.parametrize(
    ("request_", "cold", "settings", "decision"),
    [
        # the run has been told that there is no such page
        (PAGE, GONE, Settings(), ASKED_BEFORE),
        (PAGE, GONE, Settings(negative=5), Fetch()),
        (PAGE, GONE, Settings(negative=0), Fetch()),
        (PAGE, GONE, Settings(refresh=("six",)), Fetch()),
        (replace(PAGE, headers={"cache-control": "no-cache"}), GONE, Settings(), Fetch()),
        (PAGE, RunMemory(missing={PAGE.url: NOW + 5}), Settings(), Fetch()),  # the clock ran back
        (ZOPE, GONE, Settings(), Fetch()),
        (PAGE, GONE, OFFLINE, Refuse(504, "offline = true")),
        # the run's last look-up there that had no copy failed
        (PAGE, DOWN, Settings(), Refuse(504, "not asked: it hangs, 2 s ago")),
        (ZOPE, DOWN, Settings(), Refuse(504, "not asked: it hangs, 2 s ago")),
        (PAGE, DOWN, Settings(refresh=("six",)), Refuse(504, "not asked: it hangs, 2 s ago")),
        (PAGE, DOWN_BEFORE, Settings(), TryOnce("not asked: it hangs, 10 s ago")),
        (PAGE, DOWN_BEFORE, Settings(negative=5), Fetch()),
        (PAGE, DOWN, Settings(negative=0), Fetch()),
        (PAGE, RunMemory(failed={"": (NOW + 5, "it hangs")}), Settings(), Fetch()),
        # what is no page is never refused unasked
        (OTHER, DOWN, Settings(), TryOnce("not asked: it hangs, 2 s ago")),
        (OTHER, RunMemory(missing={OTHER.url: NOW - 10}), Settings(), Fetch()),
        (FILE, DOWN, Settings(), Fetch()),
        # a neighbour on the same host: of pages it says nothing, of downloads it may, as each has its own folder
        (PAGE, NEIGHBOUR_DOWN, Settings(), Fetch()),
        (OTHER, NEIGHBOUR_DOWN, Settings(), TryOnce("not asked: it hangs, 2 s ago")),
    ],
)
def test_what_a_run_remembers(request_: Request, cold: RunMemory, settings: Settings, decision: object) -> None:
    assert_is(decide(request_, None, settings, NOW, lambda: cold), decision)


RECIPES = replace(PAGE, of_recipe=True)
READY = replace(RECIPES, url="http://localhost:8080/ready/")
BROKEN = RunMemory(
    {"https://index.example/simple/": (NOW - 2, "reset")}, alone={"https://index.example/simple/": "six"}
)


@pytest.mark.parametrize("memory", [GONE, DOWN, DOWN_BEFORE, RunMemory(missing={READY.url: NOW - 10})])
@pytest.mark.parametrize(
    "request_", [RECIPES, READY, replace(READY, url="http://127.0.0.1:8080/tool.bin", kind="other")]
)
def test_a_recipe_that_waits_for_a_server_asks_each_time(request_: Request, memory: RunMemory) -> None:
    assert_is(decide(request_, None, Settings(), NOW, lambda: memory, absence=RECORD), Fetch())


def test_a_recipe_that_downloads_from_another_host_waits_for_no_server() -> None:
    request = replace(OTHER, of_recipe=True)
    assert_is(decide(request, None, Settings(), NOW, lambda: DOWN), TryOnce("not asked: it hangs, 2 s ago"))


@pytest.mark.parametrize(
    ("url", "kind", "passes"),
    [
        ("http://localhost:8080/ready", "other", True),
        ("http://[::1]:8080/health/ready", "other", True),
        ("http://127.1.2.3/ready", "other", True),
        ("http://service.localhost/ready", "other", True),
        ("http://localhost:8080/ready/", "page", False),
        ("http://localhost:8080/tool.bin", "other", False),
        ("http://localhost.example/ready", "other", False),
        ("http://index.example/ready", "other", False),
    ],
)
def test_what_a_recipe_asks_a_program_on_this_machine_has_no_copy(url: str, kind: Kind, passes: bool) -> None:
    request = replace(PAGE, url=url, kind=kind)
    recipes = decide(replace(request, of_recipe=True), replace(RECORD, url=url), Settings(), NOW)
    assert isinstance(recipes, Pass) is passes
    assert not isinstance(decide(request, replace(RECORD, url=url), Settings(), NOW), Pass)


def test_a_single_broken_page_leaves_its_neighbours_one_try() -> None:
    neighbour = replace(BROKEN, alone={"https://index.example/simple/": ZOPE.url})
    assert_is(decide(PAGE, None, Settings(), NOW, lambda: neighbour), TryOnce("not asked: reset, 2 s ago"))
    itself = replace(BROKEN, alone={"https://index.example/simple/": PAGE.url})
    assert_is(decide(PAGE, None, Settings(), NOW, lambda: itself), Refuse(504, "not asked: reset, 2 s ago"))


@pytest.mark.parametrize(
    ("record", "settings", "decision"),
    [
        (RECORD, Settings(), AskOpenly()),
        (replace(OLD, headers=ETAG), Settings(), AskOpenly({"if-none-match": '"1"'})),
        (aged(31 * 86400), Settings(), Fetch()),
        (None, Settings(), AskOpenly()),
        (RECORD, OFFLINE, Serve("fresh")),
        (OLD, OFFLINE, Serve("offline = true", stale=True)),
        (None, OFFLINE, Refuse(504, "offline = true")),
    ],
)
def test_a_client_that_is_not_satisfied(record: Record | None, settings: Settings, decision: object) -> None:
    assert_is(decide(PAGE, record, settings, NOW, lambda: GONE, unsatisfied=True), decision)


def test_a_client_that_is_challenged_and_not_satisfied() -> None:
    assert_is(decide(PAGE, None, Settings(), NOW, is_private=lambda: True), AskOrChallenge())
    assert_is(decide(PAGE, None, Settings(), NOW, is_private=lambda: True, unsatisfied=True), AskOpenly())


def test_a_run_is_not_asked_what_it_remembers_where_there_is_a_copy() -> None:
    assert_is(decide(PAGE, OLD, Settings(), NOW, lambda: pytest.fail("asked")), Revalidate())


PIP = replace(PAGE, headers={"accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.1"})
JSON = replace(RECORD, form="json")


@pytest.mark.parametrize(
    ("request_", "record", "settings", "decision"),
    [
        (PIP, JSON, Settings(), Serve("fresh")),
        (PIP, RECORD, Settings(), Revalidate()),
        (PIP, replace(RECORD, headers=ETAG), Settings(), Revalidate()),  # no validator of another form
        (PIP, RECORD, OFFLINE, Serve("offline = true", stale=True)),
        (PIP, replace(JSON, expired=True), Settings(), Revalidate()),
        (PIP, replace(JSON, expired=True, headers=ETAG), Settings(), Revalidate({"if-none-match": '"1"'})),
        (PIP, replace(JSON, expired=True), OFFLINE, Serve("offline = true", stale=True)),
        (PIP, JSON, Settings(disable=True), Pass("disable = true")),
    ],
)
def test_forms_and_runs_that_failed(request_: Request, record: Record, settings: Settings, decision: object) -> None:
    assert_is(decide(request_, record, settings, NOW), decision)


def test_a_copy_that_varies_by_a_header_is_not_for_who_sends_it() -> None:
    copy = replace(RECORD, headers={**RECORD.headers, "vary": "Accept-Language"})
    german = replace(PAGE, headers={**PAGE.headers, "accept-language": "de"})
    assert_is(decide(PAGE, copy, Settings(), NOW), Serve("fresh"))
    assert isinstance(decide(german, copy, Settings(), NOW), Pass)
    assert_is(decide(german, copy, Settings(store="always"), NOW), Serve("fresh"))
