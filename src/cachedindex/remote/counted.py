"""Counts what becomes of the objects of one phase, which several threads ask for and send."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError, as_completed  # noqa: A004 - another one in 3.10
from typing import TypeVar

from cachedindex.errors import StoreUnavailable
from cachedindex.model import NOT_STORED, Phase, RemoteUse
from cachedindex.remote.objects import Unanswered
from cachedindex.upkeep.adding import TooMuch

T = TypeVar("T")

_MOST_FAILURES = 3
"""So many objects are failed for before the rest is left: one that a store cannot read says little of the others."""


class Counted:
    """The use of a remote in one phase, up to a moment."""

    def __init__(self, place: str, phase: Phase, until: float) -> None:
        """`until` is on the clock of `time.monotonic`, which is the same in all processes of a host."""
        self._guard = threading.Lock()
        self._until = until
        self._use = RemoteUse(place, phase)
        self._waits: list[float] = []
        self._failures: list[str] = []

    @property
    def rest(self) -> float:
        """The seconds that are left."""
        return max(self._until - time.monotonic(), 0.0)

    @property
    def use(self) -> RemoteUse:
        """What it comes to so far."""
        with self._guard:
            waits = sorted(self._waits)
            return self._use._replace(latency=waits[len(waits) // 2] if waits else 0.0)

    def add(self, **counts: int) -> None:
        """Add to the counts of these names."""
        with self._guard:
            self._use = self._use._replace(**{each: getattr(self._use, each) + more for each, more in counts.items()})

    def answered(self, ask: Callable[[], T]) -> T:
        """Return what a function gets as an answer, and note how long that took."""
        began = time.monotonic()
        answer = ask()
        with self._guard:
            self._waits.append(time.monotonic() - began)
        return answer

    def fail(self, why: str) -> None:
        """Note why the remote, or the own folder, is of no use any more; the first reason stays."""
        with self._guard:
            self._use = self._use._replace(problem=self._use.problem or why)

    def each(self, work: Iterable[Callable[[], object]], at_once: int) -> None:
        """Do pieces of work in threads, in their order, until there is no time left, or too many of them failed.

        What is not done is counted as left. A thread that still waits for an answer is left alone.
        """
        pool = ThreadPoolExecutor(at_once)
        futures = [pool.submit(self._done, piece) for piece in work]
        try:
            for _ in as_completed(futures, self.rest):
                if len(self._failures) >= _MOST_FAILURES:
                    break
        except TimeoutError:
            self._failures.append("does not answer in time")
        pool.shutdown(wait=False, cancel_futures=True)
        done = sum(map(_is_done, futures))
        self.add(left=len(futures) - done)
        if self._failures and (not done or len(self._failures) >= _MOST_FAILURES):
            self.fail(self._failures[0])

    def _done(self, piece: Callable[[], object]) -> bool:
        """Do one piece; return whether nothing failed."""
        try:
            piece()
        except Unanswered as error:
            self._failures.append(str(error))
        except TooMuch:
            self._failures += ["has more than max-size allows"] * _MOST_FAILURES
        except StoreUnavailable as error:
            if error.is_known:  # Another user's part of the folder: the rest can be stored.
                return True
            self._failures += [f"{NOT_STORED}: {error}"] * _MOST_FAILURES
        except Exception as error:  # noqa: BLE001 - it is ours, and one object must not cost all the others
            self._failures.append(f"is not understood: internal error, {type(error).__name__}")
        else:
            return True
        return False


def _is_done(future: Future[bool]) -> bool:
    return future.done() and not future.cancelled() and future.result()
