"""The engine over a real store in a temporary folder, with an upstream and a clock that the test moves."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from cachedindex.errors import DeadlinePassed, IndexMissing, Shortage, UpstreamFailed
from cachedindex.lookup import worker
from cachedindex.lookup.cache import Cache
from cachedindex.lookup.single_flight import SingleFlight, Turn
from cachedindex.lookup.upstream import Upstream
from cachedindex.model import Answer, Completeness, Disclosure, Event, Identity, Outcome, Record, Request, Route
from cachedindex.options import Settings
from cachedindex.rules.decide import Pass
from cachedindex.run.folder import RunFolder
from cachedindex.run.report import Report
from cachedindex.store import health_log
from cachedindex.store.health_log import HealthLog
from cachedindex.store.store import Store
from tests.values import replace

PAGE = Request("GET", "https://index.example/simple/six/", "page", {})
OTHER_PAGE = replace(PAGE, url="https://index.example/simple/flask/")
WHEEL = b"wheel" * 1000
FILE_URL = "https://files.example/six-1.0.whl"
JSON = {"content-type": "application/vnd.pypi.simple.v1+json"}


def page(*files: Mapping[str, object], name: str = "six") -> bytes:
    return json.dumps({"name": name, "files": files}).encode()


GOOD = page({"url": FILE_URL, "filename": "six-1.0.whl", "hashes": {"sha256": sha256(WHEEL).hexdigest()}})


class World:
    """A clock, an upstream, and a cache between it and the test."""

    run: RunFolder | None = None

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.now = 1_000_000.0
        self.said: list[str] = []
        self.asked: list[tuple[Mapping[str, str], bool]] = []
        self.reply: Callable[[], Answer] = lambda: self.answer(GOOD)
        self.store = Store(folder)
        self.settings = settings
        self.over = threading.Event()
        self.cache = self.another_process()

    def another_process(self, single_flight: SingleFlight | None = None) -> Cache:
        self.report = Report(self.said.append, self.run)
        clock = lambda: self.now  # noqa: E731
        upstream = Upstream(self.store, health_log.of_host(self.store.root, None), health_log.of_run(None), clock)
        return Cache(self.store, upstream, self.settings, self.report, clock, single_flight)

    def answer(self, body: bytes, status: int = 200, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Answer(status, "Reason", PAGE.url, {**JSON, **named}, BytesIO(body))

    def fail(self) -> Answer:
        raise UpstreamFailed("it is gone", OSError("gone"))

    def refuse(self, **named: bool) -> Answer:
        raise UpstreamFailed("it refuses you", OSError("alert"), **named)

    def hang(self) -> Answer:
        """Give no answer as long as the test lasts."""
        self.over.wait()
        return self.fail()

    def send(self, headers: Mapping[str, str], *, patient: bool) -> Answer:
        self.asked.append((headers, patient))
        return self.reply()

    def get(self, request: Request = PAGE) -> tuple[bytes, str]:
        """Ask the cache; return the body and how it ended."""
        answer = self.cache.answer(request, self.send)
        assert not isinstance(answer, Pass)
        body = answer.body.read()
        answer.body.close()
        return body, self.report.outcomes[-1].ended


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, Settings(timeout=30.0))
    yield world
    world.over.set()


def test_what_one_client_is_refused_keeps_nobody_from_asking(world: World) -> None:
    third = replace(PAGE, url="https://index.example/simple/docopt/")
    for request in (PAGE, OTHER_PAGE, third):
        world.reply = lambda url=request.url: world.answer(page(name=url.split("/")[-2]))  # type: ignore[misc]
        world.get(request)
    world.now += 100
    world.reply = lambda: world.refuse(personal=True)
    assert [world.get(request)[1] for request in (PAGE, OTHER_PAGE)] == ["stale", "stale"]
    with pytest.raises(UpstreamFailed):
        world.get(replace(PAGE, url="https://index.example/simple/new/"))
    world.asked.clear()
    world.reply = lambda: world.answer(page(name="docopt"))
    assert world.get(third)[1] == "miss"
    assert len(world.asked) == 1


@pytest.mark.parametrize("certified", [False, True])
def test_a_refused_certificate_is_final_for_its_scope(world: World, certified: bool) -> None:
    mine = replace(PAGE, identity=Identity("certificate" if certified else "", certified=certified))
    other = replace(PAGE, identity=Identity("another one"))
    for request in (mine, other):
        world.get(request)
    world.now += 100
    world.reply = lambda: world.refuse(personal=True, final=True)
    with pytest.raises(UpstreamFailed):
        world.get(mine)
    assert world.report.outcomes[-1].ended == "failed"
    assert world.report.outcomes[-1].age is None, "no copy is too old"
    world.reply = world.fail
    assert world.get(other)[1] == "stale"
    with pytest.raises(UpstreamFailed):
        world.get(mine)
    world.now += 10
    world.reply = lambda: world.answer(GOOD)
    assert world.get(mine)[1] == "miss"
    assert world.get(mine)[1] == "hit"


def test_a_refused_certificate_ends_an_open_try(world: World) -> None:
    world.get()
    serve_fresh(world)
    with pytest.raises(UpstreamFailed):
        ask_openly(world, lambda: world.refuse(personal=True, final=True))


class Keyring:
    """A keyring that has the credentials of some URLs."""

    def __init__(self, *known: str, is_there: bool = True) -> None:
        self.known = known
        self.there = is_there
        self.asked: list[str] = []

    def is_there(self) -> bool:
        return self.there

    def has(self, url: str) -> bool:
        self.asked.append(url)
        return url in self.known


def begin_outage(world: World) -> Request:
    """Fill the cache with three pages, let two of them fail, and return the third."""
    third = replace(PAGE, url="https://index.example/simple/docopt/")
    for request, body in ((PAGE, GOOD), (OTHER_PAGE, page(name="flask")), (third, page(name="docopt"))):
        world.reply = lambda body=body: world.answer(body)  # type: ignore[misc]
        world.get(request)
    world.now += 100
    world.reply = world.fail
    world.asked.clear()
    assert [world.get(request)[1] for request in (PAGE, PAGE, OTHER_PAGE)] == ["stale"] * 3
    assert len(world.asked) == 2
    return third


def store_file(world: World) -> Request:
    """Have a page promise a file and store it; return its request."""
    world.get()
    world.reply = lambda: world.answer(WHEEL, content_length=str(len(WHEEL)))
    file = Request("GET", FILE_URL, "other", {})
    assert world.get(file) == (WHEEL, "miss")
    return file


@pytest.mark.parametrize("why", ["it does not answer", None])
def test_a_folder_that_took_long_is_used_if_it_still_answers(
    world: World, monkeypatch: pytest.MonkeyPatch, why: str | None
) -> None:
    world.cache = Cache(world.store, world.cache._upstream, world.settings, world.report, why_lost=lambda: why)
    world.get()
    monkeypatch.setattr("cachedindex.lookup.cache._LONG", -1.0)
    for _ in range(2):
        assert world.cache.answer(PAGE, world.send) == Pass(why) if why else world.get()[0] == GOOD
    assert world.said == ([f"{why}; the build continues without the cache"] if why else [])


def test_a_page_is_asked_once_and_then_served(world: World) -> None:
    assert world.get() == (GOOD, "miss")
    assert world.get() == (GOOD, "hit")
    assert world.asked == [({}, True)]


def test_an_expired_page_is_asked_again_without_the_clients_patience(world: World) -> None:
    world.get()
    world.now += 100
    newer = GOOD.replace(b"}]", b'}, {"url": "/six-2.0.whl", "filename": "six-2.0.whl"}]')
    world.reply = lambda: world.answer(newer)
    assert world.get() == (newer, "miss")
    assert world.asked[-1] == ({}, False)
    assert world.get() == (newer, "hit")


def test_a_page_that_has_not_changed_is_renewed(world: World) -> None:
    world.reply = lambda: world.answer(GOOD, etag='"1"', cache_control="max-age=10")
    world.get()
    world.now += 100
    world.reply = lambda: world.answer(b"", 304, etag='"1"')
    assert world.get() == (GOOD, "revalidated")
    assert world.asked[-1][0] == {"if-none-match": '"1"'}
    world.now += 5
    assert world.get() == (GOOD, "hit")


@pytest.mark.parametrize("saw", [Disclosure(gained=True), Disclosure(other=True)], ids=["gained", "other"])
def test_a_page_is_not_renewed_by_what_upstream_says_to_a_credential(world: World, saw: Disclosure) -> None:
    world.reply = lambda: world.answer(GOOD, etag='"1"', cache_control="max-age=10")
    world.get()
    world.now += 100
    world.reply = lambda: replace(world.answer(b"", 304, etag='"1"'), disclosure=saw)
    assert world.get()[0] == GOOD
    world.reply = lambda: world.answer(GOOD, etag='"1"')
    world.asked.clear()
    world.get()
    assert len(world.asked) == 1


@pytest.mark.parametrize("number", ["\N{SUPERSCRIPT TWO}", "9" * 5000, "-1", ""])
def test_a_header_that_is_no_number_says_nothing(world: World, number: str) -> None:
    headers = {"age": number, "content_length": number, "x_pypi_last_serial": number}
    world.reply = lambda: world.answer(GOOD, cache_control="max-age=60", **headers)
    assert world.get() == (GOOD, "miss")
    assert world.get() == (GOOD, "hit")


def test_a_private_copy_that_cannot_be_read_is_none(world: World) -> None:
    mine = replace(PAGE, identity=Identity("secret"))
    world.get(mine)
    (record,) = (world.store.root / "private-v1").rglob("page.*")
    record.unlink()
    record.mkdir()
    answer = world.cache.answer(PAGE, world.send, Keyring(PAGE.url))
    assert not isinstance(answer, Pass)
    assert answer.body.read() == GOOD
    assert len(world.said) == 1


@pytest.mark.parametrize(
    "told", [{"content_type": "text/html"}, {"content_encoding": "gzip"}, {"content_disposition": "inline"}]
)
def test_what_says_that_nothing_has_changed_does_not_change_what_the_page_is(
    world: World, told: Mapping[str, str]
) -> None:
    world.reply = lambda: world.answer(GOOD, etag='"1"', cache_control="max-age=10", age="9")
    world.get()
    world.now += 100
    world.reply = lambda: world.answer(b"", 304, etag='"1"', **told)
    served = world.cache.answer(PAGE, world.send)
    assert served is not None
    assert {name for name in served.headers if name.startswith("content-")} == {"content-type", "content-length"}
    assert served.headers["content-type"] == JSON["content-type"]
    world.now += 5
    assert world.get() == (GOOD, "hit"), "the first answer's Age is over"


@pytest.mark.parametrize("status", [500, 503, 429, 404, 302])
def test_no_sound_answer_serves_the_copy(world: World, status: int) -> None:
    world.get()
    world.now += 100
    world.reply = lambda: world.answer(b"no", status)
    assert world.get() == (GOOD, "stale")
    assert world.report.outcomes[-1].age == 100


def test_two_failures_keep_every_process_from_asking(world: World) -> None:
    third = begin_outage(world)
    assert world.get(third)[1] == "stale"
    world.cache = world.another_process()
    assert world.get(third)[1] == "stale"
    assert world.report.outcomes[-1].why == "not asked: it is gone, 0 s ago"
    assert len(world.asked) == 2


def test_of_many_that_were_admitted_at_once_none_leaves_after_two_have_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = replace(PAGE, url="https://index.example/simple/docopt/")
    fill(world, PAGE, OTHER_PAGE, third)
    world.now += 100
    world.reply = world.fail
    world.asked.clear()

    def after_two_others(work: Callable[[], object], *_: object) -> object:
        monkeypatch.undo()
        assert [world.get(request)[1] for request in (PAGE, OTHER_PAGE)] == ["stale", "stale"]
        return work()

    monkeypatch.setattr("cachedindex.lookup.attempts.call_with_deadline", after_two_others)
    assert world.get(third)[1] == "stale"
    assert world.report.outcomes[-1].why.startswith("not asked")
    assert len(world.asked) == 2


def test_of_two_that_probe_at_once_the_later_one_does_not_ask(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_outage(world)
    world.now += 31
    world.asked.clear()
    claim = HealthLog.claim

    def claim_after_another(log: HealthLog, name: str, event: Event) -> object:
        log.append(name, replace(event, cause="another one's token"))
        return claim(log, name, event)

    monkeypatch.setattr(HealthLog, "claim", claim_after_another)
    assert world.get()[1] == "stale"
    assert world.asked == []


def test_the_first_look_up_after_the_pause_probes_and_the_next_ones_ask(world: World) -> None:
    begin_outage(world)
    world.now += 31
    world.reply = lambda: world.answer(GOOD)
    assert world.get()[1] == "miss"
    world.reply = lambda: world.answer(page(name="flask"))
    assert world.get(OTHER_PAGE)[1] == "miss"


def test_a_probe_holds_its_look_up_up_for_a_part_of_the_pause_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_outage(world)
    world.now += 31
    monkeypatch.setattr("cachedindex.lookup.attempts._PROBE_SHARE", 0.001)
    let_go = threading.Event()

    def hang() -> Answer:
        let_go.wait()
        return world.answer(GOOD)

    world.reply = hang
    assert world.get()[1] == "stale"
    assert world.report.outcomes[-1].why == "no answer within 0.03 s"
    let_go.set()


def test_a_late_answer_is_stored_and_takes_its_failure_back(world: World) -> None:
    world.get()
    world.now += 100
    world.settings = Settings(timeout=0.01)
    world.cache = world.another_process()
    let_go, put = threading.Event(), threading.Event()
    newer = GOOD.replace(b"}]", b"}] ")

    def late() -> Answer:
        let_go.wait()
        return world.answer(newer)

    world.reply = late
    original = world.store.put

    def noticed(*arguments: object, **named: object) -> bool:
        done = original(*arguments, **named)  # type: ignore[arg-type]
        put.set()
        return done

    world.store.put = noticed  # type: ignore[method-assign]
    assert world.get() == (GOOD, "stale")
    let_go.set()
    assert put.wait(60)
    world.now += 1
    assert world.get() == (newer, "hit")
    health = world.cache._upstream.origin(PAGE).health()
    assert not health.failed


def test_a_cold_failure_is_the_clients_own(world: World) -> None:
    world.reply = world.fail
    with pytest.raises(UpstreamFailed) as caught:
        world.cache.answer(PAGE, world.send)
    assert isinstance(caught.value.original, OSError)
    assert world.asked == [({}, True)]
    assert world.report.outcomes[-1].ended == "failed"


@pytest.mark.parametrize(("body", "status"), [(b"<form>", 200), (b"no", 404), (b"no", 500), (b"no", 401)])
def test_an_unsound_answer_goes_to_a_client_without_a_copy_and_is_not_stored(
    world: World, body: bytes, status: int
) -> None:
    world.reply = lambda: world.answer(body, status)
    answer = world.cache.answer(PAGE, world.send)
    assert not isinstance(answer, Pass)
    assert (answer.status, answer.body.read()) == (status, body)
    assert world.store.get(PAGE) is None
    # buildout takes a 5xx for a page without links, so the run tells of it.
    assert world.report.outcomes[-1].ended == ("failed" if status in (200, 500) else "passed")


HTML_READER = replace(PAGE, headers={"accept": "text/html"})


def test_who_was_refused_by_upstream_is_not_served_the_copy_afterwards(world: World) -> None:
    world.get()
    world.now += 100
    world.reply = lambda: world.answer(b"no", 401)
    answer = world.cache.answer(PAGE, world.send)
    assert not isinstance(answer, Pass)
    assert answer.status == 401
    world.reply = world.fail
    for request in (PAGE, HTML_READER):
        world.cache = world.another_process()
        with pytest.raises(UpstreamFailed):
            world.cache.answer(request, world.send)
    world.now += 100
    world.cache, world.reply = world.another_process(), lambda: world.answer(GOOD)
    assert world.get() == (GOOD, "miss"), "upstream gives it again"
    world.now += 100
    world.reply = world.fail
    assert world.get() == (GOOD, "stale")


def test_a_refusal_of_everybody_is_doubted(world: World) -> None:
    world.get()
    world.now += 100
    world.reply = lambda: world.answer(b"no", 403)
    assert world.get() == (GOOD, "stale")


WHEEL_REQUEST = Request("GET", "https://files.example/six-1.0.whl", "other", {})


@pytest.mark.parametrize(
    ("headers", "later", "ended"),
    [
        ({"cache_control": "max-age=365000000, immutable, public"}, 1e6, "hit"),
        ({"cache_control": "max-age=100"}, 99, "hit"),
        ({"cache_control": "max-age=100"}, 101, "revalidated"),
        ({"cache_control": "max-age=100", "age": "50"}, 51, "revalidated"),
        ({"expires": "Wed, 14 Jan 1970 00:00:00 GMT"}, 100, "hit"),
        ({"expires": "Mon, 12 Jan 1970 13:46:50 GMT"}, 100, "revalidated"),
        ({"expires": "never"}, 1, "revalidated"),
        ({"expires": "Wed, 14 Jan 1970 00:00:00 GMT", "cache_control": "max-age=0"}, 1, "revalidated"),
        ({"cache_control": "max-age=100, no-cache"}, 1, "revalidated"),
        ({}, 1, "revalidated"),
    ],
)
def test_a_download_is_fresh_for_as_long_as_it_says_itself(
    world: World, headers: dict[str, str], later: float, ended: str
) -> None:
    length = str(len(WHEEL))
    world.reply = lambda: world.answer(WHEEL, content_length=length, etag='"1"', **headers)
    assert world.get(WHEEL_REQUEST) == (WHEEL, "miss")
    world.now += later
    world.reply = lambda: world.answer(b"", 304, etag='"1"')
    assert world.get(WHEEL_REQUEST) == (WHEEL, ended)


def test_a_head_on_a_stored_download_is_answered_in_an_outage(world: World) -> None:
    # pip's fast-deps, on a listing without hashes.
    world.reply = lambda: world.answer(WHEEL, content_length=str(len(WHEEL)), etag='"1"')
    world.get(WHEEL_REQUEST)
    head = replace(WHEEL_REQUEST, method="HEAD")
    world.reply = lambda: world.answer(b"", content_length="7")
    answer = world.cache.answer(head, world.send)
    assert not isinstance(answer, Pass)
    assert answer.headers["content-length"] == "7", "upstream's own"
    assert world.asked[-1] == ({}, False)
    for reply in (world.fail, lambda: world.answer(b"", 503)):
        world.reply = reply
        answer = world.cache.answer(head, world.send)
        assert not isinstance(answer, Pass)
        assert (answer.status, answer.headers["content-length"]) == (200, str(len(WHEEL)))
        assert "accept-ranges" not in answer.headers
    assert world.get(WHEEL_REQUEST) == (WHEEL, "stale")


def test_a_configuration_is_asked_for_each_time(world: World) -> None:
    extends = Request("GET", "https://files.example/base.cfg", "other", {})
    body = b"[buildout]\n"
    world.reply = lambda: world.answer(body, content_length=str(len(body)), etag='"1"', cache_control="max-age=300")
    assert world.get(extends) == (body, "miss")
    world.now += 1
    world.reply = lambda: world.answer(b"", 304, etag='"1"')
    assert world.get(extends) == (body, "revalidated")


def test_a_file_that_a_page_promised_is_stored_as_it_passes_and_never_asked_again(world: World) -> None:
    file = store_file(world)
    world.now += 1e6
    world.reply = world.fail
    assert world.get(file) == (WHEEL, "hit")


def test_another_process_that_was_served_the_page_knows_the_file_too(world: World) -> None:
    file = store_file(world)
    world.reply = world.fail
    world.cache = world.another_process()
    assert world.get()[1] == "hit"
    assert world.get(file) == (WHEEL, "hit")


@pytest.mark.parametrize("url", ["https://h.example/wheels/", "https://h.example/a.b", "https://h.example/"])
def test_a_page_vouches_for_what_it_lists_whatever_its_last_segment_is(world: World, url: str) -> None:
    digest = sha256(WHEEL).hexdigest()
    listing = f'<html><a href="{FILE_URL}#sha256={digest}">six</a><a href="/alpha-1.0.zip">alpha</a></html>'
    flat = replace(PAGE, url=url)
    file = Request("GET", FILE_URL, "other", {})
    for _ in range(2):
        world.cache = world.another_process()
        world.reply = lambda: world.answer(listing.encode(), content_type="text/html")
        world.get(flat)
        world.asked.clear()
        world.reply = lambda: world.answer(WHEEL, content_length=str(len(WHEEL)))
        body, ended = world.get(file)
        assert body == WHEEL
    assert (ended, world.asked) == ("hit", [])


def test_a_file_of_another_hash_goes_to_the_client_and_not_into_the_store(world: World) -> None:
    file = Request("GET", FILE_URL, "other", {})
    world.get()
    world.reply = lambda: world.answer(WHEEL[:-1] + b"!")
    assert world.get(file) == (WHEEL[:-1] + b"!", "passed")
    world.reply = lambda: world.answer(WHEEL)
    assert world.get(file) == (WHEEL, "miss")


@pytest.mark.parametrize(
    ("passed", "headers"),
    [(1000, {"cache_control": "no-store"}), (-300, {})],
    ids=["a page that is not to be stored", "a clock that was ahead"],
)
def test_a_file_that_was_published_anew_is_what_the_clients_own_page_promises(
    world: World, passed: float, headers: Mapping[str, str]
) -> None:
    file = store_file(world)
    world.now += passed
    new = b"anew " * 1000
    wheel = {"url": FILE_URL, "filename": "six-1.0.whl", "hashes": {"sha256": sha256(new).hexdigest()}}
    world.reply = lambda: world.answer(page(wheel), **headers)
    assert world.get()[0] == page(wheel)
    world.reply = lambda: world.answer(new, content_length=str(len(new)))
    assert world.get(file)[0] == new


def test_a_file_is_the_one_that_its_own_request_promises(world: World) -> None:
    store_file(world)
    other = Request("GET", FILE_URL, "file", {}, sha256(b"another build").hexdigest())
    world.reply = lambda: world.answer(b"another build", content_length="13")
    assert world.get(other) == (b"another build", "miss")
    assert world.get(other) == (b"another build", "hit")


def test_a_download_that_the_client_does_not_read_to_its_end_is_not_stored(world: World) -> None:
    other = Request("GET", FILE_URL, "other", {})
    world.reply = lambda: world.answer(WHEEL, transfer_encoding="chunked")
    answer = world.cache.answer(other, world.send)
    assert not isinstance(answer, Pass)
    assert answer.body.read(10) == WHEEL[:10]
    answer.body.close()
    assert world.store.get(other) is None


def test_what_no_page_vouches_for_is_always_asked_and_served_stale(world: World) -> None:
    other = Request("GET", "https://files.example/notes.txt", "other", {})
    world.reply = lambda: world.answer(b"one", content_length="3")
    assert world.get(other) == (b"one", "miss")
    world.reply = lambda: world.answer(b"two", content_length="3")
    assert world.get(other) == (b"two", "miss")
    world.reply = world.fail
    assert world.get(other) == (b"two", "stale")


@pytest.mark.parametrize("headers", [{}, {"content_length": "4"}, {"content_length": "3", "content_encoding": "gzip"}])
def test_what_may_be_cut_or_encoded_is_not_stored(world: World, headers: dict[str, str]) -> None:
    other = Request("GET", "https://files.example/notes.txt", "other", {})
    world.reply = lambda: world.answer(b"one", **headers)
    assert world.get(other) == (b"one", "failed" if headers.get("content_length") == "4" else "passed")
    assert world.store.get(other) is None


@pytest.mark.parametrize("headers", [{}, {"content_length": "3", "content_encoding": "gzip"}])
def test_what_has_a_copy_but_cannot_be_stored_any_more_is_given_to_the_client(
    world: World, headers: dict[str, str]
) -> None:
    other = Request("GET", "https://files.example/notes.txt", "other", {})
    world.reply = lambda: world.answer(b"one", content_length="3")
    world.get(other)
    world.reply = lambda: world.answer(b"two", **headers)
    assert world.get(other) == (b"two", "passed")


def test_a_large_download_is_not_held_to_the_deadline_of_a_page(tmp_path: Path) -> None:
    world = World(tmp_path, Settings(timeout=30.0))
    other = Request("GET", "https://files.example/image.bin", "other", {})
    size = (1 << 20) + 1
    world.reply = lambda: world.answer(b"1" * size, content_length=str(size))
    world.get(other)
    began = threading.Event()

    class Slow(BytesIO):
        def read(self, amount: int | None = -1, /) -> bytes:
            assert began.is_set(), "read by the attempt"
            return super().read(amount)

    world.reply = lambda: replace(world.answer(b"", content_length=str(size)), body=Slow(b"2" * size))
    answer = world.cache.answer(other, world.send)
    assert not isinstance(answer, Pass)
    began.set()
    assert answer.body.read() == b"2" * size
    world.reply = world.fail
    assert world.get(other) == (b"2" * size, "stale")


def test_a_small_download_that_breaks_off_leaves_the_copy(world: World) -> None:
    other = Request("GET", "https://files.example/notes.txt", "other", {})
    world.reply = lambda: world.answer(b"one", content_length="3")
    world.get(other)

    class Broken(BytesIO):
        def read(self, _: int | None = -1, /) -> bytes:
            raise OSError("reset")

    world.reply = lambda: replace(world.answer(b"", content_length="3"), body=Broken())
    assert world.get(other) == (b"one", "stale")


def test_a_small_download_that_is_cut_short_leaves_the_copy(world: World) -> None:
    other = Request("GET", "https://files.example/notes.txt", "other", {})
    world.reply = lambda: world.answer(b"one", content_length="3")
    world.get(other)
    world.asked.clear()
    world.reply = lambda: world.answer(b"tw", content_length="3")
    assert world.get(other) == (b"one", "stale")
    assert len(world.asked) == 1


def test_our_own_condition_is_never_answered_to_the_client(world: World) -> None:
    world.reply = lambda: world.answer(GOOD, etag='"1"')
    world.get()
    world.now += 100
    world.reply = lambda: world.answer(b"", 304, cache_control="no-store")
    assert world.get() == (GOOD, "revalidated")


def test_a_failing_file_does_not_keep_the_index_from_being_asked(world: World) -> None:
    world.get()
    world.reply = lambda: world.answer(b"no", 503)
    for number in range(3):
        url = f"https://index.example/files/{number}.cfg"
        answer = world.cache.answer(Request("GET", url, "other", {}), world.send)
        assert not isinstance(answer, Pass)
    world.now += 100
    world.reply = lambda: world.answer(GOOD)
    assert world.get()[1] == "miss"


@pytest.mark.parametrize(("validator", "ended"), [({"etag": '"1-gzip"'}, "revalidated"), ({}, "miss")])
def test_the_same_bytes_for_a_condition_are_a_revalidation(world: World, validator: dict[str, str], ended: str) -> None:
    """Apache with DEFLATE answers 200 to its own ETag."""
    world.reply = lambda: world.answer(GOOD, **validator)
    world.get()
    world.now += 700
    assert world.get() == (GOOD, ended)
    world.now += 700
    world.reply = lambda: world.answer(page({"url": "/six-2.0.whl", "filename": "six-2.0.whl"}), **validator)
    assert world.get()[1] == "miss"


def limited(world: World, times: int) -> Callable[[], Answer]:
    """Return a reply that is a 503 without Retry-After so many times, as nginx's limit_req sends it, and then GOOD."""
    replies = [lambda: world.answer(b"no", 503)] * times + [lambda: world.answer(GOOD)]

    def reply() -> Answer:
        return (replies.pop(0) if len(replies) > 1 else replies[0])()

    return reply


def test_a_503_among_good_answers_is_a_limit(world: World) -> None:
    """It is asked again after a pause, within the deadline; pip's own retries get over it as well."""
    world.get()
    world.now += 100
    world.reply = lambda: world.answer(page(name="flask"))
    world.get(OTHER_PAGE)
    world.reply = limited(world, 1)
    assert world.get() == (GOOD, "miss")
    assert world.said == []


def test_a_503_without_a_good_answer_is_an_outage(world: World) -> None:
    world.get()
    world.now += 100
    world.reply = limited(world, 1)
    assert world.get() == (GOOD, "stale")


@pytest.mark.parametrize("known", [False, True])
def test_a_503_to_a_look_up_that_nothing_fits_is_asked_again_with_patience(world: World, known: bool) -> None:
    world.get()
    if known:
        world.now += 100
        world.reply = lambda: world.answer(b"no", 503)
        world.get(OTHER_PAGE)
    world.get()
    assert ask_openly(world, limited(world, 1)) == (GOOD, "miss")
    assert [patient for _, patient in world.asked] == [False, True]


def want_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: worker.Work) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(worker, "start", start)


def lack(world: World) -> Answer:
    raise Shortage("too many open files", OSError(errno.EMFILE, "Too many open files"))


def misfit(world: World) -> Answer:
    raise TypeError("this adapter has no such argument")


def only_in_its_own_way(world: World, fault: Callable[[World], Answer]) -> None:
    """Have each attempt of ours fail for want of something, but not the client's own."""
    original = world.send

    def send(headers: Mapping[str, str], *, patient: bool) -> Answer:
        return original(headers, patient=patient) if patient else fault(world)

    world.send = send  # type: ignore[method-assign]


@pytest.mark.parametrize("want", ["a thread", "a descriptor", "an adapter"])
@pytest.mark.parametrize("openly", [False, True])
def test_what_is_wanting_here_is_no_failure_of_upstream(
    world: World, monkeypatch: pytest.MonkeyPatch, want: str, openly: bool
) -> None:
    world.get()
    world.now += 0 if openly else 100
    world.get() if openly else None
    if want == "a thread":
        want_threads(monkeypatch)
    else:
        only_in_its_own_way(world, lack if want == "a descriptor" else misfit)
    world.reply = lambda: world.answer(NEWER)
    with world.cache.refreshing("six"):
        assert world.get() == (NEWER, "miss")
    assert world.asked[-1][1] is True, "in the client's own way"
    assert not world.cache._upstream.origin(PAGE).health().failed
    assert len(world.said) == (want == "an adapter")


def test_an_outage_is_one_without_threads_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.get()
    world.now += 100
    want_threads(monkeypatch)
    world.reply = world.fail
    assert world.get() == (GOOD, "stale")


def test_who_lacks_something_itself_gets_its_own_error(world: World) -> None:
    world.get()
    world.now += 100
    world.reply = lambda: lack(world)
    with pytest.raises(Shortage) as caught:
        world.cache.answer(PAGE, world.send)
    assert isinstance(caught.value.original, OSError)
    assert world.report.outcomes[-1].ended == "passed"
    assert not world.cache._upstream.origin(PAGE).health().failed


def test_many_threads_take_turns(world: World) -> None:
    requests = [replace(PAGE, url=f"https://index.example/{number}/simple/six/") for number in range(24)]
    for request in requests:
        world.get(request)
    world.now += 100
    ended = threading.Barrier(len(requests) + 1)

    def ask(request: Request) -> None:
        world.cache.answer(request, world.send)
        ended.wait(60)

    for request in requests:
        threading.Thread(target=ask, args=(request,), daemon=True).start()
    ended.wait(60)
    assert {outcome.ended for outcome in world.report.outcomes[len(requests) :]} == {"miss"}


def test_what_the_clients_own_cache_had_kept_is_as_old_as_that(world: World) -> None:
    world.reply = lambda: replace(world.answer(GOOD), age=50.0)
    world.get()
    world.now += 5
    assert world.get()[1] == "hit"
    world.now += 10
    assert world.get()[1] == "miss"


def test_no_secret_reaches_a_file(world: World) -> None:
    world.reply = lambda: replace(
        world.answer(GOOD, set_cookie="secret", www_authenticate="secret", etag='"1"'),
        url="https://cdn.example/six/?signature=secret",
    )
    world.get()
    stored = world.store.get(PAGE)
    assert stored is not None
    assert stored.final == "https://cdn.example/six/"
    assert b"secret" not in b"".join(path.read_bytes() for path in world.store.root.rglob("*") if path.is_file())


def test_offline_serves_what_there_is_and_refuses_the_rest(world: World) -> None:
    world.get()
    world.now += 1e6
    world.settings = Settings(offline=True)
    world.cache = world.another_process()
    world.asked.clear()
    assert world.get() == (GOOD, "stale")
    answer = world.cache.answer(OTHER_PAGE, world.send)
    assert not isinstance(answer, Pass)
    assert answer.status == 504
    assert answer.reason == "cachedindex: https://index.example: offline = true, and nothing is stored"
    assert world.asked == []


def test_what_is_none_of_our_business_is_left_to_the_client(world: World) -> None:
    assert isinstance(world.cache.answer(replace(PAGE, headers={"authorization": "Basic x"}), world.send), Pass)
    assert world.asked == []
    assert world.report.outcomes[-1].ended == "passed"


def test_a_removal_is_believed_when_it_was_seen_again_and_the_origin_is_sound(world: World) -> None:
    world.get()
    world.reply = lambda: world.answer(page(name="flask"))
    world.get(OTHER_PAGE)
    world.now += 100
    world.reply = lambda: world.answer(b"gone", 404)
    assert world.get()[1] == "stale"
    world.now += 61
    assert world.get()[1] == "stale", "nobody got a sound answer since"
    world.reply = lambda: world.answer(page(name="flask"))
    world.get(OTHER_PAGE)
    world.now += 61
    world.reply = lambda: world.answer(b"gone", 404)
    answer = world.cache.answer(PAGE, world.send)
    assert not isinstance(answer, Pass)
    assert answer.status == 404
    assert world.store.get(PAGE) is None, "an outage must not bring it back"


def test_a_run_asks_once_for_what_is_not_there(world: World) -> None:
    world.reply = lambda: world.answer(b"no", 404)
    assert world.get()[1] == "passed"
    assert world.get() == (b"", "negative")
    assert world.get(OTHER_PAGE)[1] == "passed"
    with world.cache.refreshing("six"):
        assert world.get()[1] == "passed"
    world.now += 61
    world.reply = lambda: world.answer(GOOD)
    assert world.get() == (GOOD, "miss")


def status_of(world: World, request: Request = PAGE) -> tuple[int, str]:
    answer = world.cache.answer(request, world.send)
    assert not isinstance(answer, Pass)
    return answer.status, answer.reason


def fail_cold(world: World) -> None:
    world.reply = world.fail
    with pytest.raises(UpstreamFailed):
        world.cache.answer(PAGE, world.send)
    world.asked.clear()


def test_a_run_loses_its_patience_with_an_origin_once(world: World) -> None:
    fail_cold(world)
    world.now += 1
    said = "cachedindex: https://index.example: not asked: it is gone, 1 s ago, and nothing is stored"
    assert [status_of(world), status_of(world, OTHER_PAGE)] == [(504, said)] * 2
    assert world.asked == []
    assert world.report.outcomes[-1].ended == "refused"
    world.now += 5
    assert status_of(world)[0] == 504
    assert world.asked == [({}, False)], "one try, not the client's patience"
    world.now += 1
    assert status_of(world)[0] == 504
    assert len(world.asked) == 1


def test_a_file_that_fails_has_no_page_refused(world: World) -> None:
    file = Request("GET", "https://index.example/simple/six-1.0.whl", "file", {}, "a" * 64)
    world.reply = lambda: world.refuse(connected=False)
    with pytest.raises(UpstreamFailed):
        world.get(file)
    world.reply = lambda: world.answer(GOOD)
    assert world.get() == (GOOD, "miss")


def test_an_index_that_is_back_is_found_by_the_run_that_lost_its_patience(world: World) -> None:
    fail_cold(world)
    world.now += 6
    world.reply = lambda: world.answer(GOOD)
    assert world.get() == (GOOD, "miss")
    world.reply = lambda: world.answer(page(name="flask"))
    assert world.get(OTHER_PAGE)[1] == "miss"
    assert [patient for _, patient in world.asked] == [False, True]


def test_a_page_that_breaks_off_does_not_have_the_next_ones_refused(world: World) -> None:
    def break_off() -> Answer:
        failed = UpstreamFailed("IncompleteRead", OSError())
        failed.broken = True
        raise failed

    world.reply = break_off
    with pytest.raises(UpstreamFailed):
        world.cache.answer(PAGE, world.send)
    world.reply = lambda: world.answer(page(name="flask"))
    assert world.get(OTHER_PAGE)[1] == "miss"
    assert world.asked[-1] == ({}, True), "in the client's own way"


def test_a_failing_answer_is_no_failing_origin(world: World) -> None:
    world.reply = lambda: world.answer(b"no", 500)
    assert status_of(world)[0] == 500
    world.reply = lambda: world.answer(page(name="flask"))
    assert world.get(OTHER_PAGE)[1] == "miss"


def test_a_page_in_another_form_stands_in_for_one_that_cannot_be_had(world: World) -> None:
    world.get()
    pip = replace(PAGE, headers={"accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.1"})
    world.reply = world.fail
    assert world.get(pip) == (GOOD, "stale")
    newer = GOOD.replace(b"}]", b"}] ")
    world.now += 40
    world.reply = lambda: world.answer(newer)
    assert world.get(pip) == (newer, "miss")
    assert world.get(pip) == (newer, "hit")
    assert world.get() == (GOOD, "hit"), "each has its own copy"


PIP = replace(PAGE, headers={"accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.1"})
ONLY_JSON = replace(PAGE, headers={"accept": "application/vnd.pypi.simple.v1+json"})
LINK = f'<a href="{FILE_URL}#sha256={sha256(WHEEL).hexdigest()}">six-1.0.whl</a>'


def html(*versions: str) -> bytes:
    links = (LINK.replace("1.0", version) for version in versions)
    return f"<html><title>Links for six</title>{''.join(links)}</html>".encode()


def test_who_reads_html_only_is_served_json_as_html(world: World) -> None:
    world.get(PIP)
    world.reply = world.fail
    body, ended = world.get(PAGE)
    assert ended == "hit"
    assert LINK.encode() in body
    world.now += 100
    assert world.get(PAGE) == (body, "stale")
    answer = world.cache.answer(PAGE, world.send)
    assert not isinstance(answer, Pass)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-length"] == str(len(body))


def test_a_file_is_promised_by_json_that_was_served_as_html(world: World) -> None:
    world.get(PIP)
    world.get(PAGE)
    world.reply = lambda: world.answer(WHEEL, content_length=str(len(WHEEL)))
    file = Request("GET", FILE_URL, "other", {})
    assert [world.get(file)[1] for _ in range(2)] == ["miss", "hit"]


def test_who_reads_json_only_is_not_served_html(world: World) -> None:
    world.reply = lambda: world.answer(html("1.0"), content_type="text/html")
    world.get(PAGE)
    world.reply = world.fail
    with pytest.raises(UpstreamFailed):
        world.cache.answer(ONLY_JSON, world.send)


def test_of_two_forms_the_later_one_stands_in_and_each_is_confirmed_by_itself(world: World) -> None:
    world.reply = lambda: world.answer(html("1.0"), content_type="text/html", etag='"html"')
    world.get(PAGE)
    world.now += 1000
    world.reply = lambda: world.answer(GOOD, etag='"json"')
    world.get(PIP)
    world.now += 1000
    world.reply = world.fail
    world.asked.clear()
    body, ended = world.get(PAGE)
    assert ended == "stale"
    assert b"<h1>Links for six" in body, "which is rendered"
    assert [headers.get("if-none-match") for headers, _ in world.asked] == ['"html"']
    assert world.get(PIP) == (GOOD, "stale")


def test_a_form_that_is_too_old_to_stand_in_does_not_keep_the_other_from_it(world: World) -> None:
    world.reply = lambda: world.answer(html("1.0"), content_type="text/html")
    world.get(PAGE)
    world.now += 29 * 86400
    world.reply = lambda: world.answer(GOOD)
    world.get(PIP)
    world.now += 2 * 86400
    world.reply = world.fail
    assert world.get(PAGE)[1] == "stale"


def test_a_run_that_failed_expires_the_json_that_was_served_as_html(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.get(PIP)
    served: list[str] = []
    monkeypatch.setattr(world.report, "add", lambda _outcome, page: served.append(page))
    world.cache.answer(PAGE, world.send)
    monkeypatch.undo()
    world.store.expire(served[0])
    assert world.get(PAGE)[1] == "miss"


DOTTED = [replace(PAGE, url=f"https://index.example/simple/{name}/") for name in ("a.b", "a-b", "A_B", "a%2Eb")]


def test_a_page_is_one_record_however_its_project_is_spelled(world: World) -> None:
    world.reply = lambda: world.answer(page(name="A.B"))
    assert [world.get(request)[1] for request in DOTTED] == ["miss", "hit", "hit", "hit"]
    world.now += 100
    world.reply = world.fail
    assert [world.get(request)[1] for request in DOTTED] == ["stale"] * 4


def test_an_index_that_knows_one_spelling_only_has_not_removed_the_page(world: World) -> None:
    world.reply = lambda: world.answer(page(name="A.B"))
    world.get(DOTTED[1])
    for _ in range(3):
        world.now += 100_000
        world.reply = lambda: world.answer(b"", 404)
        assert world.get(DOTTED[0])[1] == "passed", "as without us"
    world.reply = world.fail
    assert world.get(DOTTED[1])[1] == "stale"


def test_folders_with_similar_names_are_two_pages(world: World) -> None:
    one, other = (replace(PAGE, url=f"https://files.example/{name}/") for name in ("1.0", "1-0"))
    pages = {name: f"<html><a href=x-{name}.zip>x</a></html>".encode() for name in ("1", "2")}
    world.reply = lambda: world.answer(pages["1"], content_type="text/html")
    assert world.get(one)[1] == "miss"
    world.reply = lambda: world.answer(pages["2"], content_type="text/html")
    assert world.get(other) == (pages["2"], "miss")


def test_an_index_is_no_gap_beside_itself(world: World) -> None:
    world.reply = lambda: world.answer(page(name="A.B"), cache_control="no-store")
    world.get(DOTTED[0])
    world.reply = world.fail
    with pytest.raises(UpstreamFailed):
        world.cache.answer(DOTTED[1], world.send)
    assert world.said == []


def test_nothing_has_changed_since_what_nobody_asked_about(world: World) -> None:
    replies = iter([world.answer(b"", 304), world.answer(GOOD)])
    world.reply = lambda: next(replies)
    assert world.get() == (GOOD, "miss")
    assert world.asked == [({}, True), ({"cache-control": "no-cache"}, True)]


def test_nothing_has_changed_since_another_answer_than_ours(world: World) -> None:
    world.reply = lambda: world.answer(GOOD, etag='"1"')
    world.get()
    world.now += 100
    newer = GOOD.replace(b"}]", b"}] ")
    replies = iter([world.answer(b"", 304, etag='"2"'), world.answer(newer, etag='"2"')])
    world.reply = lambda: next(replies)
    assert world.get() == (newer, "miss")


def test_a_record_that_a_failed_run_was_served_is_asked_for_again(world: World) -> None:
    world.get()
    record = world.store.get(PAGE)
    assert record is not None
    world.store.expire(world.store.record_name(PAGE, record))
    world.asked.clear()
    assert world.get() == (GOOD, "miss")
    assert len(world.asked) == 1
    assert world.get() == (GOOD, "hit")


NEWER = GOOD.replace(b"}]", b'}, {"url": "/six-2.0.whl", "filename": "six-2.0.whl"}]')
PORTAL = b"<form><input type=password></form>"


def serve_fresh(world: World) -> None:
    assert world.get()[1] == "hit"


def hold_back(world: World) -> None:
    begin_outage(world)
    assert world.get()[1] == "stale"


def doubt(world: World) -> None:
    world.now += 100
    world.reply = lambda: world.answer(b"gone", 404)
    assert world.get()[1] == "stale"


def reject(world: World) -> None:
    world.now += 100
    world.reply = lambda: world.answer(PORTAL, content_type="text/html")
    assert world.get()[1] == "stale"


def miss_the_deadline(world: World) -> None:
    world.now += 100
    world.settings = Settings(timeout=0.01)
    world.cache = world.another_process()
    world.reply = world.hang
    assert world.get()[1] == "stale"


REASONS = [serve_fresh, hold_back, doubt, reject, miss_the_deadline]


def ask_openly(world: World, reply: Callable[[], Answer]) -> tuple[bytes, str]:
    """Ask once more, as a client does that has found nothing; return the body and how it ended."""
    assert world.cache.has_unasked("Six")
    world.asked.clear()
    world.reply = reply
    with world.cache.refreshing("SIX"):
        found = world.get()
    assert world.asked[0][1] is False, "one try, not the client's patience"
    assert [patient for _, patient in world.asked[1:]] in ([], [True]), "a failure may be a hiccup"
    assert not world.cache.has_unasked("six"), "once"
    return found


@pytest.mark.parametrize("reason", REASONS)
def test_whatever_kept_upstream_from_being_heard_it_is_asked_once_more(
    world: World, reason: Callable[[World], None]
) -> None:
    world.get()
    reason(world)
    assert ask_openly(world, lambda: world.answer(NEWER)) == (NEWER, "miss")
    assert world.get() == (NEWER, "hit"), "it is sound, and stored"


def test_what_a_client_heard_is_not_asked_for_again(world: World) -> None:
    world.get()
    assert not world.cache.has_unasked("six")
    world.get()
    world.now += 100
    world.get()
    assert not world.cache.has_unasked("six")


@pytest.mark.parametrize(
    ("status", "body"), [(404, b"gone"), (200, page()), (200, PORTAL), (401, b"who"), (403, b"no")]
)
def test_what_is_unsound_is_handed_over_and_not_stored(world: World, status: int, body: bytes) -> None:
    world.get()
    serve_fresh(world)
    assert ask_openly(world, lambda: world.answer(body, status))[0] == body
    assert world.said == []
    if status != 401:
        assert world.store.get(PAGE) is not None


@pytest.mark.parametrize("status", [500, 503, 429, 407, 302, 0])
@pytest.mark.parametrize("reason", REASONS)
def test_without_an_answer_the_copy_stands_again(world: World, status: int, reason: Callable[[World], None]) -> None:
    world.get()
    reason(world)
    failing = (lambda: world.answer(b"no", status)) if status else world.fail
    assert ask_openly(world, failing) == (GOOD, "stale")
    assert not world.cache.reinstate("six")


def test_an_answer_that_is_not_stored_stays_the_clients_own(world: World) -> None:
    world.get()
    serve_fresh(world)
    ask_openly(world, lambda: world.answer(PORTAL, content_type="text/html"))
    assert world.get()[0] == PORTAL, "pip may read the page again"
    world.reply = world.fail
    assert world.get() == (GOOD, "stale")
    assert world.cache.reinstate("Six")
    assert not world.cache.reinstate("six")
    assert world.get() == (GOOD, "hit")


def test_the_file_of_an_answer_that_is_not_stored_is_not_the_one_of_the_copy(world: World) -> None:
    file = store_file(world)
    serve_fresh(world)
    new = b"anew " * 1000
    wheel = {"url": FILE_URL, "filename": "six-1.0.whl", "hashes": {"sha256": sha256(new).hexdigest()}}
    ask_openly(world, lambda: replace(world.answer(page(wheel)), completeness=Completeness(whole=False)))
    world.reply = lambda: world.answer(new, content_length=str(len(new)))
    assert world.get(file)[0] == new


def test_a_refused_look_up_is_asked_once_more(world: World) -> None:
    fail_cold(world)
    world.now += 1
    assert status_of(world)[0] == 504
    assert ask_openly(world, lambda: world.answer(GOOD)) == (GOOD, "miss")


def test_a_refused_look_up_without_an_answer_stays_refused(world: World) -> None:
    fail_cold(world)
    world.now += 1
    assert status_of(world)[0] == 504
    assert ask_openly(world, world.fail)[1] == "refused"


def test_a_missing_page_is_asked_for_once_more(world: World) -> None:
    world.reply = lambda: world.answer(b"no", 404)
    world.get()
    assert world.get() == (b"", "negative")
    assert ask_openly(world, lambda: world.answer(GOOD)) == (GOOD, "miss")


def test_a_challenge_made_here_is_asked_for_once_more(world: World) -> None:
    world.get(replace(PAGE, identity=Identity("secret")))
    world.reply = world.fail
    answer = world.cache.answer(PAGE, world.send, Keyring(PAGE.url))
    assert not isinstance(answer, Pass)
    assert answer.status == 401
    assert ask_openly(world, lambda: world.answer(GOOD)) == (GOOD, "miss")


@pytest.mark.parametrize("keyring", [None, Keyring(is_there=False), Keyring()])
def test_a_private_copy_that_the_client_cannot_have_is_none(world: World, keyring: Keyring | None) -> None:
    world.get(replace(PAGE, identity=Identity("secret")))
    world.asked.clear()
    world.reply = world.fail
    with pytest.raises(UpstreamFailed):
        world.cache.answer(PAGE, world.send, keyring)
    assert world.asked[-1] == ({}, True), "with the client's own patience"


def test_no_keyring_is_asked_as_long_as_upstream_answers(world: World) -> None:
    world.get(replace(PAGE, identity=Identity("secret")))
    keyring = Keyring()
    answer = world.cache.answer(PAGE, world.send, keyring)
    assert not isinstance(answer, Pass)
    assert (answer.status, keyring.asked) == (200, [])


def test_an_open_breaker_does_not_keep_a_look_up_that_has_no_copy_from_upstream(world: World) -> None:
    fourth = replace(PAGE, url="https://index.example/simple/private/")
    world.reply = lambda: world.answer(page(name="private"))
    world.get(replace(fourth, identity=Identity("secret")))
    begin_outage(world)
    world.reply = lambda: world.answer(GOOD)
    answer = world.cache.answer(fourth, world.send, Keyring())
    assert not isinstance(answer, Pass)
    assert answer.body.read() == GOOD


def test_a_file_that_a_private_page_lists_is_no_reason_to_ask_for_credentials(world: World) -> None:
    world.get(replace(PAGE, identity=Identity("secret")))
    world.reply = lambda: world.answer(WHEEL, content_length=str(len(WHEEL)))
    assert world.get(Request("GET", FILE_URL, "other", {}))[1] == "miss"
    stranger, keyring = world.another_process(), Keyring(FILE_URL)
    world.reply = world.fail
    promised = Request("GET", FILE_URL, "file", {}, sha256=sha256(WHEEL).hexdigest())
    with pytest.raises(UpstreamFailed):
        stranger.answer(promised, world.send, keyring)
    assert not keyring.asked


def test_a_missing_index_that_answers_ends_no_build(world: World) -> None:
    world.settings = Settings(missing_index="fail")
    world.cache = world.another_process()
    world.get()
    serve_fresh(world)
    assert ask_openly(world, lambda: world.answer(PORTAL, content_type="text/html"))[0] == PORTAL


def test_an_open_try_waits_longer_than_the_deadline_but_not_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cachedindex.lookup.attempts._OPEN_FOR", 0.5)
    world.get()
    world.reply = lambda: world.answer(page(name="flask"))
    world.get(OTHER_PAGE)
    miss_the_deadline(world)
    world.now += 100
    assert ask_openly(world, world.hang) == (GOOD, "stale")
    assert world.report.outcomes[-1].why == "no answer within 0.5 s"
    world.get(OTHER_PAGE)
    with world.cache.refreshing("flask"):
        world.get(OTHER_PAGE)
    assert world.report.outcomes[-1].why == "no answer within 0.02 s"


def test_a_slow_answer_is_waited_for_by_an_open_try(world: World) -> None:
    world.get()
    miss_the_deadline(world)
    begun = threading.Event()

    def slow() -> Answer:
        begun.wait(0.3)
        return world.answer(NEWER)

    assert ask_openly(world, slow) == (NEWER, "miss")


@pytest.mark.parametrize("status", [503, 429, 0])
def test_a_hiccup_of_an_open_try_is_got_over_by_the_clients_own_retries(world: World, status: int) -> None:
    world.get()
    serve_fresh(world)
    hiccups = [lambda: world.answer(b"no", status) if status else world.fail()]
    assert ask_openly(world, lambda: hiccups.pop()() if hiccups else world.answer(NEWER)) == (NEWER, "miss")
    assert len(world.asked) == 2


@pytest.mark.parametrize("status", [500, 0])
def test_a_known_outage_is_no_hiccup(world: World, status: int) -> None:
    begin_outage(world)
    world.get()
    ask_openly(world, lambda: world.answer(b"no", status) if status else world.fail())
    assert len(world.asked) == 1


def test_offline_nothing_is_unasked(world: World) -> None:
    world.get()
    world.settings = Settings(offline=True)
    world.cache = world.another_process()
    for request in (PAGE, OTHER_PAGE):
        world.cache.answer(request, world.send)
    assert not world.cache.has_unasked("six")
    assert not world.cache.has_unasked("flask")


def refresh(world: World, name: str = "six") -> None:
    world.settings = Settings(refresh=(name,), timeout=30.0)
    world.cache = world.another_process()
    world.asked.clear()


@pytest.mark.parametrize(("status", "body"), [(404, b"gone"), (200, NEWER), (200, page()), (200, PORTAL)])
@pytest.mark.parametrize("reason", [serve_fresh, hold_back, doubt, reject])
def test_a_refreshed_project_gets_what_upstream_says(
    world: World, status: int, body: bytes, reason: Callable[[World], None]
) -> None:
    world.get()
    reason(world)
    refresh(world)
    world.reply = lambda: world.answer(body, status)
    assert world.get()[0] == body
    assert len(world.asked) == 1


@pytest.mark.parametrize("status", [500, 503, 429, 407, 302, 0])
def test_a_refresh_in_an_outage_serves_the_copy(world: World, status: int) -> None:
    world.get()
    refresh(world)
    world.reply = (lambda: world.answer(b"no", status)) if status else world.fail
    assert world.get() == (GOOD, "stale")


def test_to_refresh_all_is_to_revalidate_all(world: World) -> None:
    hold_back(world) if world.get() else None
    refresh(world, ":all:")
    assert world.get() == (GOOD, "stale")
    assert world.asked == [], "an outage does not cost a deadline for each project"


def test_what_was_served_unasked_may_be_asked_for_once(world: World) -> None:
    world.get()
    assert not world.cache.has_unasked("six"), "upstream has just been asked"
    world.get()
    assert world.cache.has_unasked("Six")
    world.asked.clear()
    with world.cache.refreshing("SIX"):
        world.get()
    assert len(world.asked) == 1
    assert world.get()[1] == "hit"


MIRROR = replace(PAGE, url="https://mirror.example/simple/six/")


@pytest.mark.parametrize("first", ["down", "found"])
def test_an_index_that_is_down_while_another_has_the_project_is_said(world: World, first: str) -> None:
    def found() -> None:
        world.reply = lambda: world.answer(GOOD)
        world.get(MIRROR)

    found() if first == "found" else fail_cold(world)
    assert world.said == []
    fail_cold(world) if first == "found" else found()
    (line,) = world.said
    assert line.startswith(
        "https://index.example/simple/ could not be asked for six (it is gone), and nothing is stored"
    )
    assert "taken from https://mirror.example/simple/ alone" in line


def test_an_index_that_is_down_with_a_copy_is_not_missing(world: World) -> None:
    world.get()
    world.get(MIRROR)
    world.now += 100
    world.reply = world.fail
    assert world.get()[1] == "stale"
    assert world.get(MIRROR)[1] == "stale"
    assert world.said == []


@pytest.mark.parametrize("reply", ["fail", "portal", "503"])
def test_a_missing_index_may_end_the_build(world: World, reply: str) -> None:
    world.settings = Settings(missing_index="fail")
    world.cache = world.another_process()
    replies = {
        "fail": world.fail,
        "portal": lambda: world.answer(b"<form>", content_type="text/html"),
        "503": lambda: world.answer(b"", 503),
    }
    world.reply = replies[reply]
    with pytest.raises(IndexMissing, match=r"https://index.example/simple/six/: .*missing-index = fail"):
        world.cache.answer(PAGE, world.send)


def test_what_is_not_there_is_not_down(world: World) -> None:
    world.settings = Settings(missing_index="fail")
    world.cache = world.another_process()
    world.reply = lambda: world.answer(b"no", 404)
    assert status_of(world)[0] == 404
    assert status_of(world)[0] == 404


def test_settings_of_one_index(world: World) -> None:
    world.settings = Settings(indexes=(("https://index.example/simple/", {"index_ttl": 1000.0}),))
    world.cache = world.another_process()
    world.get()
    world.get(MIRROR)
    world.now += 100
    assert (world.get()[1], world.get(MIRROR)[1]) == ("hit", "miss")


def test_an_answer_that_came_late_is_told(world: World) -> None:
    world.get()
    world.now += 100
    world.settings = Settings(timeout=0.01)
    world.cache = world.another_process()
    let_go, told = threading.Event(), threading.Event()
    add = world.report.add

    def noticed(outcome: Outcome, page: str = "") -> None:
        add(outcome, page)
        if outcome.ended == "late":
            told.set()

    world.report.add = noticed  # type: ignore[method-assign]

    def late() -> Answer:
        let_go.wait()
        world.now += 4.1
        return world.answer(GOOD)

    world.reply = late
    assert world.get()[1] == "stale"
    let_go.set()
    assert told.wait(60)
    assert world.report.outcomes[-1].why == "answers in 4.1 s"


def test_a_store_that_cannot_be_written_is_complained_of_once(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    world = World(tmp_path / "cache", Settings())
    assert world.get()[0] == GOOD
    assert world.get()[0] == GOOD
    world.reply = lambda: world.answer(WHEEL)
    assert world.get(Request("GET", FILE_URL, "other", {}))[0] == WHEEL
    (line,) = world.said
    assert "the build goes on" in line


def test_a_bug_of_ours_is_not_hidden_here(world: World) -> None:
    world.reply = lambda: None  # type: ignore[assignment, return-value]
    with pytest.raises(AttributeError):
        world.get()


THERE = "https://index.example/other/simple/"
NEIGHBOURS = [replace(PAGE, url=f"{THERE}{name}/") for name in ("six", "flask")]


def listing(world: World, request: Request) -> Callable[[], Answer]:
    """Return what answers with the page of a request's project."""
    return lambda: replace(world.answer(page(name=request.url.split("/")[-2])), url=request.url)


def fill(world: World, *requests: Request) -> None:
    for request in requests:
        world.reply = listing(world, request)
        world.get(request)
    world.now += 100


def refused(url: str = "") -> Callable[[], Answer]:
    def refuse() -> Answer:
        raise UpstreamFailed("it refused the connection", OSError("refused"), url=url, connected=False)

    return refuse


def failing(world: World, name: str) -> Callable[[], Answer]:
    """Return a way to fail by its name."""
    return {
        "refused": refused(),
        "reset": world.fail,
        "503": lambda: world.answer(b"no", 503),
        "429": lambda: world.answer(b"no", 429),
        "429 with Retry-After": lambda: world.answer(b"no", 429, retry_after="40"),
        "redirect loop": lambda: world.answer(b"", 302),
    }[name]


@pytest.mark.parametrize("another_process", [False, True])
@pytest.mark.parametrize(
    ("how", "neighbour"),
    [
        ("refused", "stale"),
        ("reset", "miss"),
        ("503", "miss"),
        ("429", "miss"),
        ("429 with Retry-After", "miss"),
        ("redirect loop", "miss"),
    ],
)
def test_a_neighbour_on_the_host_of_a_repository_that_fails(
    world: World, how: str, neighbour: str, another_process: bool
) -> None:
    projects = [PAGE, OTHER_PAGE, replace(PAGE, url="https://index.example/simple/docopt/")]
    fill(world, *projects, *NEIGHBOURS)
    world.reply = failing(world, how)
    assert [world.get(request)[1] for request in projects[:2]] == ["stale"] * 2
    world.asked.clear()
    assert world.get(projects[2])[1] == "stale"
    assert world.asked == [], "its own repository is left alone"
    if another_process:
        world.cache = world.another_process()
    world.reply = listing(world, NEIGHBOURS[0])
    assert world.get(NEIGHBOURS[0])[1] == neighbour


@pytest.mark.parametrize("reply", ["portal", "404 for all"])
def test_slow_answers_that_are_no_pages_open_the_breaker(world: World, reply: str) -> None:
    urls = [f"https://index.example/simple/p{number}/" for number in range(4)]
    for url in urls:
        world.reply = lambda url=url: world.answer(page(name=url[-3:-1]))  # type: ignore[misc]
        world.get(replace(PAGE, url=url))
    world.now += 1000

    def slowly() -> Answer:
        world.now += 2.5
        return world.answer(b"no", 404) if "404" in reply else world.answer(PORTAL, content_type="text/html")

    world.reply = slowly
    world.asked.clear()
    for url in urls:
        assert world.get(replace(PAGE, url=url))[1] == "stale"
    assert len(world.asked) == 2


def test_a_run_keeps_its_patience_with_the_neighbour_of_a_dead_repository(world: World) -> None:
    fail_cold(world)
    world.reply = listing(world, NEIGHBOURS[0])
    assert world.get(NEIGHBOURS[0])[1] == "miss"
    assert world.asked == [({}, True)], "the client's own patience"
    assert status_of(world, OTHER_PAGE)[0] == 504


def test_a_run_loses_its_patience_with_a_whole_host_that_cannot_be_reached(world: World) -> None:
    world.reply = refused()
    with pytest.raises(UpstreamFailed):
        world.cache.answer(PAGE, world.send)
    world.asked.clear()
    assert status_of(world, NEIGHBOURS[0])[0] == 504
    assert world.asked == []


def test_three_doubted_projects_of_one_index_leave_the_doubt_of_another_to_itself(world: World) -> None:
    names = ("six", "flask", "docopt")
    here = [replace(PAGE, url=f"https://index.example/simple/{name}/") for name in names]
    fill(world, *here, *NEIGHBOURS)
    world.reply = lambda: world.answer(b"gone", 404)
    assert [world.get(request)[1] for request in (*here, NEIGHBOURS[0])] == ["stale"] * 4
    world.now += 10
    world.reply = listing(world, NEIGHBOURS[1])
    world.get(NEIGHBOURS[1])
    world.now += 61
    world.reply = lambda: world.answer(b"gone", 404)
    assert status_of(world, NEIGHBOURS[0])[0] == 404, "confirmed"
    assert [world.get(request)[1] for request in here] == ["stale"] * 3


@pytest.mark.parametrize(
    ("status", "said", "why", "after"),
    [
        (429, "40", "it answered 429 Reason, and asked to wait 40 s", 40),
        (503, "40", "it answered 503 Reason, and asked to wait 40 s", 40),
        (429, "86400", "it answered 429 Reason, and asked to wait 300 s", 300),
    ],
)
def test_an_index_that_asks_to_be_left_alone_is(world: World, status: int, said: str, why: str, after: float) -> None:
    third = replace(PAGE, url="https://index.example/simple/docopt/")
    fill(world, PAGE, OTHER_PAGE, third)
    world.reply = lambda: world.answer(b"no", status, retry_after=said)
    world.get()
    world.asked.clear()
    world.now += after - 1
    for _ in range(2):
        assert world.get(third)[1] == "stale"
        assert world.report.outcomes[-1].why == f"not asked: {why}"
        world.cache = world.another_process()
    assert world.asked == []
    world.now += 2
    world.reply = lambda: world.answer(page(name="docopt"))
    assert world.get(third)[1] == "miss"


def test_a_limit_changes_nothing_without_a_copy(world: World) -> None:
    world.reply = lambda: world.answer(b"no", 429, retry_after="40")
    assert status_of(world) == (429, "Reason")
    world.reply = lambda: world.answer(GOOD)
    assert world.get() == (GOOD, "miss")
    assert [patient for _, patient in world.asked] == [True, True]


CDN = "https://cdn.example/simple/"


def test_a_dead_redirect_target_does_not_count_against_the_index_that_redirected(world: World) -> None:
    third = replace(PAGE, url="https://index.example/simple/docopt/")
    fill(world, PAGE, OTHER_PAGE, third)
    for request, name in ((PAGE, "six"), (OTHER_PAGE, "flask")):
        world.reply = refused(f"{CDN}{name}/")
        assert world.get(request)[1] == "stale"
        assert world.report.outcomes[-1].why == (
            "it redirects to https://cdn.example, which failed: it refused the connection"
        )
    world.reply = lambda: world.answer(page(name="docopt"))
    assert world.get(third)[1] == "miss"


def test_nobody_is_redirected_to_where_nobody_answers(world: World) -> None:
    names = ("six", "flask", "docopt")
    pages = [replace(PAGE, url=f"https://index.example/simple/{name}/") for name in names]
    for request, name in zip(pages, names, strict=True):
        world.reply = lambda name=name: replace(world.answer(page(name=name)), url=f"{CDN}{name}/")  # type: ignore[misc]
        world.get(request)
    world.now += 100
    for request, name in zip(pages[:2], names, strict=False):
        world.reply = refused(f"{CDN}{name}/")
        world.get(request)
    world.asked.clear()
    assert world.get(pages[2])[1] == "stale"
    assert world.report.outcomes[-1].why == (
        "not asked: it redirects to https://cdn.example, which failed: it refused the connection, 0 s ago"
    )
    assert world.asked == []
    world.now += 31
    for request, name in zip(reversed(pages), reversed(names), strict=True):
        world.reply = lambda name=name: replace(world.answer(page(name=name)), url=f"{CDN}{name}/")  # type: ignore[misc]
        assert world.get(request)[1] == "miss", "one probe, and all go on"


@pytest.mark.parametrize("hop", ["https://index.example/other/simple/", CDN])
def test_a_redirect_target_that_is_back_is_probed(world: World, hop: str) -> None:
    names = ("six", "flask", "docopt")
    pages = [replace(PAGE, url=f"https://index.example/simple/{name}/") for name in names]

    def well(name: str) -> Callable[[], Answer]:
        return lambda: replace(world.answer(page(name=name)), url=f"{hop}{name}/")

    for request, name in zip(pages, names, strict=True):
        world.reply = well(name)
        world.get(request)
    world.now += 100
    world.reply = refused()  # The index itself, whose host may be the other one's as well.
    assert [world.get(request)[1] for request in pages] == ["stale"] * 3
    world.now += 31
    world.reply = well("docopt")
    assert world.get(pages[2])[1] == "miss"
    world.reply = well("six")
    assert world.get()[1] == "miss"


NO_STORE = {"cache_control": "max-age=0, must-revalidate, no-cache, no-store"}


@pytest.mark.parametrize(
    ("store", "headers", "kept"),
    [
        ("auto", NO_STORE, False),
        ("always", NO_STORE, True),
        ("auto", {**NO_STORE, "x_devpi_serial": "7"}, True),
        ("never", {**NO_STORE, "x_devpi_serial": "7"}, False),
        ("never", {}, False),
    ],
)
def test_a_page_that_is_not_to_be_stored_serves_in_an_outage_if_an_option_or_devpi_says_so(
    tmp_path: Path, store: Any, headers: dict[str, str], kept: bool
) -> None:
    world = World(tmp_path, Settings(timeout=30.0, store=store))
    world.reply = lambda: world.answer(GOOD, **headers)
    for _ in range(2):
        world.get()
    assert len(world.asked) == 2, "it is asked for each time"
    world.reply = world.fail
    if kept:
        assert world.get() == (GOOD, "stale")
    else:
        with pytest.raises(UpstreamFailed):
            world.cache.answer(PAGE, world.send)


def answer_404(world: World, *requests: Request) -> None:
    """Have the index not have these pages, two hours before the next run."""
    world.reply = lambda: world.answer(b"no", 404)
    for request in requests or (PAGE,):
        world.get(request)
    world.now += 7200
    world.cache = world.another_process()
    world.asked.clear()


def test_that_an_index_did_not_have_a_page_serves_in_an_outage(world: World) -> None:
    requests = PAGE, OTHER_PAGE, replace(PAGE, url="https://index.example/simple/docopt/")
    answer_404(world, *requests)
    world.reply = world.fail
    for request in requests:
        answer = world.cache.answer(request, world.send)
        assert not isinstance(answer, Pass)
        assert (answer.status, answer.headers["cache-status"]) == (404, "cachedindex; hit; ttl=-7200")
    outcomes = world.report.outcomes
    assert [(each.ended, each.age) for each in outcomes] == [("absent", 7200)] * 3
    assert [each.why for each in outcomes] == ["it is gone", "it is gone", "not asked: it is gone, 0 s ago"]
    patience = [patient for _, patient in world.asked]
    assert patience == [False, True, False], "once as the client would ask; then the breaker is open"


@pytest.mark.parametrize("hiccup", [500, 503, 0])
def test_a_hiccup_does_not_have_an_absence_stand_in(world: World, hiccup: int) -> None:
    """A client of two indexes would take the other one's version; its own retries get over this."""
    answer_404(world)
    failing = (lambda: world.answer(b"no", hiccup)) if hiccup else world.fail
    replies = iter((failing, lambda: world.answer(GOOD)))

    def reply() -> Answer:
        return next(replies)()

    world.reply = reply
    assert world.get() == (GOOD, "miss")
    assert [patient for _, patient in world.asked] == [False, True]
    assert world.said == []


def test_that_an_index_did_not_have_a_page_never_serves_while_it_answers(world: World) -> None:
    answer_404(world)
    assert world.get() == (b"no", "passed")
    world.cache = world.another_process()
    world.reply = lambda: world.answer(GOOD)
    assert world.get()[1] == "miss"
    assert world.store.absence(PAGE) is None, "no later outage says otherwise"
    world.now += 100
    world.reply = world.fail
    assert world.get() == (GOOD, "stale")


@pytest.mark.parametrize("status", [404, 410])
def test_any_form_of_a_page_may_be_absent(world: World, status: int) -> None:
    world.reply = lambda: world.answer(b"no", status)
    world.get(replace(PAGE, headers={"accept": "application/vnd.pypi.simple.v1+json"}))
    world.cache = world.another_process()
    world.reply = world.fail
    assert world.get(replace(PAGE, headers={"accept": "text/html"}))[1] == "absent"


def test_a_page_that_is_stored_in_another_form_is_not_absent(world: World) -> None:
    world.get(replace(PAGE, headers={"accept": "application/vnd.pypi.simple.v1+json"}))
    world.reply = lambda: world.answer(b"no", 404)
    world.get(replace(PAGE, headers={"accept": "text/html"}))
    assert world.store.absence(PAGE) is None


def test_what_an_index_did_not_have_for_one_user_says_nothing_to_others(world: World) -> None:
    private = replace(PAGE, identity=Identity("secret"))
    answer_404(world, private)
    world.reply = world.fail
    with pytest.raises(UpstreamFailed):
        world.cache.answer(PAGE, world.send)
    world.cache = world.another_process()
    with pytest.raises(UpstreamFailed):
        world.cache.answer(replace(PAGE, identity=Identity("another")), world.send)
    world.cache = world.another_process()
    assert world.get(private)[1] == "absent"
    assert not list(world.store.root.glob("records-v1/**/*.*"))


@pytest.mark.parametrize(("later", "ended"), [(3500, "absent"), (3700, None)])
def test_a_missing_index_is_there_for_an_hour_after_a_404(world: World, later: float, ended: str | None) -> None:
    world.settings = Settings(missing_index="fail")
    answer_404(world)
    world.now += later - 7200
    world.reply = world.fail
    if ended:
        assert world.get()[1] == ended
    else:
        with pytest.raises(IndexMissing):
            world.cache.answer(PAGE, world.send)


@pytest.mark.parametrize("reply", ["fail", "503", "portal"])
def test_an_absent_page_is_asked_for_openly_before_a_client_gives_up(world: World, reply: str) -> None:
    answer_404(world)
    world.reply = world.fail
    assert world.get()[1] == "absent"
    failing = {
        "fail": world.fail,
        "503": lambda: world.answer(b"", 503),
        "portal": lambda: world.answer(PORTAL, content_type="text/html"),
    }
    assert ask_openly(world, failing[reply]) == (b"", "absent")
    world.cache = world.another_process()
    assert world.get()[1] == "absent"
    assert ask_openly(world, lambda: world.answer(GOOD)) == (GOOD, "miss")


def test_an_answer_that_came_too_late_for_an_absent_page_is_stored(world: World) -> None:
    answer_404(world)
    world.settings = Settings(timeout=0.01)
    world.cache = world.another_process()

    def late() -> Answer:
        world.over.wait()
        return world.answer(GOOD)

    world.reply = late
    assert world.get()[1] == "absent"
    stored = threading.Event()
    put = world.store.put

    def noticed(request: Request, new: Record, **named: bool) -> bool:
        done = put(request, new, **named)
        stored.set()
        return done

    world.store.put = noticed  # type: ignore[method-assign]
    world.over.set()
    assert stored.wait(60)
    assert world.get() == (GOOD, "hit")


def test_a_404_shows_that_an_index_is_back(world: World) -> None:
    answer_404(world, PAGE, OTHER_PAGE)
    world.reply = world.fail
    for request in (PAGE, OTHER_PAGE):
        world.get(request)
    world.now += 31
    world.reply = lambda: world.answer(b"no", 404)
    assert world.get(OTHER_PAGE) == (b"no", "passed"), "the probe"
    assert world.get() == (b"no", "passed"), "and the breaker is closed"


def test_offline_an_absent_page_is_absent(world: World) -> None:
    answer_404(world)
    world.settings = Settings(offline=True)
    world.cache = world.another_process()
    assert status_of(world)[0] == 404


def test_a_healthy_build_does_not_write_again_what_is_absent(world: World) -> None:
    world.reply = lambda: world.answer(b"no", 404)
    for seconds, first in ((0, 1_000_000.0), (500, 1_000_000.0), (200, 1_000_700.0)):
        world.now += seconds
        world.cache = world.another_process()
        world.get()
        absence = world.store.absence(PAGE)
        assert absence is not None
        assert absence.checked == first


def test_an_outage_says_that_the_index_forbids_to_store_it(world: World) -> None:
    world.reply = lambda: world.answer(GOOD, **NO_STORE)
    world.get()
    written = [path for path in world.store.root.rglob("page.*") if path.is_file()]
    assert [path.name.split(".")[1] for path in written] == ["forbidden"]
    assert GOOD not in written[0].read_bytes()
    world.get(OTHER_PAGE)
    assert len([path for path in world.store.root.rglob("page.*") if path.is_file()]) == 1
    world.reply = world.fail
    with pytest.raises(UpstreamFailed):
        world.get()
    forbids = "it forbids to store its answers, which store = always overrides"
    assert world.report.outcomes[-1].why == f"it is gone; {forbids}"
    world.now += 1
    world.get()
    assert world.report.outcomes[-1].why.endswith(forbids)


def test_an_index_that_forbids_it_no_longer_is_not_blamed(world: World) -> None:
    world.reply = lambda: world.answer(GOOD, **NO_STORE)
    world.get()
    world.reply = lambda: world.answer(GOOD)
    world.get()
    world.reply = world.fail
    with pytest.raises(UpstreamFailed):
        world.get(OTHER_PAGE)
    assert world.report.outcomes[-1].why == "it is gone"


def test_an_option_that_overrides_it_blames_nobody(world: World) -> None:
    world.reply = lambda: world.answer(GOOD, **NO_STORE)
    world.get()
    world.settings = Settings(store="always")
    world.cache = world.another_process()
    world.reply = world.fail
    with pytest.raises(UpstreamFailed):
        world.get()
    assert world.report.outcomes[-1].why == "it is gone"


def test_a_copy_that_is_too_old_is_not_called_missing(world: World) -> None:
    world.get()
    world.now += 31 * 86400
    world.cache = world.another_process()
    world.reply = world.fail
    with pytest.raises(UpstreamFailed):
        world.cache.answer(PAGE, world.send)
    outcome = world.report.outcomes[-1]
    assert (outcome.ended, outcome.why, outcome.age) == ("failed", "it is gone", 31 * 86400)
    world.reply = lambda: world.answer(GOOD)
    world.get(replace(PAGE, url="https://mirror.example/simple/six/"))
    assert "(it is gone), and the copy is too old to stand in (31 d): six is taken from" in world.said[0]


def test_a_deadline_before_the_connection_may_be_the_proxys(world: World) -> None:
    behind = replace(PAGE, route=Route("tls", "proxy.example:3128"))
    world.get(behind)
    world.now += 100
    passed = DeadlinePassed("no answer within 3 s", connected=False)

    def late() -> Answer:
        raise passed

    world.reply = late
    assert world.get(behind)[1] == "stale"
    assert world.report.outcomes[-1].why == "no answer within 3 s by way of its proxy"


def test_why_nothing_of_a_quarantined_project_is_found(world: World) -> None:
    quarantined = {"name": "six", "files": [], "project-status": {"status": "quarantined"}}
    world.reply = lambda: world.answer(json.dumps(quarantined).encode())
    world.get()
    for _ in range(2):
        world.cache.explain("SIX")
        world.cache.explain("flask")
    said = "https://index.example/simple/ has quarantined six, and offers none of its files until it is cleared"
    assert world.said == [said]


def test_a_healthy_project_of_which_nothing_fits_needs_no_words(world: World) -> None:
    world.get()
    world.cache.explain("six")
    assert world.said == []


def test_a_file_that_breaks_off_could_not_be_had(world: World) -> None:
    world.get()
    world.reply = lambda: world.answer(WHEEL[:10], content_length=str(len(WHEEL)))
    assert world.get(Request("GET", FILE_URL, "other", {})) == (WHEEL[:10], "failed")
    assert world.report.outcomes[-1].why == "its answer broke off"


@pytest.mark.parametrize(
    ("ours", "vary"),
    [
        (replace(PAGE, headers={**PAGE.headers, "accept-language": "de"}), "accept-language"),
        (replace(PAGE, identity=Identity(gains=True)), ""),
    ],
)
def test_who_has_waited_is_not_served_what_the_other_one_alone_may_have(world: World, ours: Request, vary: str) -> None:
    """The answer varies by a header, or came to a credential that nobody sees."""
    other, theirs = world.another_process(), replace(ours, headers=PAGE.headers)

    class Waited(SingleFlight):
        def __init__(self) -> None: ...

        def enter(self, request: Request, timeout: float) -> Turn:
            other.answer(theirs, world.send)
            return Turn(None, 1.0)

        def waited_in_vain(self, request: Request, turn: Turn, *, is_absent: bool) -> None: ...

    world.reply = lambda: world.answer(GOOD, vary=vary)
    upstream = Upstream(world.store, health_log.of_host(world.store.root, None), health_log.of_run(None))
    cache = Cache(world.store, upstream, world.settings, world.report, lambda: world.now, Waited())
    cache.answer(ours, world.send)
    assert len(world.asked) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_what_a_head_is_refused_changes_no_copy(world: World, status: int) -> None:
    """A server may have HEAD for nobody; it is asked since a page without hashes promises nothing."""
    wheel = Request("GET", "https://files.example/six-1.0-py3-none-any.whl", "other", {}, identity=Identity("secret"))
    length = {"content_length": str(len(WHEEL))}
    world.reply = lambda: world.answer(WHEEL, content_type="application/zip", **length)
    assert world.get(wheel) == (WHEEL, "miss")
    for _ in range(3):
        world.now += 86401
        world.reply = lambda: world.answer(b"", status)
        assert world.get(replace(wheel, method="HEAD")) == (b"", "passed")
    world.reply = world.fail
    assert world.get(wheel) == (WHEEL, "stale")


WHEEL_FILE = Request("GET", FILE_URL, "other")


@pytest.mark.parametrize(
    ("status", "body", "is_outdated"),
    [
        (404, b"", True),
        (410, b"", True),
        (403, b"", True),
        (400, b"expired", True),
        (200, b"another wheel", True),
        (200, WHEEL, False),
        (401, b"", False),
        (429, b"", False),
        (503, b"", False),
    ],
)
def test_a_page_expires_if_a_file_of_it_is_gone_or_another(
    world: World, status: int, body: bytes, is_outdated: bool
) -> None:
    world.get()
    assert world.get()[1] == "hit"
    world.reply = lambda: world.answer(body, status, content_length=str(len(body)))
    world.get(WHEEL_FILE)
    assert world.cache.outdated() == (["six"] if is_outdated else [])

    world.cache = world.another_process()
    world.reply = lambda: world.answer(GOOD)
    assert world.get()[1] == ("miss" if is_outdated else "hit")


def test_a_page_that_upstream_has_just_given_is_not_outdated(world: World) -> None:
    world.get()
    world.reply = lambda: world.answer(b"", 404)
    world.get(WHEEL_FILE)
    assert world.cache.outdated() == []
    assert world.get()[1] == "hit"


def test_an_outdated_page_is_asked_for_again_once(world: World) -> None:
    world.get()
    for _ in range(2):
        world.get()
        world.reply = lambda: world.answer(b"", 404)
        world.get(WHEEL_FILE)
        world.reply = lambda: world.answer(GOOD)
        projects = world.cache.outdated()
        with world.cache.refreshing(*projects):
            world.get()
    assert projects == []
    assert [patient for _, patient in world.asked] == [True, True, False, True, False]


def test_a_file_that_was_not_read_to_its_end_is_no_other_one(world: World) -> None:
    world.get()
    world.get()
    world.reply = lambda: world.answer(WHEEL, content_length=str(len(WHEEL)))
    answer = world.cache.answer(WHEEL_FILE, world.send)
    assert not isinstance(answer, Pass)
    answer.body.read(10)
    answer.body.close()
    assert world.cache.outdated() == []
