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
_MOST_IN_VAIN = 15.0
"""Seconds in all that a process waits for nothing: somebody may hold all locks for ever."""
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
        self._left = _MOST_IN_VAIN

    def enter(self, request: Request, timeout: float) -> Turn:
        """Return as soon as this process may look into the store once more, and then ask.

        That is at once if nobody else is asking, or if this process itself is, since it must not wait for itself.
        Otherwise it is when the other process has settled what is stored, or has made no progress for `timeout`
        seconds; a file makes progress as long as it grows. If the other was killed, its lock is free without a new
        mark, and one of the waiting processes takes its place. A file is waited for no longer than 15 s, since its
        reader may be the slow one, and not upstream. Nothing is waited for if that was in vain a moment ago, in
        whatever process, or if this process has waited in vain for 15 s in all. With a `timeout` of 0, the turn's
        `waited` only says whether another process is asking.
        """
        name = layout.preferred_key(request)
        lock, waited = None, 0.0
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
        return Turn(lock, waited)

    def waited_in_vain(self, request: Request, turn: Turn, *, is_absent: bool) -> None:
        """Note that nothing was stored after a wait: the next page of that repository may not be stored either.

        Other processes read it, too. But that an index does not have one page says nothing of its others.
        """
        self._left -= turn.waited
        self._vain.add(urls.repository(request.url))
        if not turn.has_lock:  # If it has, the other process was killed.
            is_one = is_absent or request.kind != "page"
            self._locks.note_vain(layout.preferred_key(request if is_one else layout.of_repository(request)))

    def _entered(self, request: Request, name: str, timeout: float) -> tuple[Lock | None, float]:
        """Return the lock, if this process has it, and how many seconds it has waited for another one."""
        lock = self._try_lock(name)
        if lock is not None or self._is_vain(request, name):
            return lock, 0.0
        began = time.monotonic()
        lock = self._wait(request, name, timeout)
        self._store.look_anew(request)
        return lock, max(time.monotonic() - began, _POLL)

    def _is_vain(self, request: Request, name: str) -> bool:
        """Return whether nothing would be stored after a wait, as far as is known."""
        if self._left <= 0 or self._locks.is_vain(name):
            return True
        if request.kind != "page":
            return False
        is_known = urls.repository(request.url) in self._vain or self._store.is_forbidden(request)
        return is_known or self._locks.is_vain(layout.preferred_key(layout.of_repository(request)))

    def _wait(self, request: Request, name: str, timeout: float) -> Lock | None:
        before = self._locks.read_mark(name)
        grown, moved = None, time.monotonic()
        longest = moved + min(max(timeout, PATIENCE_LIMIT), self._left)
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

    def __init__(self, lock: Lock | None, waited: float = 0.0) -> None:
        """Take the lock, if there is one, and the seconds for which another process was waited for."""
        self.waited = waited
        self._lock = lock

    @property
    def has_lock(self) -> bool:
        """Whether no other process may ask meanwhile."""
        return self._lock is not None

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
