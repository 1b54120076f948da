"""Locks between processes: the only place for filelock and fcntl. They save work, and nothing is less right without."""

from __future__ import annotations

import inspect
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.store import disk, folder

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]

FOLDER = "locks-v1"
_held: set[Path] = set()
"""The locks of this process, which must not wait for itself: neither in one thread nor in two."""
_guard = threading.Lock()


class Locks:
    """The locks of one folder, which is made when the first one is taken."""

    def __init__(self, folder: Path, root: Path) -> None:
        """Take the folder, and the cache folder whose mode is the policy for it."""
        self._folder = folder
        self._root = root

    def is_own(self, name: str) -> bool:
        """Return whether this very process holds a lock, or is just trying it."""
        return self._path(name) in _held

    def attempt(self, name: str) -> Lock | None:
        """Take a lock without waiting; None where somebody has it. StoreUnavailable where there is no locking here."""
        path = self._path(name)
        with _guard:  # Not for longer: what follows may hang.
            if path in _held:
                return None
            _held.add(path)
        release = None
        try:
            with disk.failing_as_unavailable("lock in", self._folder):
                release = self._taken(path)
        finally:
            if release is None:
                _held.discard(path)
        return Lock(path, release) if release else None

    def mark(self, name: str) -> None:
        """Tell those who wait for a lock that its holder is through, well or badly."""
        with suppress(StoreUnavailable):  # Then they find the lock free, one after the other.
            disk.publish(self._mark(name), secrets.token_hex(8).encode(), self._root)

    def marked(self, name: str) -> bytes | None:
        """Return what tells one mark from the next."""
        disk.look_anew(self._folder)
        with suppress(StoreUnavailable):  # As good as none.
            return disk.read(self._mark(name), self._root)
        return None

    def _taken(self, path: Path) -> Callable[[], None] | None:
        folder.make(self._root)
        # On NFS a lock wants a file that is open for writing. Made here, with the modes of the cache folder.
        descriptor = disk.open_shared(path, os.O_RDWR, self._root)
        try:
            release = _by_filelock(path, self._root.stat().st_mode & 0o666 | 0o600)
        except ImportError:
            return _by_flock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return release

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"

    def _mark(self, name: str) -> Path:
        return self._folder / f"{name}.mark"


class Lock:
    """A lock that this process holds; its end, even by a kill, releases it."""

    def __init__(self, path: Path, release: Callable[[], None]) -> None:
        self._path = path
        self._release = release

    def release(self) -> None:
        """Give it back, from whatever thread; once."""
        with suppress(OSError):  # Nobody to tell: whoever waits does so for a while only.
            self._release()
        with _guard:
            _held.discard(self._path)


@contextmanager
def trying(path: Path, root: Path) -> Iterator[bool]:
    """Hold a lock for a block; yield False at once where another process holds it.

    Where none can be had, for want of rights, space or a lock server, it is True: then two may do the same work.
    """
    try:
        release = _by_flock(disk.open_shared(path, os.O_RDWR, root))
    except OSError:
        yield True
        return
    try:
        yield release is not None
    finally:
        if release:
            release()


def _by_filelock(path: Path, mode: int) -> Callable[[], None] | None:
    """Take a lock by filelock; ImportError where there is none that can be told what not to fall back to (3.30)."""
    from filelock import Timeout, UnixFileLock  # noqa: PLC0415 - 10 to 50 ms, which only a miss has to pay for

    if "fallback_to_soft" not in inspect.signature(UnixFileLock.__init__).parameters:
        raise ImportError("this filelock may fall back to files that outlive a kill")
    # Not bound to a thread: a body's end may come in another one, or when it is collected.
    lock = UnixFileLock(path, mode=mode, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    except NotImplementedError as error:  # A system without flock.
        raise OSError(str(error)) from error
    return lock.release


def _by_flock(descriptor: int) -> Callable[[], None] | None:
    """Take the same lock without filelock: a pip's own environment, into which we came by path, has none."""
    try:
        if fcntl is None:
            raise OSError("this system has no flock")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise

    def release() -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # Which a fork that has the descriptor as well would keep.
        os.close(descriptor)

    return release
