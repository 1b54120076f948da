"""Has the cache folder collected once an hour, beside a process that stores there and waits for nothing."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.store import disk

_STAMP = "gc.stamp"
_EVERY = 3600.0


class Upkeep:
    """The collections of one process."""

    def __init__(self, root: Path, shared: Path, limit: float, idle: float) -> None:
        """Take the cache folder, the one that holds locks and health, and the bounds in bytes and in seconds."""
        self._root = root
        self._shared = shared
        self._limit = limit
        self._idle = idle
        self.thread: threading.Thread | None = None

    def stored(self, path: Path) -> None:
        """Collect, where the last time was an hour before this file was written.

        The thread is a daemon: one that hangs in a network mount, or is not done when the build is, dies with the
        process. What it deleted until then was right to go, and the next store goes on.
        """
        if (self.thread and self.thread.is_alive()) or not self._is_due(path):
            return
        self.thread = threading.Thread(target=self._collect, name="cachedindex-gc", daemon=True)
        with suppress(RuntimeError):  # No thread to spare, or the interpreter is on its way out: another store will do.
            self.thread.start()

    def _is_due(self, path: Path) -> bool:
        try:
            # By the clock of the file system alone, which on a network mount is not this host's.
            return abs(path.stat().st_mtime - (self._root / _STAMP).stat().st_mtime) > _EVERY
        except OSError:  # Nobody collected yet, and a folder that is new need not be in its first hour.
            stamp(self._root)
            return False

    def _collect(self) -> None:
        # Whatever it is, the build goes on and nobody waits for this; `cachedindex gc` tells what is wrong.
        with suppress(Exception):
            from cachedindex.upkeep import gc  # noqa: PLC0415 - 4 ms, once an hour

            gc.collect(self._root, self._shared, self._limit, self._idle)


def stamp(root: Path) -> None:
    """Note that the folder was collected just now."""
    with suppress(StoreUnavailable):  # Then the next process to store collects as well.
        disk.publish(root / _STAMP, b"", root)
