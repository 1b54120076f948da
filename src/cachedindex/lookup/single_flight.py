"""Single flight: of the processes that miss the same page or file at once, one asks, and the others wait for it."""

from __future__ import annotations

import time

from cachedindex.errors import NotAsked, StoreUnavailable, UpstreamFailed
from cachedindex.lookup.deadline import attempt
from cachedindex.lookup.tee import Tee
from cachedindex.model import Body, Request
from cachedindex.rules import accept, layout
from cachedindex.store.locks import Lock, Locks
from cachedindex.store.store import Store

_POLL = 0.05
_LONGEST_LOCK = 5.0
"""Seconds that taking a free lock may last: on NFS with a dead lock manager it has no end, even if not to wait."""


class Flights:
    """What this process and the others are asking for; whatever goes wrong here, it asks as if it were alone."""

    def __init__(self, locks: Locks, store: Store) -> None:
        """Take where the locks are, and the store that the others fill."""
        self._locks = locks
        self._store = store
        self._usable = True
        self._proven = False

    def board(self, request: Request, timeout: float) -> Flight:
        """Return when this process is to look into the store once more, and then to ask.

        That is at once where nobody else is asking, and where this process itself is, as it must not wait for itself.
        Otherwise when the other's flight has landed, well or badly, or has been quiet for `timeout` seconds; a file's
        is not as long as the file grows. Where the other was killed, one of those who wait takes its place.
        """
        name = layout.key(request, accept.forms(request)[0])
        lock = None
        if self._usable and not self._locks.is_held_here(name):
            try:
                lock = self._board(request, name, timeout)
            except (StoreUnavailable, UpstreamFailed):  # No locking here: not worth another try, nor a word.
                self._usable = False
            except NotAsked:  # No thread to spare.
                pass
        return Flight(lock, self._locks, name)

    def _board(self, request: Request, name: str, timeout: float) -> Lock | None:
        before = self._locks.read_mark(name)
        lock = self._attempt(name)
        if lock is None:
            lock = self._wait(request, name, before, timeout)
            self._store.look_anew(request)
        return lock

    def _wait(self, request: Request, name: str, before: bytes | None, timeout: float) -> Lock | None:
        grown, moved = None, time.monotonic()
        while time.monotonic() - moved < timeout and not self._locks.is_held_here(name):
            time.sleep(_POLL)
            if self._locks.read_mark(name) != before:
                return None  # It has landed, and all of them go on, rather than one after the other.
            if lock := self._locks.try_lock(name):
                return lock
            size = self._store.growing(request)
            if size != grown:
                grown, moved = size, time.monotonic()
        return None

    def _attempt(self, name: str) -> Lock | None:
        """Try the lock; the first time in a thread, as it may hang."""
        if self._proven:
            return self._locks.try_lock(name)
        lock = attempt(lambda: self._locks.try_lock(name), lambda: _LONGEST_LOCK, _release)
        self._proven = True
        return lock


def _release(lock: Lock | None) -> None:
    if lock:
        lock.release()


class Flight:
    """One look-up that is to be asked, with its lock, or without where it goes alone."""

    def __init__(self, lock: Lock | None, locks: Locks, name: str) -> None:
        self._lock = lock
        self._locks = locks
        self._name = name

    def land(self) -> None:
        """Let those who wait go on; once."""
        lock, self._lock = self._lock, None
        if lock:
            self._locks.change_mark(self._name)
            lock.release()

    def land_with(self, body: Body) -> None:
        """Land as soon as it is settled what is stored: now, or when a body that is streamed has ended."""
        if isinstance(body, Tee):
            body.then(lambda _: self.land())
        else:
            self.land()
