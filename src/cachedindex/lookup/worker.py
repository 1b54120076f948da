"""Threads that run one work after another: to make a thread takes 0.3 ms of CPU, a third of a look-up's."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable

_IDLE = 0.2
"""Seconds for which a thread waits for another work: most look-ups follow each other at once."""
_idle: list[_Worker] = []
"""The threads that wait for one."""
_guard = threading.Lock()
_is_exit = False
"""Whether this process is about to end."""
_Given = tuple[Callable[[], bool], Callable[[], object]]
"""A work, and what is called after it."""


def start(work: Callable[[], bool], ended: Callable[[], object]) -> None:
    """Run a work in a daemon thread, and then `ended` in any case; RuntimeError if there is no thread to be had.

    If the work returns True, its thread may run another one, from before `ended` is called.
    """
    with _guard:
        worker = _idle.pop() if _idle else None
        if worker:
            worker.give((work, ended))
    if worker is None:
        _Worker((work, ended)).start()


class _Worker(threading.Thread):
    """A thread that runs works until there is none for a while."""

    def __init__(self, first: _Given) -> None:
        super().__init__(name="cachedindex-attempt", daemon=True)
        self._given: _Given | None = first
        self._has_come = threading.Lock()
        self._has_come.acquire()

    def give(self, given: _Given | None) -> None:
        """Have it run another work, or end; called once, after it was taken from those that wait."""
        self._given = given
        self._has_come.release()

    def run(self) -> None:
        """Run each work that is given within a moment."""
        while self._given:
            (work, ended), self._given = self._given, None
            is_waiting = False
            try:
                is_waiting = work() and self._waits()
            finally:
                ended()
            del work, ended  # They hold an answer.
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
            elif self._given:  # It has come at the last moment.
                self._has_come.acquire()


def _dismiss() -> None:
    """End the threads that wait, and wait for that.

    A thread that ends while OpenSSL cleans up at the end of the process frees what that frees, which ends the process
    with "double free or corruption".
    """
    global _is_exit  # noqa: PLW0603 - as the process ends once
    with _guard:
        _is_exit = True
        idle = _idle.copy()
        _idle.clear()
    for worker in idle:
        worker.give(None)
        worker.join()


def _forget() -> None:
    """Forget all threads in a forked child, which has none of them."""
    global _guard  # noqa: PLW0603 - another thread of the parent may have held it
    _guard = threading.Lock()
    _idle.clear()


atexit.register(_dismiss)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
