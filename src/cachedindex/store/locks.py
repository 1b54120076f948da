"""Locks between processes. Most save work; one has the newer of two records stay."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.store import disk, folder, system

FOLDER = "locks-v1"
_TRIES = 5
"""Times to open a lock's file which its last holder removes meanwhile."""
_POLL = 0.005
_LONGEST_TURN = 2.0
"""Seconds to wait until another process has replaced a file, which takes milliseconds."""
_turns_left = 10.0
"""Seconds that this process still waits in all for files to be replaced."""
_VAIN_FOR = 120.0
"""Seconds for which it is known that it was in vain to wait for a lock."""
_held: set[Path] = set()
"""The locks of this process, which must not wait for itself: neither in one thread nor in two."""
_guard = threading.Lock()


class Locks:
    """The locks of one folder, which is made with the first of them."""

    def __init__(self, folder: Path, root: Path) -> None:
        """`root` is the cache folder whose mode is the policy for the locks' folder."""
        self._folder = folder
        self._root = root

    def is_held_here(self, name: str) -> bool:
        """Return whether this very process holds a lock, or is just trying it."""
        return self._path(name) in _held

    def try_lock(self, name: str) -> Lock | None:
        """Return the lock without waiting, or None if it is held; StoreUnavailable if there is no locking here."""
        path = self._path(name)
        with _guard:  # Only for the set, since the system's own locking may hang.
            if path in _held:
                return None
            _held.add(path)
        release = None
        try:
            with disk.failing_as_unavailable("lock in", self._folder):
                release = self._acquire(path)
        finally:
            if release is None:
                _held.discard(path)
        return Lock(path, release) if release else None

    def read_mark(self, name: str) -> tuple[int, int] | None:
        """Return what changes as soon as the holder of a lock is done, well or badly; None if nobody holds it.

        A holder that was killed leaves the mark as it is.
        """
        disk.look_anew(self._folder)
        try:
            status = self._path(name).stat()
        except OSError:  # An unreadable mark is as good as none.
            return None
        return status.st_ino, status.st_mtime_ns  # A number alone may be given again at once.

    def note_vain(self, name: str) -> None:
        """Note for the other processes that it is in vain to wait for a lock of this name."""
        with suppress(StoreUnavailable, OSError):  # Another user's note, or no right to write: each finds out.
            descriptor = _opened(self._vain_path(name), self._root)
            try:
                os.utime(descriptor if os.utime in os.supports_fd else self._vain_path(name))
            finally:
                os.close(descriptor)

    def is_vain(self, name: str) -> bool:
        """Return whether that was noted a moment ago."""
        try:
            return abs(time.time() - self._vain_path(name).stat().st_mtime) < _VAIN_FOR
        except OSError:
            return False

    def _acquire(self, path: Path) -> Callable[[], None] | None:
        """Return the function that releases the lock; None if another process holds it."""
        folder.make(self._root)
        for _ in range(_TRIES):
            # On NFS a lock requires a file that is open for writing. Made here, with the modes of the cache folder.
            descriptor = _opened(path, self._root)
            made = os.fstat(descriptor).st_ino
            release = _locked(descriptor)
            if release is None:
                return None
            with suppress(FileNotFoundError):
                if path.stat().st_ino == made:
                    return partial(_removed, path, release, os.getpid())
            release()  # Its last holder has removed it since it was opened.
        return None

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.flight"

    def _vain_path(self, name: str) -> Path:
        return self._folder / f"{name}.vain"


class Lock:
    """A lock that this process holds; the end of the process releases it as well, even if it is killed."""

    def __init__(self, path: Path, release: Callable[[], None]) -> None:
        self._path = path
        self._release = release

    def release(self) -> None:
        """Release it, once, from any thread."""
        with suppress(OSError):  # The processes that wait do so for a limited time only.
            self._release()
        with _guard:
            _held.discard(self._path)


@contextmanager
def holding(path: Path, root: Path) -> Iterator[bool]:
    """Hold a lock for a block; yield False at once if another process holds it.

    If there can be no lock, for lack of rights, space or a lock server, it yields True: two may do the same work.
    """
    try:
        release = _locked(_opened(path, root))
    except OSError:
        yield True
        return
    try:
        yield release is not None
    finally:
        if release:
            with suppress(OSError):  # As on a lock server that is gone; the file is closed all the same.
                release()


@contextmanager
def replacing(path: Path) -> Iterator[None]:
    """Be the only one to replace a file for a short block, or one of several if there can be no lock.

    The lock is a new file beside it: all file systems have that, between hosts as well, and none hangs in it, as NFS
    may in flock. A killed process leaves it; the next one waits for it in vain, and removes it.
    """
    global _turns_left  # noqa: PLW0603 - one for the whole process
    lock = path.parent / f".{path.name}.lock.tmp"
    began = time.monotonic()
    end = began + min(_LONGEST_TURN, _turns_left)
    while (is_ours := _made(lock)) is False and time.monotonic() < end:
        time.sleep(_POLL)
    waited = time.monotonic() - began
    _turns_left -= waited
    try:
        yield
    finally:
        if is_ours or waited >= _LONGEST_TURN:
            with suppress(OSError):  # Then it is a stray, in an hour.
                system.files.unlink(lock)


def _made(lock: Path) -> bool | None:
    """Return whether the lock was made; False if another process has it, None if there is no right or space for one.

    Only the error says which: the lock of another process may be gone a moment later.
    """
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    except PermissionError:
        return False if system.IS_WINDOWS else None  # There another process is just removing it.
    except OSError:
        return None
    return True


def _opened(path: Path, root: Path) -> int:
    """Open a lock's file, which is closed to those who may only read the folder: flock(2) takes no right to write."""
    return disk.open_shared(path, os.O_RDWR, root, most=0o660 if root.stat().st_mode & stat.S_IWGRP else 0o600)


def _removed(path: Path, release: Callable[[], None], process: int) -> None:
    """Remove a lock's file while it is held, by the process that took it, and release it.

    Where an open file cannot be removed, that comes last, and those who wait see by its time that it is released.
    """
    is_ours = os.getpid() == process
    with suppress(OSError):  # Then it is a stray, in a week.
        if is_ours:
            (os.utime if system.IS_WINDOWS else os.unlink)(path)
    release()
    if is_ours and system.IS_WINDOWS:
        with suppress(OSError):  # Another process has opened it, and will remove it.
            path.unlink()


def _locked(descriptor: int) -> Callable[[], None] | None:
    """Lock an open file, which is closed when the lock is released, or at once if another process holds it: None."""
    try:
        if not system.lock(descriptor):
            os.close(descriptor)
            return None
    except OSError:
        os.close(descriptor)
        raise

    def release() -> None:
        try:
            system.unlock(descriptor)
        finally:
            os.close(descriptor)

    return release
