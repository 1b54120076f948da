"""A total deadline around work that cannot be interrupted: at the deadline the caller goes on, and so does the work."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from cachedindex.errors import DeadlinePassed, NotAsked, Shortage
from cachedindex.lookup import worker

T = TypeVar("T")

CONNECTS = ("connect", "_connect")
"""The method in which http.client, and so urllib and every urllib3, looks a name up, connects, passes a proxy, and
shakes hands for TLS; and that of httpcore, in which httpx does so (httpcore 1.0, httpcore2 2.16)."""
_MOST_LEFT = 8
"""Attempts at one place that may be waiting for an answer when nobody waits for them any more."""
_LONGEST = 60.0
"""Seconds after which such an attempt is ended: an answer that drips would take its place for hours."""
_left: defaultdict[str, list[_Job[Any]]] = defaultdict(list)
"""Those attempts, by place. One that somebody waits for is none of them: there are no more of these than callers."""
_guard = threading.Lock()
_working = threading.local()
"""The job of each thread that has one."""


def _forget_threads() -> None:
    """Forget all attempts in a forked child, which has none of their threads."""
    global _guard  # noqa: PLW0603 - another thread of the parent may have held it
    _guard = threading.Lock()
    _left.clear()


def _expect_fork() -> None:
    """Have Python not warn of a fork beside threads of ours alone, which the program knows nothing of.

    Python 3.12 and later say that a child may deadlock, by what its parent's threads hold: our attempts hold nothing
    that it needs. With `-W error`, os.fork() raises this after it has forked.
    """
    others = [thread for thread in threading.enumerate() if thread.ident != threading.get_ident()]
    if others and all(thread.name.startswith("cachedindex-") for thread in others):
        import warnings  # noqa: PLC0415 - for such a fork only

        warnings.filterwarnings("ignore", r"This process \(pid=\d+\) is multi-threaded", DeprecationWarning)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_expect_fork, after_in_child=_forget_threads)


def call_with_deadline(
    work: Callable[[], T],
    seconds: float,
    extended: Callable[[], float],
    late: Callable[[T], object],
    place: str = "",
) -> T:
    """Return what `work` returns, or raise what it raises, or DeadlinePassed after so many seconds in all.

    Only a thread bounds name look-up, connection, TLS and a dripping body alike. It is a daemon, so it never delays the
    exit. When the seconds have passed, `extended` returns how many there are now: meanwhile, a late answer to another
    attempt may have shown that this upstream is slow, but not dead. A result that comes after the caller has gone on
    is passed to `late`, in the thread. Raises NotAsked if too many attempts at the same `place` were left to themselves
    and still wait; Shortage if this machine has no thread to spare.
    """
    if len(_still_waiting(place)) >= _MOST_LEFT:
        raise NotAsked(f"{_MOST_LEFT} attempts were still waiting for an answer")
    job = _Job(work, late)
    try:
        worker.start(job)
    except (RuntimeError, MemoryError) as error:  # No more threads here, or the interpreter is on its way out.
        raise Shortage(f"there was no thread to ask with: {error}", error) from error
    started = time.monotonic()
    try:
        while not job.done.acquire(timeout=max(0.0, seconds - (time.monotonic() - started))):
            seconds = extended()
            if time.monotonic() - started >= seconds and job.give_up():
                with _guard:
                    _left[place].append(job)
                connected = not _connects(job.thread)
                raise DeadlinePassed(f"no answer within {seconds:g} s", url=job.url, connected=connected)
    except BaseException:  # It was interrupted, too.
        job.give_up()
        raise
    return job.result()


def asking(url: str) -> None:
    """Note what this thread asks for next, for whoever waits for it: a redirect may have led there."""
    job: _Job[Any] | None = getattr(_working, "job", None)
    if job:
        job.url = url


class _Job(Generic[T]):
    """The state that the thread and its caller share."""

    def __init__(self, work: Callable[[], T], late: Callable[[T], object]) -> None:
        self._work = work
        self._late = late
        self._lock = threading.Lock()
        self._value: list[T] = []
        self._error: BaseException | None = None
        self.given_up: float | None = None
        """When its caller went on, by time.monotonic()."""
        self.has_come = False
        """Whether the work is done, if only to be passed to `late`."""
        self.done = threading.Lock()
        """Released at the end; an Event would take three locks more."""
        self.done.acquire()
        self.thread: int | None = None
        self.url = ""

    def run(self) -> bool:
        """Do the work; return False if the job was given up: whoever ends it may come late, and must end no other."""
        self.thread = threading.get_ident()
        _working.job = self
        try:
            value = self._work()
            if not self._handed_over(value):
                self._late(value)
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread, or too late for anybody
            self._error = error
        finally:
            self.has_come = True
            _working.job = None
        return self.given_up is None

    def ended(self) -> None:
        self.done.release()

    def give_up(self) -> bool:
        """Leave the result to `late`; False if it has just come."""
        with self._lock:
            if not self._value and self._error is None:
                self.given_up = time.monotonic()
            return self.given_up is not None

    def result(self) -> T:
        if self._error:
            raise self._error
        return self._value[0]

    def _handed_over(self, value: T) -> bool:
        with self._lock:
            self.has_come = True
            if self.given_up is None:
                self._value.append(value)
            return self.given_up is None


def _still_waiting(place: str) -> list[_Job[Any]]:
    """Return the attempts at a place that were left and have no answer yet; end those that have none for long."""
    with _guard:
        waiting = [job for job in _left.pop(place, ()) if not job.has_come]
        overdue = [job for job in waiting if time.monotonic() - (job.given_up or 0.0) >= _LONGEST]
        waiting = [job for job in waiting if job not in overdue]
        if waiting:
            _left[place] = waiting
    for job in overdue:
        _hang_up(job.thread)
    return waiting


def _connects(thread: int | None) -> bool:
    """Return whether a thread, by its identifier, is just making a connection."""
    frame = sys._current_frames().get(thread or 0)  # noqa: SLF001 - its documented name
    return frame is not None and any(each.f_code.co_name in CONNECTS for each, _ in traceback.walk_stack(frame))


def _hang_up(thread: int | None) -> None:
    """End what a thread reads from its socket: nothing else interrupts that.

    http.client reads by a SocketIO, and httpcore by a stream of its own.
    """
    frame = sys._current_frames().get(thread or 0)  # noqa: SLF001 - its documented name
    readers = [each.f_locals.get("self") for each, _ in traceback.walk_stack(frame)] if frame else []
    for reader in readers:
        connection = getattr(reader, "_sock", None)  # No other way leads to it.
        if isinstance(connection, socket.socket):
            with suppress(OSError):  # It has just ended.
                # Not its own shutdown: that of ssl.SSLSocket begins with the end of TLS, after which the other thread
                # would go on in plain text.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
