"""Locks between processes. They only save work: whoever gets none goes on without it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cachedindex.store import disk

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]

FOLDER = "locks-v1"


@contextmanager
def trying(path: Path, root: Path) -> Iterator[bool]:
    """Hold a lock for a block; yield False at once where another process holds it.

    Where none can be had, for want of rights, space or a lock server, it is True: then two may do the same work.
    """
    try:
        descriptor = disk.open_shared(path, os.O_RDWR, root)  # On NFS a lock wants a file that is open for writing.
    except OSError:
        yield True
        return
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # A network file system without locks.
        return True
    return True
