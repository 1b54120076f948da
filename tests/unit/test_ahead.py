"""Look-ups that are begun ahead: what is asked when, what the client is handed, and what ends it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from io import BufferedReader, BytesIO
from pathlib import Path

import pytest

from cachedindex.errors import StoreUnavailable, UpstreamFailed
from cachedindex.lookup.ahead import Ahead
from cachedindex.lookup.beginnings import Came
from cachedindex.lookup.pool import Pool
from cachedindex.lookup.single_flight import SingleFlight, Turn
from cachedindex.lookup.tee import Continued
from cachedindex.model import Answer, Body, Identity, Request
from cachedindex.options import Settings
from cachedindex.store.blob import NewBlob
from tests.unit.test_cache import FILE_URL, PAGE, WHEEL, World, page
from tests.values import replace

SECOND, THIRD = (replace(PAGE, url=f"https://index.example/simple/{name}/") for name in ("flask", "docopt"))
LARGE = b"large" * 400_000


class Guessing:
    """A client whose look-ups are begun ahead, and the URLs that its upstream saw."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.asked: list[str] = []
        self.replies: dict[str, Callable[[], Answer]] = {}
        self.ahead: Ahead = world.cache.look_ahead(4)
        self.came: list[Came | None] = []
        self._arrived = threading.Semaphore(0)

    def like(self, url: str) -> tuple[Request, Callable[..., Answer]]:
        def send(headers: Mapping[str, str], *, patient: bool) -> Answer:
            self.asked.append(url)
            name = url.rstrip("/").rpartition("/")[2]
            return self.replies.get(url, lambda: self.world.answer(page(name=name)))()

        return replace(PAGE, url=url, kind="page" if url.endswith("/") else "other"), send

    def get(self, request: Request, took: float = 0.05) -> bytes:
        """Make a look-up of the client's own."""
        before = len(self.asked)
        asked, send = self.like(request.url)
        answer = self.world.cache.answer(replace(request, kind=asked.kind), send)
        assert isinstance(answer, Answer)
        self.ahead.heard(asked, self.like, [(200, took)] if len(self.asked) > before else [])
        body = answer.body.read()
        answer.body.close()
        return body

    def expect(self, request: Request) -> None:
        """Expect a page, or the wheel that the first page lists."""
        if request.kind == "page":
            self.ahead.expect_page(request.url, self._has_come)
        else:
            self.ahead.expect_file(request.url, self._has_come)

    def wait(self) -> Came | None:
        """Wait until one more expected look-up is over."""
        assert self._arrived.acquire(timeout=20)
        return self.came[-1]

    def _has_come(self, came: Came | None) -> None:
        self.came.append(came)
        self._arrived.release()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, Settings(timeout=30.0))
    yield world
    world.over.set()


@pytest.fixture
def client(world: World) -> Guessing:
    return Guessing(world)


def test_nothing_is_asked_before_the_client_was_answered(client: Guessing) -> None:
    client.expect(SECOND)
    assert client.asked == []
    client.get(PAGE, took=0.001)  # As near as this, threads cost more than they save.
    assert client.asked == [PAGE.url]
    client.get(THIRD)
    client.wait()
    assert client.asked == [PAGE.url, THIRD.url, SECOND.url]


def test_what_was_asked_ahead_is_not_asked_again_and_reported_once(client: Guessing, world: World) -> None:
    world.settings = Settings(timeout=30.0, index_ttl=0.0)
    client.get(PAGE)
    client.expect(SECOND)
    client.wait()
    assert [outcome.url for outcome in world.report.outcomes] == [PAGE.url]
    client.get(SECOND)
    assert client.asked == [PAGE.url, SECOND.url]
    assert [(outcome.ended, outcome.url) for outcome in world.report.outcomes[1:]] == [("miss", SECOND.url)]


def test_an_answer_that_is_not_stored_is_handed_over_as_well(client: Guessing, world: World) -> None:
    client.get(PAGE)
    client.replies[SECOND.url] = lambda: world.answer(page(name="flask"), cache_control="no-store")
    client.expect(SECOND)
    client.wait()
    assert client.get(SECOND) == page(name="flask")
    assert client.asked.count(SECOND.url) == 1


def test_the_client_waits_for_what_is_under_way(client: Guessing, world: World) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def reply() -> Answer:
        begun.set()
        assert go_on.wait(20)
        return world.answer(page(name="flask"))

    client.get(PAGE)
    client.replies[SECOND.url] = reply
    client.expect(SECOND)
    assert begun.wait(20)
    threading.Timer(0.05, go_on.set).start()
    assert client.get(SECOND) == page(name="flask")
    assert client.asked.count(SECOND.url) == 1


def test_what_the_client_has_asked_for_is_not_expected(client: Guessing) -> None:
    client.get(PAGE)
    client.get(SECOND)
    client.ahead.expect_page(SECOND.url, lambda _: None)
    client.expect(THIRD)
    client.wait()
    assert client.asked.count(SECOND.url) == 1


def test_a_look_up_that_insists_on_upstream_is_no_model(client: Guessing, world: World) -> None:
    client.get(PAGE)
    client.get(SECOND)
    client.ahead._asked.clear()  # As in another run.
    before = list(client.asked)
    insisting = replace(THIRD, headers={**THIRD.headers, "cache-control": "max-age=0"})
    client.ahead.heard(insisting, lambda url: (replace(insisting, url=url), client.like(url)[1]), [(200, 0.05)])
    client.expect(SECOND)
    client.wait()
    assert client.asked == before
    client.get(SECOND)
    client.get(THIRD)
    assert client.asked == [*before, THIRD.url]


def test_another_process_is_waited_for_once(world: World) -> None:
    class Hung(SingleFlight):
        """Another process asks for everything, and never comes to an end."""

        def __init__(self) -> None:
            self.waited: list[float] = []

        def enter(self, request: Request, timeout: float) -> Turn:
            self.waited.append(timeout)
            return Turn(None, max(timeout, 0.05))

        def waited_in_vain(self, request: Request, turn: Turn, *, is_absent: bool) -> None: ...

    flight = Hung()
    world.cache = world.another_process(flight)
    client = Guessing(world)
    client.get(PAGE)
    client.expect(SECOND)
    assert client.wait() is None
    assert client.get(SECOND) == page(name="flask")
    assert sum(flight.waited) == 2 * world.settings.timeout  # Once for each of both pages.
    assert client.asked == [PAGE.url, SECOND.url]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_bad_answer_ends_it_and_is_the_clients_to_repeat(client: Guessing, world: World, status: int) -> None:
    client.get(PAGE)
    client.replies[SECOND.url] = lambda: world.answer(b"no", status)
    client.expect(SECOND)
    client.wait()
    client.expect(THIRD)
    client.replies.clear()
    assert client.get(SECOND) == page(name="flask")
    assert client.get(THIRD) == page(name="docopt")
    assert client.asked == [PAGE.url, SECOND.url, SECOND.url, THIRD.url]
    assert [outcome.ended for outcome in world.report.outcomes] == ["miss"] * 3


def test_a_deadline_that_has_passed_is_not_waited_for_twice(client: Guessing, world: World) -> None:
    client.get(PAGE)
    client.get(SECOND)
    world.now += 1000
    client.get(PAGE)
    client.ahead._asked.discard(SECOND.url)  # As in another run.

    def pass_deadline() -> Answer:
        raise UpstreamFailed("no answer within 3 s")

    client.replies[SECOND.url] = pass_deadline
    client.expect(SECOND)
    client.wait()
    assert client.get(SECOND) == page(name="flask")
    assert world.report.outcomes[-1].ended == "stale"
    assert client.asked.count(SECOND.url) == 2


def test_a_deadline_that_passes_while_others_are_answered_says_nothing(client: Guessing, world: World) -> None:
    client.get(PAGE)
    client.get(SECOND)
    world.now += 1000
    client.get(PAGE)
    client.ahead._asked.discard(SECOND.url)  # As in another run.
    begun, go_on = threading.Event(), threading.Event()

    def pass_deadline() -> Answer:
        begun.set()
        assert go_on.wait(20)
        raise UpstreamFailed("no answer within 3 s")

    client.replies[SECOND.url] = pass_deadline
    client.expect(SECOND)
    assert begun.wait(20)
    client.expect(THIRD)
    client.wait()
    client.replies.clear()
    go_on.set()
    assert client.get(SECOND) == page(name="flask")
    assert world.report.outcomes[-1].ended in ("miss", "revalidated")


def test_what_is_meant_for_another_user_is_not_handed_over(client: Guessing, world: World) -> None:
    client.get(PAGE)
    client.expect(SECOND)
    client.wait()
    mine = replace(SECOND, identity=Identity("mine"))
    answer = world.cache.answer(mine, client.like(SECOND.url)[1])
    assert isinstance(answer, Answer)
    assert client.asked.count(SECOND.url) == 2
    client.expect(THIRD)
    assert THIRD.url not in client.asked


def promising(world: World, content: bytes) -> Answer:
    file = {"url": FILE_URL, "filename": "six-1.0.whl", "hashes": {"sha256": sha256(content).hexdigest()}}
    return world.answer(page(file, name="flask"))


def test_a_file_is_known_by_a_page_that_was_read_ahead(client: Guessing, world: World) -> None:
    client.get(PAGE)
    client.replies[SECOND.url] = lambda: promising(world, WHEEL)
    client.replies[FILE_URL] = lambda: world.answer(WHEEL, content_length=str(len(WHEEL)))
    client.expect(SECOND)
    client.wait()
    other = "https://files.example/other-1.0.whl"
    client.replies[other] = lambda: world.answer(b"other")
    client.get(replace(PAGE, url=other, kind="other"))
    wheel = replace(PAGE, url=FILE_URL, kind="other")
    client.expect(wheel)
    came = client.wait()
    assert came is not None
    with came.open() as body:
        assert body.read() == WHEEL
    client.get(SECOND)
    assert client.get(wheel) == WHEEL
    assert client.asked.count(FILE_URL) == 1
    assert world.report.outcomes[-1].ended == "miss"


def test_only_the_latest_pages_are_kept_in_memory(client: Guessing, world: World) -> None:
    client.get(PAGE)
    for number in range(70):
        wheel = f"https://files.example/six{number}-1.0.whl"
        file = {"url": wheel, "filename": f"six{number}-1.0.whl", "hashes": {"sha256": sha256(WHEEL).hexdigest()}}
        request = replace(PAGE, url=f"https://index.example/simple/six{number}/")
        client.replies[request.url] = partial(world.answer, page(file, name=f"six{number}"))
        client.expect(request)
        client.wait()
        beginnings = client.ahead._beginnings
        assert beginnings.foretold(replace(PAGE, url=wheel, kind="other")).kind == "file"
    assert len(beginnings._promises._listings) <= 64


@pytest.mark.parametrize(
    "sound", [True, pytest.param(False, marks=pytest.mark.posix("a file that is read while it is written"))]
)
def test_a_large_file_is_handed_over_while_it_arrives(client: Guessing, world: World, sound: bool) -> None:
    reading, go_on = threading.Event(), threading.Event()

    class Slow(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > len(LARGE) // 2:
                reading.set()
                assert go_on.wait(20)
            return super().read(size)

    client.get(PAGE)
    client.replies[SECOND.url] = lambda: promising(world, LARGE if sound else WHEEL)
    answer = replace(world.answer(b"", content_length=str(len(LARGE))), body=Slow(LARGE))
    client.replies[FILE_URL] = lambda: answer
    client.get(SECOND)
    client.ahead._sound.add("https://files.example")  # As after another file.
    client.ahead._likes["https://files.example"] = client.like
    client.ahead.expect_file(FILE_URL, given=True)
    assert reading.wait(20)
    threading.Timer(0.05, go_on.set).start()
    assert client.get(replace(PAGE, url=FILE_URL, kind="other")) == LARGE
    assert client.asked.count(FILE_URL) == 1
    assert world.report.outcomes[-1].ended == ("miss" if sound else "passed")


def expect_file(client: Guessing, body: Body) -> None:
    """Have the file expected that the second page lists, at a place that is known to be sound; this is its body."""
    client.get(PAGE)
    client.replies[SECOND.url] = lambda: promising(client.world, LARGE)
    answer = replace(client.world.answer(b"", content_length=str(len(LARGE))), body=body)
    again = client.world.answer(LARGE, content_length=str(len(LARGE)))
    client.replies[FILE_URL] = iter((answer, again)).__next__
    client.get(SECOND)
    client.ahead._sound.add("https://files.example")  # As after another file.
    client.ahead._likes["https://files.example"] = client.like
    client.ahead.expect_file(FILE_URL, client._has_come, given=True)


def test_a_disk_that_is_full_in_between_leaves_no_hole_in_a_file(
    client: Guessing, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, go_on = threading.Event(), threading.Event()
    written: list[bytes] = []

    class Slow(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert self.tell() < len(LARGE) // 2 or go_on.wait(20)
            return super().read(size)

    def write(blob: NewBlob, data: bytes) -> None:
        written.append(data)
        if len(written) == 3:
            blob.abandon()
            full.set()
            raise StoreUnavailable("the disk is full")
        original(blob, data)

    original = NewBlob.write
    monkeypatch.setattr(NewBlob, "write", write)
    expect_file(client, Slow(LARGE))
    assert full.wait(20)
    threading.Timer(0.2, go_on.set).start()
    assert client.get(replace(PAGE, url=FILE_URL, kind="other")) == LARGE


def test_what_cannot_be_stored_is_not_left_open_until_the_client_asks(
    client: Guessing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def new_blob(_: object) -> NewBlob:
        raise StoreUnavailable("the disk is full")

    body = BufferedReader(BytesIO(LARGE))
    monkeypatch.setattr(client.world.store, "new_blob", new_blob)
    expect_file(client, body)
    assert client.wait() is None
    assert body.closed
    client.expect(THIRD)
    assert client.get(replace(PAGE, url=FILE_URL, kind="other")) == LARGE
    assert client.asked == [PAGE.url, SECOND.url, FILE_URL, FILE_URL]


def test_no_file_is_asked_for_ahead_if_none_can_be_stored(client: Guessing) -> None:
    client.world.store.read_only = True
    expect_file(client, BytesIO(LARGE))
    assert client.wait() is None
    assert client.asked == [PAGE.url, SECOND.url]


def test_a_file_that_shares_a_slow_line_is_waited_for_beyond_the_deadline(tmp_path: Path) -> None:
    world = World(tmp_path, Settings(timeout=0.1))
    client, go_on = Guessing(world), threading.Event()

    class Slow(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert go_on.wait(20)
            return super().read(size)

    client.get(PAGE)
    client.replies[SECOND.url] = lambda: promising(world, WHEEL)
    answer = replace(world.answer(b"", content_length=str(len(WHEEL))), body=Slow(WHEEL))
    client.replies[FILE_URL] = lambda: answer
    client.get(SECOND)
    client.ahead._sound.add("https://files.example")
    client.ahead._likes["https://files.example"] = client.like
    client.ahead.expect_file(FILE_URL, given=True)
    threading.Timer(0.5, go_on.set).start()
    assert client.get(replace(PAGE, url=FILE_URL, kind="other")) == WHEEL
    assert client.asked.count(FILE_URL) == 1
    assert [outcome.ended for outcome in world.report.outcomes] == ["miss"] * 3


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("state", ["nothing stored", "expired"])
def test_a_limit_that_was_met_ahead_is_over_before_the_client_asks(
    client: Guessing, world: World, status: int, state: str
) -> None:
    if state == "expired":
        client.get(SECOND)
        client.ahead._asked.clear()  # As in another run.
        world.now += 1000
    over = threading.Event()

    def reply() -> Answer:
        if over.is_set():
            return world.answer(page(name="flask"))
        threading.Timer(0.5, over.set).start()
        return world.answer(b"no", status)

    client.get(PAGE)
    client.replies[SECOND.url] = reply
    client.expect(SECOND)
    client.wait()
    assert client.get(SECOND) == page(name="flask")
    assert world.report.outcomes[-1].ended != "stale"


def test_what_the_client_spells_in_another_way_is_left_to_it(client: Guessing) -> None:
    client.get(PAGE)
    client.like = lambda url, like=client.like: like(url.lower())  # type: ignore[misc, method-assign]
    client.get(THIRD)
    client.ahead._sound.add("https://INDEX.example/simple/")
    client.ahead._likes["https://INDEX.example/simple/"] = client.like
    client.ahead.expect_page(SECOND.url.replace("index", "INDEX"), client._has_come)
    client.wait()
    assert SECOND.url not in client.asked


# A thread that has just ended may still be counted by the system, and Python warns of it.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="SKIPPED: this system has no fork")
def test_a_fork_waits_for_no_thread_of_its_parent(client: Guessing, world: World) -> None:
    begun = threading.Event()

    def reply() -> Answer:
        begun.set()
        return world.hang()

    client.get(PAGE)
    client.replies[SECOND.url] = reply
    client.expect(SECOND)
    assert begun.wait(20)
    child = os.fork()
    if not child:
        client.replies.clear()
        os._exit(0 if client.get(SECOND) == page(name="flask") else 1)
    assert os.waitpid(child, 0)[1] == 0


# A thread that has just ended may still be counted by the system, and Python warns of it.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="SKIPPED: this system has no fork")
def test_a_fork_waits_for_no_lock_that_a_thread_of_its_parent_has(client: Guessing) -> None:
    client.get(PAGE)
    with client.ahead._guard, client.ahead._pool._guard:
        child = os.fork()
        if not child:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # In place of that of pytest-timeout.
            signal.alarm(20)
            client.ahead.expect_page(SECOND.url, client._has_come)
            client.ahead.later(lambda: None)
            client.ahead.drop()
            client.ahead.end()
            os._exit(0 if client.get(SECOND) == page(name="flask") else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_body_whose_beginning_was_read_is_the_same() -> None:
    for size in (1, 3, 7, -1):
        body, data = Continued(BytesIO(b"begin"), BytesIO(b"ning and end")), b""
        while part := body.read(size):
            data += part
        assert data == b"beginning and end"


def test_few_run_at_once_until_the_line_has_shown_to_be_quick() -> None:
    pool, running, go_on = Pool(8), threading.Semaphore(0), threading.Event()

    def work() -> None:
        running.release()
        go_on.wait(20)

    for _ in range(20):
        pool.add(work)
    pool.start(0.01)
    assert all(running.acquire(timeout=20) for _ in range(4))
    assert not running.acquire(timeout=0.05)
    for _ in range(9):
        pool.felt(0.01)
    assert all(running.acquire(timeout=20) for _ in range(4))
    assert not running.acquire(timeout=0.05)
    pool.clear()
    go_on.set()


def test_as_many_run_at_once_as_upstream_takes_well() -> None:
    pool, running, go_on = Pool(8), threading.Semaphore(0), threading.Event()

    def work() -> None:
        running.release()
        go_on.wait(20)

    for _ in range(20):
        pool.add(work)
    assert not running.acquire(blocking=False)
    pool.start(0.5)
    assert all(running.acquire(timeout=20) for _ in range(2))
    assert not running.acquire(timeout=0.05)
    pool.felt(0.5)
    assert running.acquire(timeout=20)
    pool.clear()
    go_on.set()
