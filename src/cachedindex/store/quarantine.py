"""Where files go that did not verify: somebody may want to see them, and nobody is to be served them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.store import disk

FOLDER = "quarantine-v1"
_MOST_FILES = 100
_MOST_BYTES = 100e6


class Quarantine:
    """The folder of what is damaged, below one root; it holds the newest 100 files, or 100 MB of them."""

    def __init__(self, root: Path, told: Callable[[Path], None] = lambda _: None) -> None:
        """Take the root, and who is told where a file went."""
        self._root = root
        self._folder = root / FOLDER
        self._told = told

    def take(self, path: Path, is_damaged: Callable[[], bool]) -> None:
        """Move a damaged file here; where that cannot be done it stays, and stays a miss.

        `is_damaged` looks at it once more: meanwhile another process may have put a sound one in its place.
        """
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        name = "-".join(path.relative_to(self._root).parts[1:])[-150:]
        target = self._folder / f"{moment}.{secrets.token_hex(4)}.{name}"
        # Not ours to write, full, or not to be read twice: the client is served from upstream all the same.
        with suppress(StoreUnavailable, OSError):
            if is_damaged():
                disk.move(path, target, self._root)
                self._told(target)
                self._trim()

    def _trim(self) -> None:
        for path in surplus(self._folder):
            with suppress(OSError):  # Another process has done it, or will.
                path.unlink()


def surplus(folder: Path) -> list[Path]:
    """Return the oldest files of a quarantine, beyond what it holds."""
    beyond, size = [], 0
    with suppress(OSError):  # There is no such folder, or another process deletes from it as well.
        for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
            size += path.lstat().st_size
            if number >= _MOST_FILES or size > _MOST_BYTES:
                beyond.append(path)
    return beyond
