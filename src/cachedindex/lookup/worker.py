"""Threads that run one work after another; those that wait for one have ended before the process ends.

To make a thread takes 0.3 ms of CPU, a third of a look-up's. One that ends while OpenSSL cleans up at the end of the
process frees what that frees, and ends the process with "double free or corruption": one of 300 processes in which
sixteen threads ended in the same 10 ms (CPython 3.11, OpenSSL 3.0).
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import Protocol

_IDLE = 0.2
"""Seconds for which a thread waits for another work: most look-ups follow each other at once."""
_idle: list[_Worker] = []
"""The threads that wait for a work."""
_guard = threading.Lock()
_is_exit = False
"""Whether this process is about to end."""


class Work(Protocol):
    """What a thread does."""

    def run(self) -> bool:
        """Do it, and return whether the thread may do another one, from this moment on."""

    def ended(self) -> None:
        """Hear that it was done, or has raised."""


def start(work: Work) -> None:
    """Have a daemon thread do a work; RuntimeError if there is no thread to be had."""
    with _guard:
        worker = _idle.pop() if _idle else None
        if worker:
            worker.give(work)
    if worker is None:
        _Worker(work).start()


def dismiss() -> None:
    """End the threads that wait for a work, and wait for that."""
    with _guard:
        idle = _idle.copy()
        _idle.clear()
    for each in idle:
        each.give(None)
    for each in idle:
        each.join(_IDLE)  # Long enough; a fork that Python was not told of has none of these threads.


class _Worker(threading.Thread):
    """A thread that does works until there is none for a while."""

    def __init__(self, first: Work) -> None:
        super().__init__(name="cachedindex-worker", daemon=True)
        self._given: Work | None = first
        self._has_come = threading.Lock()
        self._has_come.acquire()

    def give(self, work: Work | None) -> None:
        """Have it do another work, or end; called once, after it was taken from those that wait."""
        self._given = work
        self._has_come.release()

    def run(self) -> None:
        """Do each work that is given within a moment."""
        while work := self._given:
            self._given = None
            is_waiting = False
            try:
                is_waiting = work.run() and self._waits()
            finally:
                work.ended()
            work = None  # It holds an answer.
            if is_waiting and not self._has_come.acquire(timeout=_IDLE):
                self._stop_waiting()

    def _waits(self) -> bool:
        with _guard:
            if not _is_exit:
                _idle.append(self)
            return not _is_exit

    def _stop_waiting(self) -> None:
        """Take this one from those that wait, unless somebody else just has."""
        with _guard:
            if self in _idle:
                _idle.remove(self)
            elif self._given:  # It has come at the last moment; all of it, unless a signal's handler has raised.
                self._has_come.acquire(blocking=False)


def _end() -> None:
    """End the threads that wait for a work, as the process ends; the others end with it, wherever they are."""
    global _is_exit  # noqa: PLW0603 - it ends once
    with _guard:
        _is_exit = True
    dismiss()


def _forget() -> None:
    """Forget all threads in a forked child, which has none of them."""
    global _guard  # noqa: PLW0603 - another thread of the parent may have held it
    _guard = threading.Lock()
    _idle.clear()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
