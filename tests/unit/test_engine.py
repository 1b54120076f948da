"""The engine over a real store in a temporary folder, with an upstream and a clock that the test moves."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

from cachedindex import engine
from cachedindex.engine import Cache
from cachedindex.errors import UpstreamFailed
from cachedindex.model import Answer, Request
from cachedindex.report import Report
from cachedindex.settings import Settings
from cachedindex.store.health import HealthLog
from cachedindex.store.store import Store
from cachedindex.upstream import Upstream

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

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.now = 1_000_000.0
        self.said: list[str] = []
        self.asked: list[tuple[Mapping[str, str], bool]] = []
        self.reply: Callable[[], Answer] = lambda: self.answer(GOOD)
        self.store = Store(folder)
        self.settings = settings
        self.cache = self.another_process()

    def another_process(self) -> Cache:
        self.report = Report(self.said.append)
        clock = lambda: self.now  # noqa: E731
        upstream = Upstream(self.store, HealthLog(self.store.root, None), clock)
        return Cache(self.store, upstream, self.settings, self.report, clock)

    def answer(self, body: bytes, status: int = 200, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Answer(status, "Reason", PAGE.url, {**JSON, **named}, BytesIO(body))

    def fail(self) -> Answer:
        raise UpstreamFailed("it is gone", OSError("gone"))

    def send(self, headers: Mapping[str, str], *, patient: bool) -> Answer:
        self.asked.append((headers, patient))
        return self.reply()

    def get(self, request: Request = PAGE) -> tuple[bytes, str]:
        """Ask the cache; return the body and how it ended."""
        answer = self.cache.answer(request, self.send)
        assert answer is not None
        body = answer.body.read()
        answer.body.close()
        return body, self.report.outcomes[-1].ended


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, Settings(timeout=30.0))


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
    assert world.report.outcomes[-1].why == "it is gone"
    assert len(world.asked) == 2


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
    monkeypatch.setattr(engine, "_PROBE_SHARE", 0.001)
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

    def noticed(*arguments: object) -> bool:
        done = original(*arguments)  # type: ignore[arg-type]
        put.set()
        return done

    world.store.put = noticed  # type: ignore[method-assign]
    assert world.get() == (GOOD, "stale")
    let_go.set()
    assert put.wait(60)
    world.now += 1
    assert world.get() == (newer, "hit")
    health = world.cache._upstream.health(PAGE)
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
    assert answer is not None
    assert (answer.status, answer.body.read()) == (status, body)
    assert world.store.get(PAGE) is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_upstreams_is_final(world: World, status: int) -> None:
    world.get()
    world.now += 100
    world.reply = lambda: world.answer(b"no", status)
    answer = world.cache.answer(PAGE, world.send)
    assert answer is not None
    assert answer.status == status


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


def test_a_file_of_another_hash_goes_to_the_client_and_not_into_the_store(world: World) -> None:
    file = Request("GET", FILE_URL, "other", {})
    world.get()
    world.reply = lambda: world.answer(WHEEL[:-1] + b"!")
    assert world.get(file) == (WHEEL[:-1] + b"!", "passed")
    world.reply = lambda: world.answer(WHEEL)
    assert world.get(file) == (WHEEL, "miss")


def test_what_no_page_vouches_for_is_always_asked_and_served_stale(world: World) -> None:
    other = Request("GET", "https://files.example/extends.cfg", "other", {})
    world.reply = lambda: world.answer(b"one", content_length="3")
    assert world.get(other) == (b"one", "miss")
    world.reply = lambda: world.answer(b"two", content_length="3")
    assert world.get(other) == (b"two", "miss")
    world.reply = world.fail
    assert world.get(other) == (b"two", "stale")


@pytest.mark.parametrize("headers", [{}, {"content_length": "4"}, {"content_length": "3", "content_encoding": "gzip"}])
def test_what_may_be_cut_or_encoded_is_not_stored(world: World, headers: dict[str, str]) -> None:
    other = Request("GET", "https://files.example/extends.cfg", "other", {})
    world.reply = lambda: world.answer(b"one", **headers)
    assert world.get(other) == (b"one", "passed")
    assert world.store.get(other) is None


@pytest.mark.parametrize("headers", [{}, {"content_length": "3", "content_encoding": "gzip"}])
def test_what_has_a_copy_but_cannot_be_stored_any_more_is_given_to_the_client(
    world: World, headers: dict[str, str]
) -> None:
    other = Request("GET", "https://files.example/extends.cfg", "other", {})
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
    assert answer is not None
    began.set()
    assert answer.body.read() == b"2" * size
    world.reply = world.fail
    assert world.get(other) == (b"2" * size, "stale")


def test_a_small_download_that_breaks_off_leaves_the_copy(world: World) -> None:
    other = Request("GET", "https://files.example/extends.cfg", "other", {})
    world.reply = lambda: world.answer(b"one", content_length="3")
    world.get(other)

    class Broken(BytesIO):
        def read(self, _: int | None = -1, /) -> bytes:
            raise OSError("reset")

    world.reply = lambda: replace(world.answer(b"", content_length="3"), body=Broken())
    assert world.get(other) == (b"one", "stale")


def test_a_small_download_that_is_cut_short_leaves_the_copy(world: World) -> None:
    other = Request("GET", "https://files.example/extends.cfg", "other", {})
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
        assert answer is not None
    world.now += 100
    world.reply = lambda: world.answer(GOOD)
    assert world.get()[1] == "miss"


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
    assert answer is not None
    assert (answer.status, answer.reason) == (504, "cachedindex: offline = true, and nothing is stored")
    assert world.asked == []


def test_what_is_none_of_our_business_is_left_to_the_client(world: World) -> None:
    assert world.cache.answer(replace(PAGE, headers={"authorization": "Basic x"}), world.send) is None
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
    assert answer is not None
    assert answer.status == 404


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
