"""Threads that run one work after another, and have ended before the process ends.

To make a thread takes 0.3 ms of CPU, a third of a look-up's. One that ends while OpenSSL cleans up at the end of the
process frees what that frees, and ends the process with "double free or corruption": one of 300 processes in which
sixteen threads ended in the same 10 ms (CPython 3.11, OpenSSL 3.0).
"""

from __future__ import annotations

import atexit
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Container
from contextlib import suppress
from typing import Any, Protocol

_IDLE = 0.2
"""Seconds for which a thread waits for another work: most look-ups follow each other at once."""
_LONGEST = 0.5
"""Seconds for which an exit waits for all threads together: they take some milliseconds, unless the machine is busy."""
_EACH = 0.01
"""Seconds after which a thread that has not ended may be reading from another socket."""
_idle: list[_Worker] = []
"""The threads that wait for a work."""
_guard = threading.Lock()
_own = threading.local()
"""What tells these threads from others: threading makes an object for each thread that it is asked about."""
_HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
_is_exit = False
"""Whether this process is about to end."""


class Work(Protocol):
    """What a thread does."""

    def run(self) -> bool:
        """Do it, and return whether the thread may do another one, from this moment on."""

    def ended(self) -> None:
        """Hear that it was done, or has raised."""

    def is_wanted(self) -> bool:
        """Return whether the client waits for it: then it goes on while the process ends."""


def start(work: Work) -> None:
    """Have a daemon thread do a work; RuntimeError if there is no thread to be had."""
    with _guard:
        worker = _idle.pop() if _idle else None
        if worker:
            worker.give(work)
    if worker is None:
        _Worker(work).start()


def is_one() -> bool:
    """Return whether this code runs in one of these threads."""
    return hasattr(_own, "is_one")


def dismiss() -> None:
    """End the threads that wait for a work."""
    with _guard:
        idle = _idle.copy()
        _idle.clear()
    for each in idle:
        each.give(None)


def is_exit() -> bool:
    """Return whether this process is about to end, and nothing should be begun."""
    return _is_exit


def is_cut() -> bool:
    """Return whether the connection of this thread may have been ended here, so that what has come may not be whole."""
    return _is_exit and is_one()


def hang_up(thread: int | None) -> bool:
    """End what a thread, by its identifier, waits for at its sockets; return whether there was anything to end.

    Nothing else interrupts that.
    """
    ended = False
    for each in _sockets(thread):
        with suppress(OSError):  # It has just ended, or is no connection yet.
            # Not its own shutdown: that of ssl.SSLSocket begins with the end of TLS, after which another thread would
            # send its request in plain text.
            socket.socket.shutdown(each, socket.SHUT_RDWR)
            ended = True
    return ended


def _sockets(thread: int | None) -> list[socket.socket]:
    """Return the sockets in the frames of a thread: http.client reads by a SocketIO, and httpcore by an own stream."""
    frame = sys._current_frames().get(thread or 0)  # noqa: SLF001 - its documented name
    found: list[Any] = []
    for each, _ in traceback.walk_stack(frame) if frame else ():
        names = dict(each.f_locals)
        with suppress(Exception):  # An object of the client's may be anything.
            found.append(getattr(names.get("self"), "_sock", None))
        found += names.values()  # As long as it is being connected, it is in nothing else.
    return [each for each in found if issubclass(type(each), socket.socket)]


class _Worker(threading.Thread):
    """A thread that does works until there is none for a while."""

    def __init__(self, first: Work) -> None:
        super().__init__(name="cachedindex-worker", daemon=True)
        self._work: Work | None = first
        self._given: Work | None = first
        self._has_come = threading.Lock()
        self._has_come.acquire()

    def give(self, work: Work | None) -> None:
        """Have it do another work, or end; called once, after it was taken from those that wait."""
        self._given = work
        self._has_come.release()

    def run(self) -> None:
        """Do each work that is given within a moment."""
        _own.is_one = True
        while work := self._given:
            self._work, self._given = work, None
            is_waiting = False
            try:
                is_waiting = work.run() and self._waits()
            finally:
                work.ended()
            self._work = work = None  # It holds an answer.
            if is_waiting and not self._has_come.acquire(timeout=_IDLE):
                self._stop_waiting()

    def is_wanted(self) -> bool:
        """Return whether the client waits for what it does."""
        work = self._work
        return work is not None and work.is_wanted()

    def hang_up(self) -> bool:
        """End what it waits for; return whether it ends soon then."""
        # Without the GIL, the frames of a thread must not be looked at while it runs.
        return self._work is None or (_HAS_GIL and hang_up(self.ident))

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
    """End the threads, but for those for which the client waits; called as the process ends."""
    global _is_exit  # noqa: PLW0603 - it ends once
    with _guard:
        _is_exit = True
    dismiss()
    _silence({each.ident for each in _unwanted()})
    until = time.monotonic() + _LONGEST
    # All of them at once, as one may wait for another.
    while time.monotonic() < until and (ending := [each for each in _unwanted() if each.hang_up()]):
        ending[0].join(_EACH)
    until = min(until, time.monotonic() + _EACH)
    for each in _unwanted():  # Those that waited for another one; what looks a name up is left alone.
        each.join(max(0.0, until - time.monotonic()))


def _unwanted() -> list[_Worker]:
    workers = [each for each in threading.enumerate() if isinstance(each, _Worker)]
    return [each for each in workers if each.is_alive() and not each.is_wanted()]  # One may just be started.


def _silence(threads: Container[int | None]) -> None:
    """Have nobody print what threads log as their connections end: urllib3 warns before it tries once more."""
    logging = sys.modules.get("logging")  # Without it, they log nothing.
    for handler in logging.getLogger().handlers if logging else ():
        handler.addFilter(lambda entry: entry.thread not in threads)


def _forget() -> None:
    """Forget all threads in a forked child, which has none of them."""
    global _guard  # noqa: PLW0603 - another thread of the parent may have held it
    _guard = threading.Lock()
    _idle.clear()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
