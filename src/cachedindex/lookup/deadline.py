"""A total deadline around work that cannot be interrupted: at the deadline the caller goes on, and so does the work."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from cachedindex.errors import DeadlinePassed, NotAsked
from cachedindex.lookup import connection

T = TypeVar("T")

_MOST_THREADS = 8
_free = threading.BoundedSemaphore(_MOST_THREADS)
_working = threading.local()
"""The job of each thread that has one."""


def _forget_threads() -> None:
    """Free all places in a forked child, which has none of the threads that hold them."""
    global _free  # noqa: PLW0603 - a fork copies the module, not the threads
    _free = threading.BoundedSemaphore(_MOST_THREADS)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def call_with_deadline(
    work: Callable[[], T], seconds: float, extended: Callable[[], float], late: Callable[[T], object]
) -> T:
    """Return what `work` returns, or raise what it raises, or DeadlinePassed after so many seconds in all.

    Only a thread bounds name look-up, connection, TLS and a dripping body alike. It is a daemon, so it never delays the
    exit. When the seconds have passed, `extended` returns how many there are now: meanwhile, a late answer to another
    attempt may have shown that this upstream is slow, but not dead. A result that comes after the caller has gone on
    is passed to `late`, in the thread. Raises NotAsked if this machine has no thread to spare.
    """
    if not _free.acquire(timeout=seconds):
        raise NotAsked(f"{_MOST_THREADS} attempts were still waiting for an answer")
    job = _Job(work, late)
    try:
        threading.Thread(target=job.run, name="cachedindex-attempt", daemon=True).start()
    except RuntimeError as error:  # No more threads on this machine, or the interpreter is on its way out.
        _free.release()
        raise NotAsked(f"there was no thread to ask with: {error}") from error
    started = time.monotonic()
    while not job.done.wait(max(0.0, seconds - (time.monotonic() - started))):
        seconds = extended()
        if time.monotonic() - started >= seconds and job.give_up():
            connected = not connection.is_missing(job.thread)
            raise DeadlinePassed(f"no answer within {seconds:g} s", url=job.url, connected=connected)
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
        self._place = _free
        self._given_up = False
        self._value: list[T] = []
        self._error: BaseException | None = None
        self.done = threading.Event()
        self.thread: int | None = None
        self.url = ""

    def run(self) -> None:
        self.thread = threading.get_ident()
        _working.job = self
        try:
            value = self._work()
            if not self._handed_over(value):
                self._late(value)
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread, or too late for anybody
            self._error = error
        finally:
            self.done.set()
            self._place.release()

    def give_up(self) -> bool:
        """Leave the result to `late`; False if it has just come."""
        with self._lock:
            self._given_up = not self._value and self._error is None
            return self._given_up

    def result(self) -> T:
        if self._error:
            raise self._error
        return self._value[0]

    def _handed_over(self, value: T) -> bool:
        with self._lock:
            if not self._given_up:
                self._value.append(value)
            return not self._given_up
