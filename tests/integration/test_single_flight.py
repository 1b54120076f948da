"""Single flight between real processes: each has the folder, the index, and nothing else in common."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest
import requests

import cachedindex
from cachedindex.lookup.single_flight import SingleFlight, Turn
from cachedindex.model import Record, Request, Route
from cachedindex.rules import layout
from cachedindex.store import locks as module
from cachedindex.store.locks import Lock, Locks, holding
from cachedindex.store.store import Store
from tests import index as faults
from tests.index import JSON, Handler, Index
from tests.stored import age
from tests.values import replace

CLIENT = """
import sys, time
import requests, cachedindex
from cachedindex.lookup import single_flight

class Time:
    waited = False
    monotonic = time.monotonic

    @classmethod
    def sleep(cls, seconds):
        if not cls.waited:
            print("waits", flush=True)
        cls.waited = True
        time.sleep(seconds)

single_flight.time = Time
cache, timeout, *urls = sys.argv[1:]
session = requests.Session()
session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir=cache, timeout=timeout))
for url in urls:
    try:
        page = {"Accept": "application/vnd.pypi.simple.v1+json"}
        response = session.get(url, headers=page if url.endswith("/") else {})
        print(response.status_code, response.headers.get("Cache-Status"))
    except requests.RequestException:
        print("failed")
"""
FOREVER = "1 h"
"""Who waits for this long is ended by the test's own patience, and fails it."""

Client = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """Give a function that starts a process which asks for URLs."""
    with ExitStack() as stack:

        def client(*urls: str, timeout: str = FOREVER) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", CLIENT, str(tmp_path / "cache"), timeout, *urls]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            return process

        yield client


def waits(process: subprocess.Popen[str]) -> None:
    """Return when the process waits for another one."""
    assert process.stdout
    assert process.stdout.readline() == "waits\n"


def said(process: subprocess.Popen[str]) -> list[str]:
    out, _ = process.communicate(timeout=120)
    return out.splitlines()


class Gate:
    """A fault that holds each request until it is opened, and tells when so many have come."""

    def __init__(self) -> None:
        self.came = threading.Semaphore(0)
        self.open = threading.Event()
        self.after: faults.Fault = lambda _: True

    def __call__(self, handler: Handler) -> bool:
        self.came.release()
        self.open.wait()
        return self.after(handler)

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.came.acquire(timeout=120), "it did not come"


@pytest.fixture
def gate(index: Index) -> Iterator[Gate]:
    gate = Gate()
    index.fault(gate)
    yield gate
    gate.open.set()


def test_one_asks_and_the_others_get_what_it_got(client: Client, index: Index, gate: Gate) -> None:
    holder = client(f"{index.url}alpha/")
    gate.wait_for(1)
    others = [client(f"{index.url}alpha/") for _ in range(3)]
    for other in others:
        waits(other)
    gate.open.set()
    assert said(holder) == ["200 None"]
    for other in others:
        assert said(other)[0].startswith("200 cachedindex; hit")
    assert len(index.seen) == 1


def test_one_who_takes_the_place_of_a_killed_one_asks_for_all(client: Client, index: Index, gate: Gate) -> None:
    holder = client(f"{index.url}alpha/")
    gate.wait_for(1)
    others = [client(f"{index.url}alpha/") for _ in range(3)]
    for other in others:
        waits(other)
    holder.kill()
    gate.wait_for(1)
    gate.open.set()
    assert sorted(said(other)[0][:21] for other in others) == ["200 None", *["200 cachedindex; hit;"] * 2]
    assert len(index.seen) == 2


def test_when_one_has_failed_all_others_go_on_at_once(client: Client, index: Index, gate: Gate) -> None:
    holder = client(f"{index.url}alpha/")
    gate.wait_for(1)
    others = [client(f"{index.url}alpha/") for _ in range(3)]
    for other in others:
        waits(other)
    first, gate.open = gate.open, threading.Event()
    gate.after = faults.reset
    first.set()
    assert said(holder) == ["failed"]
    # One after the other, they would never be there together.
    gate.wait_for(3)
    gate.open.set()
    for other in others:
        assert said(other) == ["failed"]


def test_one_that_does_not_come_to_an_end_is_waited_for_once(client: Client, index: Index, gate: Gate) -> None:
    client(f"{index.url}alpha/")
    gate.wait_for(1)
    other = client(f"{index.url}alpha/", timeout="0.2")
    waits(other)
    gate.wait_for(1)
    gate.open.set()
    assert said(other) == ["200 None"]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir=tmp_path / "cache", timeout=FOREVER))
        yield session


WHEEL = "files/alpha-1.0-py3-none-any.whl"


def test_a_process_does_not_wait_for_itself(session: requests.Session, index: Index) -> None:
    session.get(f"{index.url}alpha/", headers={"Accept": JSON})
    unread = session.get(f"{index.origin}/{WHEEL}", stream=True)
    content = session.get(f"{index.origin}/{WHEEL}").content
    contents = []
    thread = threading.Thread(target=lambda: contents.append(session.get(f"{index.origin}/{WHEEL}").content))
    thread.start()
    thread.join()
    assert [unread.content, *contents] == [content, content]


@pytest.mark.parametrize("end", ["read", "closed", "dropped"])
def test_a_file_is_in_flight_until_its_body_ends(
    session: requests.Session, client: Client, index: Index, tmp_path: Path, end: str
) -> None:
    page = session.get(f"{index.url}alpha/", headers={"Accept": JSON}).json()
    response = session.get(f"{index.origin}/{WHEEL}", stream=True)
    locks = Locks(tmp_path / "cache/locks-v1", tmp_path / "cache")
    digest = page["files"][0]["hashes"]["sha256"]
    name = layout.key(Request("GET", f"{index.origin}/{WHEEL}", "file", {}, digest, Route("http")), "")
    assert locks.is_held_here(name)
    if end == "read":
        assert response.content
    elif end == "closed":
        response.close()
    del response
    gc.collect()
    assert not locks.is_held_here(name)
    assert not list((tmp_path / "cache").rglob(".*.tmp"))
    asked = len(index.seen)
    assert said(client(f"{index.url}alpha/", f"{index.origin}/{WHEEL}"))[1].startswith("200")
    assert len(index.seen) - asked == (end != "read")


def test_without_locking_only_the_saving_is_lost(
    session: requests.Session, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("cachedindex.store.system.lock", taken)
    for name in ("alpha", "beta"):
        assert session.get(f"{index.url}{name}/").ok
    assert session.get(f"{index.url}alpha/").headers["Cache-Status"].startswith("cachedindex; hit")


HIT = """
import os, sys
import requests, cachedindex
url, cache = sys.argv[1:]
session = requests.Session()
session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir=cache))
assert session.get(url).headers["Cache-Status"].startswith("cachedindex; hit")
"""


def test_a_hit_takes_no_lock(session: requests.Session, index: Index, tmp_path: Path) -> None:
    session.get(f"{index.url}alpha/")
    locks = tmp_path / "cache/locks-v1"
    for path in locks.iterdir():
        path.unlink()
    command = [sys.executable, "-c", HIT, f"{index.url}alpha/", str(tmp_path / "cache")]
    subprocess.run(command, check=True)
    assert not list(locks.iterdir())


# -- the wait, on a clock of its own -----------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


FILE = Request("GET", "https://files.example/six-1.0.whl", "file", {}, "a" * 64)


def held(tmp_path: Path) -> Lock:
    """Hold the file's lock as another process would."""
    lock = Locks(tmp_path / "locks", tmp_path).try_lock(layout.key(FILE, ""))
    assert lock
    return lock


@pytest.mark.parametrize(("growths", "waited"), [(0, 1.0), (100, 6.0), (10_000, 15.0)])
def test_a_file_is_waited_for_while_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, growths: int, waited: float
) -> None:
    lock, clock, store = held(tmp_path), Clock(), Store(tmp_path)
    monkeypatch.setattr("cachedindex.lookup.single_flight.time", clock)
    monkeypatch.setattr(Locks, "is_held_here", lambda *_: False)
    monkeypatch.setattr(store, "growing", lambda _: min(int(clock.now / 0.05), growths))
    SingleFlight(Locks(tmp_path / "locks", tmp_path), store).enter(FILE, 1.0).settle()
    assert clock.now == pytest.approx(waited, abs=0.2)
    lock.release()


PAGES = [Request("GET", f"https://index.example/simple/{name}/", "page") for name in ("alpha", "beta", "gamma")]


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Have another process hold the locks of all pages and of the file, as this one sees it; give the clock."""
    clock = Clock()
    monkeypatch.setattr("cachedindex.lookup.single_flight.time", clock)
    monkeypatch.setattr(Locks, "is_held_here", lambda *_: False)
    names = [layout.key(FILE, ""), *map(layout.preferred_key, PAGES)]
    locks = [Locks(tmp_path / "locks", tmp_path).try_lock(name) for name in names]
    yield clock
    for lock in locks:
        assert lock
        lock.release()


def process(tmp_path: Path) -> SingleFlight:
    return SingleFlight(Locks(tmp_path / "locks", tmp_path), Store(tmp_path))


def waited_in_vain(flight: SingleFlight, request: Request, *, is_absent: bool = False) -> bool:
    turn = flight.enter(request, 1.0)
    if turn.waited:
        flight.waited_in_vain(request, turn, is_absent=is_absent)
    return turn.waited > 0


def test_who_does_not_wait_sees_whether_another_process_asks(tmp_path: Path, others: Clock) -> None:
    flight = process(tmp_path)
    turn = flight.enter(PAGES[0], 0.0)
    assert turn.waited
    assert not turn.has_lock
    assert others.now == 0
    free = flight.enter(Request("GET", "https://index.example/simple/delta/", "page"), 0.0)
    assert not free.waited
    assert free.has_lock
    free.settle()


def test_who_has_waited_in_vain_for_a_page_waits_for_no_other(tmp_path: Path, others: Clock) -> None:
    flight = process(tmp_path)
    assert waited_in_vain(flight, PAGES[0], is_absent=True)
    assert not waited_in_vain(flight, PAGES[1])
    assert others.now == pytest.approx(1.0, abs=0.2)


def test_what_one_process_has_waited_for_in_vain_no_other_one_waits_for(tmp_path: Path, others: Clock) -> None:
    assert waited_in_vain(process(tmp_path), PAGES[0])
    assert not waited_in_vain(process(tmp_path), PAGES[1])
    assert waited_in_vain(process(tmp_path), FILE)
    assert not waited_in_vain(process(tmp_path), FILE)
    for note in (tmp_path / "locks").glob("*.vain"):
        age(note, 3 * 60)
    assert waited_in_vain(process(tmp_path), PAGES[1])
    assert others.now == pytest.approx(3.0, abs=0.4)


def test_that_an_index_does_not_have_one_page_says_nothing_of_its_others(tmp_path: Path, others: Clock) -> None:
    assert waited_in_vain(process(tmp_path), PAGES[0], is_absent=True)
    assert not waited_in_vain(process(tmp_path), PAGES[0])
    assert waited_in_vain(process(tmp_path), PAGES[1])
    assert others.now == pytest.approx(2.0, abs=0.3)


def test_an_index_that_forbids_to_store_is_not_waited_for(tmp_path: Path, others: Clock) -> None:
    store = Store(tmp_path)
    store.put_prohibition(PAGES[0], Record(PAGES[0].url, PAGES[0].url, {}, 1.0, 1.0, 0.1, 0, sha256().hexdigest(), b""))
    assert not waited_in_vain(process(tmp_path), PAGES[1])
    assert others.now == 0


def test_a_process_waits_in_vain_for_fifteen_seconds_in_all(
    tmp_path: Path, others: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Locks, "is_vain", lambda *_: False)
    flight = process(tmp_path)
    waits = [waited_in_vain(flight, FILE) for _ in range(20)]
    assert waits == sorted(waits, reverse=True)
    assert others.now == pytest.approx(15.0, abs=0.6)


def test_what_one_gets_from_another_process_is_waited_for_again(tmp_path: Path, others: Clock) -> None:
    flight = process(tmp_path)
    for _ in range(20):
        assert flight.enter(FILE, 1.0).waited
    assert others.now == pytest.approx(20.0, abs=1.2)


def test_the_place_of_a_killed_process_is_not_waited_for_in_vain(tmp_path: Path, others: Clock) -> None:
    flight, locks = process(tmp_path), Locks(tmp_path / "locks", tmp_path)
    lock = locks.try_lock("mine")
    flight.waited_in_vain(PAGES[0], Turn(lock, 1.0), is_absent=False)
    assert not list((tmp_path / "locks").glob("*.vain"))
    assert lock
    lock.release()


def test_what_grows_is_the_promised_blob(tmp_path: Path) -> None:
    store, other = Store(tmp_path), replace(FILE, sha256="b" * 64)
    assert not store.growing(FILE)
    blob = store.new_blob(FILE)
    sizes = [store.growing(FILE)]
    blob.write(b"x" * 100_000)
    sizes.append(store.growing(FILE))
    assert sizes[0] != sizes[1]
    assert not store.growing(other)
    blob.abandon()
    assert not store.growing(FILE)


@pytest.mark.posix("modes")
def test_a_lock_is_one_processes_at_a_time_whoever_takes_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    take = f"""
import sys
from pathlib import Path
from cachedindex.store.locks import Locks
folder = Path({str(tmp_path)!r})
print(Locks(folder, folder).try_lock("a") is not None)
"""

    def taken() -> str:
        return subprocess.run([sys.executable, "-c", take], capture_output=True, text=True, check=True).stdout.strip()

    lock = Locks(tmp_path, tmp_path).try_lock("a")
    assert lock
    assert (tmp_path / "a.flight").stat().st_mode & 0o777 == 0o660
    assert taken() == "False"
    lock.release()
    assert taken() == "True"


def test_who_has_a_lock_is_known_here_however_often_it_is_tried(tmp_path: Path) -> None:
    locks, other = Locks(tmp_path, tmp_path), Locks(tmp_path, tmp_path)
    lock = locks.try_lock("a")
    assert lock
    for _ in range(2):
        assert other.try_lock("a") is None
        assert locks.is_held_here("a"), "else this process would wait for itself"
    lock.release()
    assert not locks.is_held_here("a")
    again = other.try_lock("a")
    assert again
    again.release()


def test_a_look_up_leaves_no_file_of_a_lock(session: requests.Session, index: Index, tmp_path: Path) -> None:
    for name in ("alpha", "beta"):
        assert session.get(f"{index.url}{name}/").ok
    assert list((tmp_path / "cache/locks-v1").iterdir()) == []


@pytest.mark.posix("an open file that can be removed")
def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the opening of the file and its locking, the last holder has removed it: two would hold a lock each."""
    other, locks = held(tmp_path), Locks(tmp_path / "locks", tmp_path)
    path = tmp_path / f"locks/{layout.key(FILE, '')}.flight"
    locked, opened = module._locked, []

    def late(descriptor: int) -> Callable[[], None] | None:
        if not opened:
            other.release()
        opened.append(os.fstat(descriptor).st_ino)
        return locked(descriptor)

    monkeypatch.setattr(module, "_locked", late)
    monkeypatch.setattr(module, "_held", set())
    lock = locks.try_lock(layout.key(FILE, ""))
    assert lock
    assert len(opened) == 2
    assert path.stat().st_ino == opened[1]
    lock.release()
    assert not path.exists()


@pytest.mark.posix("modes")
@pytest.mark.parametrize(("mode", "expected"), [(0o755, 0o600), (0o2775, 0o660), (0o700, 0o600)])
def test_who_may_only_read_the_folder_cannot_lock(tmp_path: Path, mode: int, expected: int) -> None:
    """flock(2) takes a descriptor of any kind, so whoever may read a lock's file may hold everybody up."""
    tmp_path.chmod(mode)
    lock = held(tmp_path)
    with holding(tmp_path / "locks/gc.lock", tmp_path):
        modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "locks").iterdir()}
    assert modes == {expected}
    lock.release()
