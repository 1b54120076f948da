"""Single flight: if several processes miss the same page or file at once, one asks, and the others wait for it."""

from __future__ import annotations

import time

from cachedindex.errors import DeadlinePassed, NotAsked, Shortage, StoreUnavailable
from cachedindex.lookup.deadline import call_with_deadline
from cachedindex.lookup.tee import Tee
from cachedindex.model import Body, Request
from cachedindex.options import PATIENCE_LIMIT
from cachedindex.rules import layout, urls
from cachedindex.store.locks import Lock, Locks
from cachedindex.store.store import Store

_POLL = 0.05
_LONGEST_LOCK = 5.0
"""Seconds that taking a free lock may last: with a dead lock manager on NFS, even a try without waiting hangs."""


class SingleFlight:
    """The turns of this process and the others to ask; if anything goes wrong here, it asks as if it were alone."""

    def __init__(self, locks: Locks, store: Store) -> None:
        """`store` is the one that the other processes fill."""
        self._locks = locks
        self._store = store
        self._usable = True
        self._proven = False
        self._vain: set[str] = set()
        """The repositories at which this process has waited for a page that was not stored then."""

    def enter(self, request: Request, timeout: float) -> Turn:
        """Return as soon as this process may look into the store once more, and then ask.

        That is at once if nobody else is asking, or if this process itself is, since it must not wait for itself.
        Otherwise it is when the other process has settled what is stored, or has made no progress for `timeout`
        seconds; a file makes progress as long as it grows. If the other was killed, its lock is free without a new
        mark, and one of the waiting processes takes its place. A file is waited for no longer than 15 s, since its
        reader may be the slow one, and not upstream.
        """
        name = layout.preferred_key(request)
        lock, waited = None, False
        if self._usable and not self._locks.is_held_here(name):
            try:
                lock, waited = self._entered(request, name, timeout)
            except (
                StoreUnavailable,
                DeadlinePassed,
            ):  # Without locks the build is slower at most: not tried again, not reported.
                self._usable = False
            except (NotAsked, Shortage):  # No thread to spare.
                pass
        return Turn(lock, waited=waited)

    def waited_in_vain(self, request: Request) -> None:
        """Note that nothing was stored after a wait: the next page of that repository may not be stored either."""
        self._vain.add(urls.repository(request.url))

    def _entered(self, request: Request, name: str, timeout: float) -> tuple[Lock | None, bool]:
        """Return the lock, if this process has it, and whether it has waited for another one."""
        lock = self._try_lock(name)
        if lock is not None or (request.kind == "page" and urls.repository(request.url) in self._vain):
            return lock, False
        lock = self._wait(request, name, timeout)
        self._store.look_anew(request)
        return lock, True

    def _wait(self, request: Request, name: str, timeout: float) -> Lock | None:
        before = self._locks.read_mark(name)
        grown, moved = None, time.monotonic()
        longest = moved + max(timeout, PATIENCE_LIMIT)
        while time.monotonic() < min(moved + timeout, longest) and not self._locks.is_held_here(name):
            if before is None or self._locks.read_mark(name) != before:
                return None  # It is settled: all go on at once, rather than get the lock one after the other.
            if lock := self._locks.try_lock(name):
                return lock
            size = self._store.growing(request) if request.sha256 else None
            if size != grown:
                grown, moved = size, time.monotonic()
            time.sleep(_POLL)
        return None

    def _try_lock(self, name: str) -> Lock | None:
        """Try the lock; the first time in a thread, as it may hang."""
        if self._proven:
            return self._locks.try_lock(name)
        lock = call_with_deadline(
            lambda: self._locks.try_lock(name), _LONGEST_LOCK, lambda: _LONGEST_LOCK, _give_back, "a lock"
        )
        self._proven = True
        return lock


def _give_back(lock: Lock | None) -> None:
    if lock:
        lock.release()


class Turn:
    """The right of one process to ask, with its lock, or without if it goes alone."""

    def __init__(self, lock: Lock | None, *, waited: bool = False) -> None:
        self.waited = waited
        self._lock = lock

    def settle(self) -> None:
        """Let those that wait go on; once."""
        lock, self._lock = self._lock, None
        if lock:
            lock.release()

    def settle_after(self, body: Body) -> None:
        """Settle as soon as it is known what is stored: now, or when a body that is streamed has ended."""
        if isinstance(body, Tee):
            body.when_settled(lambda _: self.settle())
        else:
            self.settle()
