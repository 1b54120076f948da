"""Threads that do one work after another, and their end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from cachedindex.lookup import worker


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin with no thread that waits, and end those of the test."""
    worker.dismiss()
    monkeypatch.setattr(worker, "_is_exit", False)
    yield
    worker.dismiss()


class Work:
    """A work that does what a test says, and notes in which thread."""

    def __init__(self, does: Callable[[], object] = lambda: None, *, goes_on: bool = True, wanted: bool = True) -> None:
        self._does = does
        self._goes_on = goes_on
        self._wanted = wanted
        self.thread = threading.current_thread()
        self.has_begun = threading.Event()
        self.has_ended = threading.Event()

    def run(self) -> bool:
        self.thread = threading.current_thread()
        self.has_begun.set()
        self._does()
        return self._goes_on

    def ended(self) -> None:
        self.has_ended.set()

    def is_wanted(self) -> bool:
        return self._wanted


def thread_of(does: Callable[[], object] = lambda: None, *, goes_on: bool = True) -> threading.Thread:
    """Return the thread in which a work was done."""
    work = Work(does, goes_on=goes_on)
    worker.start(work)
    assert work.has_ended.wait(60)
    return work.thread


def test_works_that_follow_each_other_share_a_thread() -> None:
    assert thread_of() is thread_of()


def test_works_at_the_same_time_do_not() -> None:
    others: list[threading.Thread] = []
    assert thread_of(lambda: others.append(thread_of())) is not others[0]


def test_a_thread_ends_if_no_work_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_IDLE", 0.01)
    first = thread_of()
    first.join(60)
    assert first not in worker._idle


def test_a_thread_ends_if_its_work_says_so() -> None:
    first = thread_of(goes_on=False)
    first.join(60)
    assert not first.is_alive()
    assert thread_of() is not first


def test_a_work_that_raises_ends_its_thread_and_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda given: said.append(given.exc_value))

    def fail() -> None:
        raise KeyError("x")

    thread_of(fail).join(60)
    assert [type(each) for each in said] == [KeyError]


@pytest.mark.parametrize("comes", ["a work", "the end of the process", "nothing"])
def test_what_comes_as_a_thread_stops_waiting(comes: str) -> None:
    """The time is up, and before the thread is no longer among those that wait, somebody takes it."""
    waiting = worker._Worker(Work())
    waiting._given = None
    worker._idle.append(waiting)
    if comes != "nothing":
        worker._idle.remove(waiting)
        waiting.give(Work() if comes == "a work" else None)
    waiting._stop_waiting()
    assert (waiting._given is not None) is (comes == "a work")
    assert waiting not in worker._idle
    assert waiting._has_come.locked() is (comes != "the end of the process"), "nothing comes a second time"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # By other tests' threads.
@pytest.mark.skipif(not hasattr(os, "fork"), reason="SKIPPED: this system has no fork")
def test_a_fork_beside_a_thread_that_waits_makes_its_own() -> None:
    first = thread_of()
    assert first in worker._idle
    child = os.fork()
    if child == 0:
        os._exit(42 if thread_of() is not first else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42


def test_a_thread_that_waits_ends_with_the_process() -> None:
    first = thread_of()
    worker._end()
    assert not first.is_alive()


def test_a_work_while_the_process_ends_lets_its_thread_end() -> None:
    worker._end()
    first = thread_of()
    first.join(60)
    assert first not in worker._idle


@pytest.fixture
def crowded() -> Iterator[tuple[str, int]]:
    """Give the address of a server that accepts nobody, and before which nobody has room to wait."""
    with socket.socket() as server, ExitStack() as waiting:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            each = waiting.enter_context(socket.socket())
            each.setblocking(False)
            each.connect_ex(server.getsockname())
        yield server.getsockname()


def reads(ours: socket.socket, _: tuple[str, int]) -> None:
    ours.recv(1)


def connects(_: socket.socket, address: tuple[str, int]) -> None:
    with suppress(OSError):
        socket.create_connection(address, 60).close()


@pytest.mark.linux("a connection that is being made cannot be interrupted elsewhere")
@pytest.mark.parametrize("waits", [reads, connects])
def test_an_attempt_for_which_nobody_waits_ends_with_the_process(
    waits: Callable[[socket.socket, tuple[str, int]], None], crowded: tuple[str, int]
) -> None:
    ours, theirs = socket.socketpair()
    attempt = Work(lambda: waits(ours, crowded), wanted=False)
    waits_for_it = Work(attempt.has_ended.wait, wanted=False)
    with ours, theirs:
        worker.start(attempt)
        worker.start(waits_for_it)
        assert attempt.has_begun.wait(60)
        assert waits_for_it.has_begun.wait(60)
        while attempt.thread.is_alive():  # It may have begun, and not yet have come as far as to wait.
            worker._end()
    waits_for_it.thread.join(60)
    assert not waits_for_it.thread.is_alive()


class Encrypted(socket.socket):
    """As ssl.SSLSocket, which first forgets that it is encrypted, and then ends the connection."""

    is_encrypted = True

    def shutdown(self, how: int) -> None:
        self.is_encrypted = False
        super().shutdown(how)


def test_nothing_is_sent_in_plain_text_over_a_connection_that_is_ended() -> None:
    """In one request of 5,000 it was, when the thread was just about to send it."""
    ours, theirs = socket.socketpair()
    encrypted = Encrypted(ours.family, ours.type, ours.proto, ours.detach())
    attempt = Work(lambda: encrypted.recv(1), wanted=False)
    with encrypted, theirs:
        worker.start(attempt)
        while attempt.thread.is_alive() or not attempt.has_begun.is_set():
            worker._end()
        assert encrypted.is_encrypted


def test_a_socket_that_cannot_be_ended_does_not_keep_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is being connected, on other systems than Linux."""
    monkeypatch.setattr(worker, "_LONGEST", 60.0)
    may_end = threading.Event()
    with socket.socket() as unconnected:
        attempt = Work(lambda: unconnected.fileno() and may_end.wait(), wanted=False)
        worker.start(attempt)
        assert attempt.has_begun.wait(60)
        worker._end()
        assert attempt.thread.is_alive()
        may_end.set()


def test_a_thread_that_is_just_made_does_not_keep_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    made = worker._Worker(Work(wanted=False))
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.current_thread(), made])
    worker._end()
    assert not made.is_alive()


def test_what_a_work_has_in_its_frames_may_be_anything() -> None:
    class Odd:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError(name)

        def waits(self) -> None:
            may_end.wait()

    may_end = threading.Event()
    attempt = Work(Odd().waits, wanted=False)
    worker.start(attempt)
    assert attempt.has_begun.wait(60)
    assert not worker.hang_up(attempt.thread.ident)
    may_end.set()


def test_an_attempt_for_which_the_client_waits_goes_on() -> None:
    ours, theirs = socket.socketpair()
    came: list[bytes] = []
    attempt = Work(lambda: came.append(ours.recv(1)))
    with ours, theirs:
        worker.start(attempt)
        assert attempt.has_begun.wait(60)
        worker._end()
        theirs.send(b"x")
        assert attempt.has_ended.wait(60)
    assert came == [b"x"]


def test_what_cannot_be_interrupted_does_not_keep_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the look-up of a name: all of them together are waited for, and not one after the other."""
    may_end = threading.Event()
    attempts = [Work(may_end.wait, wanted=False) for _ in range(8)]
    for attempt in attempts:
        worker.start(attempt)
        assert attempt.has_begun.wait(60)
    asked: list[float] = []
    monkeypatch.setattr(worker._Worker, "join", lambda _, timeout: asked.append(timeout))
    monkeypatch.setattr(worker.time, "monotonic", lambda: sum(asked))
    worker._end()
    assert sum(asked) <= 2 * worker._EACH
    assert all(attempt.thread.is_alive() for attempt in attempts)
    may_end.set()


def test_a_signal_as_a_work_is_given_does_not_hold_the_others_up() -> None:
    """Its handler raised after the work was given, and before the thread was told."""
    waiting = worker._Worker(Work())
    waiting._stop_waiting()
    assert not worker._guard.locked()


ENDS = """
import atexit, threading
atexit.register(lambda: print(threading.enumerate()))  # What is registered first is called last.
from cachedindex.lookup.deadline import call_with_deadline
def attempt():
    call_with_deadline(lambda: 1, 60.0, lambda: 60.0, lambda _: None)
atexit.register(attempt)
attempt()
"""


def test_no_thread_of_ours_is_left_as_the_process_ends() -> None:
    words = [sys.executable, "-c", ENDS]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("[<_MainThread(")
    assert "cachedindex-" not in ran.stdout
