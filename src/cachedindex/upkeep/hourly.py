"""Has the cache folder collected once an hour, by a process that has just stored something.

Only storing makes the folder grow, and every client stores. Nobody waits for it, as somebody would at the end of a run.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

from cachedindex.upkeep import stamp

_EVERY = 3600.0


class Upkeep:
    """The collections of one process."""

    def __init__(self, root: Path, shared: Path, limit: float, idle: float) -> None:
        """`shared` is the folder that holds locks and health; `limit` is in bytes, `idle` in seconds."""
        self._root = root
        self._shared = shared
        self._limit = limit
        self._idle = idle
        self.thread: threading.Thread | None = None
        self._next = 0.0
        """Until then by the monotonic clock, no other one is started here: another process may be at it for long."""

    def stored(self, path: Path) -> None:
        """Start a collection if the last one was an hour before this file was written.

        A thread starts it and waits for it, since this process must not leave a child that nobody waits for. It is a
        daemon: if it collects itself and is not done when the build is, it dies with the process. Each deletion stands
        for itself, and the next process that stores something goes on there.
        """
        if time.monotonic() < self._next or not self._is_due(path):
            return
        self._next = time.monotonic() + _EVERY
        self.thread = threading.Thread(target=self._collect, name="cachedindex-gc", daemon=True)
        with suppress(RuntimeError):  # No thread is left, or the interpreter is about to exit: a later one collects.
            self.thread.start()

    def _is_due(self, path: Path) -> bool:
        try:
            # By the clock of the file system alone, which on a network mount is not this host's.
            return abs(path.stat().st_mtime - (self._root / stamp.NAME).stat().st_mtime) > _EVERY
        except OSError:  # There was no collection yet, and a new folder can wait for an hour.
            stamp.write(self._root)
            return False

    def _collect(self) -> None:
        # The build goes on after any error, and nobody waits for this; `cachedindex gc` reports it.
        with suppress(Exception):
            from cachedindex.upkeep import background, gc  # noqa: PLC0415 - 4 ms, once an hour

            bounds = (self._root, self._shared, self._limit, self._idle)
            if not background.collect(*bounds) and gc.collect(*bounds, resume=True):
                stamp.write(self._root)
