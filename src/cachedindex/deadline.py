"""A total deadline around work that cannot be interrupted: at the deadline the caller goes on, and so does the work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from cachedindex.errors import UpstreamFailed

T = TypeVar("T")

_MOST_THREADS = 8
_alive = threading.BoundedSemaphore(_MOST_THREADS)


def attempt(work: Callable[[], T], patience: Callable[[], float]) -> T:
    """Return what `work` returns, or raise what it raises, or UpstreamFailed after `patience()` seconds in all.

    Only a thread bounds everything: name look-up, connection, TLS, a body that drips. It is a daemon, so that a hanging
    one never delays the exit. The patience is asked for again when it has run out: an answer that another attempt got
    late may have taught meanwhile that this upstream is slow, but not dead.
    """
    if not _alive.acquire(blocking=False):
        raise UpstreamFailed(f"{_MOST_THREADS} attempts are still waiting for an answer")
    job = _Job(work)
    try:
        threading.Thread(target=job.run, name="cachedindex-attempt", daemon=True).start()
    except RuntimeError as error:  # No more threads on this machine, or the interpreter is on its way out.
        _alive.release()
        raise UpstreamFailed(f"no thread to ask with: {error}") from error
    started = time.monotonic()
    while not job.done.wait(max(0.0, (allowed := patience()) - (time.monotonic() - started))):
        if time.monotonic() - started >= patience():
            raise UpstreamFailed(f"no answer within {allowed:g} s")
    return job.result()


class _Job(Generic[T]):
    """What the thread and its caller share."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._value: list[T] = []
        self._error: BaseException | None = None
        self.done = threading.Event()

    def run(self) -> None:
        try:
            self._value.append(self._work())
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread, or comes too late for anybody
            self._error = error
        finally:
            self.done.set()
            _alive.release()

    def result(self) -> T:
        if self._error:
            raise self._error
        return self._value[0]
