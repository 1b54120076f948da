"""Threads that run one work after another."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from cachedindex.lookup import worker


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin with no thread, and end those of the test."""
    monkeypatch.setattr(worker, "_idle", [])
    yield
    for each in worker._idle:
        each.give(None)


def thread_of(*, goes_on: bool = True, also: Callable[[], object] = lambda: None) -> threading.Thread:
    """Return the thread in which a work ran, whose thread may run another one then or not."""
    ran, has_ended = [], threading.Event()

    def work() -> bool:
        ran.append(threading.current_thread())
        also()
        return goes_on

    worker.start(work, has_ended.set)
    assert has_ended.wait(60)
    return ran[0]


def test_works_that_follow_each_other_share_a_thread() -> None:
    assert thread_of() is thread_of()


def test_works_at_the_same_time_do_not() -> None:
    others: list[threading.Thread] = []
    assert thread_of(also=lambda: others.append(thread_of())) is not others[0]


def test_a_thread_ends_if_no_work_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_IDLE", 0.01)
    thread_of().join(60)
    assert not worker._idle


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

    thread_of(also=fail).join(60)
    assert [type(each) for each in said] == [KeyError]


@pytest.mark.parametrize("comes", ["a work", "the end of the process", "nothing"])
def test_what_comes_as_a_thread_stops_waiting(comes: str) -> None:
    """The time is up, and before the thread is no longer among those that wait, somebody takes it."""
    waiting = worker._Worker((bool, bool))
    waiting._given = None
    worker._idle.append(waiting)
    if comes != "nothing":
        worker._idle.remove(waiting)
        waiting.give((bool, bool) if comes == "a work" else None)
    waiting._stop_waiting()
    assert (waiting._given is not None) is (comes == "a work")
    assert worker._idle == []
    assert waiting._has_come.locked() is (comes != "the end of the process"), "nothing comes a second time"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # By other tests' threads.
@pytest.mark.skipif(not hasattr(os, "fork"), reason="SKIPPED: this system has no fork")
def test_a_fork_beside_a_thread_that_waits_makes_its_own() -> None:
    first = thread_of()
    assert worker._idle
    child = os.fork()
    if child == 0:
        os._exit(42 if thread_of() is not first else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42


ENDS = """
import atexit, threading
atexit.register(lambda: print(threading.enumerate()))  # What is registered first is called last.
from cachedindex.lookup import worker
def work():
    has_ended = threading.Event()
    worker.start(lambda: True, has_ended.set)
    has_ended.wait()
atexit.register(work)
work()
"""


def test_no_thread_waits_as_the_process_ends() -> None:
    """One that ended while OpenSSL cleaned up ended one process of 300 with "double free or corruption"."""
    words = [sys.executable, "-c", ENDS]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("[<_MainThread(")
    assert "cachedindex-" not in ran.stdout


def test_a_work_while_the_process_ends_lets_its_thread_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_is_exit", True)
    thread_of().join(60)
    assert not worker._idle
