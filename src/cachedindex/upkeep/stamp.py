"""When the cache folder was collected last: the modification time of a file in it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.store import new_file

NAME = "gc.stamp"


def write(root: Path) -> None:
    """Record that the folder was collected just now."""
    with suppress(StoreUnavailable):  # Then the next process that stores something collects as well.
        new_file.publish(root / NAME, b"", root)
