"""The folder of damaged files: somebody may want to examine them, and no client is served them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.store import disk, system

FOLDER = "quarantine-v1"
_MOST_FILES = 100
_MOST_BYTES = 100e6


class Quarantine:
    """The damaged files below one root: the newest 100 of them, or 100 MB."""

    def __init__(self, root: Path, isolated: Callable[[Path], None] = lambda _: None) -> None:
        """`isolated` is called with the new path of each file that was moved here."""
        self._root = root
        self._folder = root / FOLDER
        self._isolated = isolated

    def isolate(self, path: Path, is_damaged: Callable[[], bool]) -> None:
        """Move a damaged file here; if that is not possible, it stays, and stays a miss.

        `is_damaged` reads it once more: meanwhile another process may have put a sound one in its place.
        """
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        target = self._folder / f"{moment}.{os.urandom(4).hex()}.{name_of(self._root, path)}"
        # No right to write, no space, or a second read that fails: the client is served from upstream all the same.
        with suppress(StoreUnavailable, OSError):
            if is_damaged():
                disk.move(path, target, self._root)
                self._isolated(target)
                self._trim()

    def _trim(self) -> None:
        for path in surplus(self._folder):
            with suppress(OSError):  # Another process has deleted it, or will.
                system.files.unlink(path)


def name_of(root: Path, path: Path) -> str:
    """Return the end of the name that a file below a root has in the quarantine, after the time and a random part."""
    return "-".join(path.relative_to(root).parts[1:])[-150:]


def surplus(folder: Path) -> list[Path]:
    """Return the oldest files of a quarantine, beyond the number and the bytes that it holds."""
    beyond, size = [], 0
    with suppress(OSError):  # There is no such folder, or another process deletes from it as well.
        for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
            size += path.lstat().st_size
            if number >= _MOST_FILES or size > _MOST_BYTES:
                beyond.append(path)
    return beyond
