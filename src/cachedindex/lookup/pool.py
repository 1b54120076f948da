"""Works that run in threads beside the client's: no more at once than upstream has shown that it can take."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from cachedindex.lookup import worker

_COMFORT = 1.0
"""Seconds. A server that answers one request at a time takes longer the more there are; so many at once must not let
any of them come near the default timeout of 3 s."""
_FIRST = 4
"""As many at once until some have been answered quickly: sixteen pages of 100 kB share a line of 4 Mbit/s for 3 s."""


class Pool:
    """Daemon threads that never delay an exit. It runs nothing before it is started."""

    def __init__(self, most: int) -> None:
        """`most` is how many works may run at once at all."""
        self._most = most
        self._width = 0
        self._running = 0
        self._waiting: deque[Callable[[], object]] = deque()
        self._guard = threading.Lock()

    def start(self, took: float) -> None:
        """Begin to run what waits, given how many seconds an answer has taken."""
        with self._guard:
            self._width = max(1, min(_FIRST, self._most, int(_COMFORT / max(took, 0.001))))
            self._fill()

    def add(self, work: Callable[[], object], *, first: bool = False) -> None:
        """Have a work run in its turn, or before all others; it must not raise."""
        with self._guard:
            (self._waiting.appendleft if first else self._waiting.append)(work)
            self._fill()

    def felt(self, took: float) -> None:
        """Run more at once after a quick answer, and fewer after a slow one; `took` is in seconds."""
        with self._guard:
            if self._width:
                self._width = min(self._most, self._width + 1) if took < _COMFORT else max(1, self._width // 2)
                self._fill()

    def clear(self) -> None:
        """Forget what waits."""
        with self._guard:
            self._waiting.clear()

    def _fill(self) -> None:
        for _ in range(min(len(self._waiting), self._width - self._running)):
            try:
                worker.start(self)
            except (RuntimeError, MemoryError):  # No thread to spare, or the interpreter is on its way out.
                self._width = 0
                self._waiting.clear()
                return
            self._running += 1

    def run(self) -> bool:
        """Run what waits, in a thread; True, as that is free for other works then."""
        while work := self._next():
            work()
        return True

    def ended(self) -> None:
        """Do nothing more."""

    def _next(self) -> Callable[[], object] | None:
        with self._guard:
            if self._waiting and self._running <= self._width:
                return self._waiting.popleft()
            self._running -= 1
            return None
