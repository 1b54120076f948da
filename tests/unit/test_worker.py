"""Threads that do one work after another, and their end."""

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
    """Begin with no thread that waits, and end those of the test."""
    worker.dismiss()
    monkeypatch.setattr(worker, "_is_exit", False)
    yield
    worker.dismiss()


class Work:
    """A work that does what a test says, and notes in which thread."""

    def __init__(self, does: Callable[[], object] = lambda: None, *, goes_on: bool = True) -> None:
        self._does = does
        self._goes_on = goes_on
        self.thread = threading.current_thread()
        self.has_ended = threading.Event()

    def run(self) -> bool:
        self.thread = threading.current_thread()
        self._does()
        return self._goes_on

    def ended(self) -> None:
        self.has_ended.set()


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


def test_a_thread_that_does_not_end_does_not_keep_the_process() -> None:
    """As one that a fork has not, of which Python was not told."""
    may_end, has_begun = threading.Event(), threading.Event()
    stuck = worker._Worker(Work(lambda: has_begun.set() or may_end.wait(), goes_on=False))
    stuck.start()
    assert has_begun.wait(60)
    worker._idle.append(stuck)
    worker._end()
    assert stuck.is_alive()
    may_end.set()
    stuck.join(60)


def test_a_work_that_is_under_way_as_the_process_ends_is_left_alone() -> None:
    may_end, has_begun = threading.Event(), threading.Event()
    work = Work(lambda: has_begun.set() or may_end.wait())
    worker.start(work)
    assert has_begun.wait(60)
    worker._end()
    assert work.thread.is_alive()
    may_end.set()
    work.thread.join(60)
    assert work.thread not in worker._idle


def test_a_work_while_the_process_ends_lets_its_thread_end() -> None:
    worker._end()
    first = thread_of()
    first.join(60)
    assert first not in worker._idle


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


def test_no_thread_waits_as_the_process_ends() -> None:
    words = [sys.executable, "-c", ENDS]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("[<_MainThread(")
    assert "cachedindex-" not in ran.stdout
