"""Files as this project writes and reads them: whole or not at all, with the modes of the cache folder."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from cachedindex.errors import StoreUnavailable

T = TypeVar("T")

_ESTALE_TRIES = 3
_FOLDER_TRIES = 3
_TOUCHED_FOR = 3600.0
"""Seconds for which a touch holds: the order in which entries go needs no finer clock, and a hit no write."""


@contextmanager
def failing_as_unavailable(doing: str, root: Path) -> Iterator[None]:
    """Turn an OSError into StoreUnavailable, with a sentence that is the same for every file below the root."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"cannot {doing} {root}: {error.strerror or error}") from error


def read(path: Path, root: Path) -> bytes | None:
    """Return a file's bytes, or None where there is none; StoreUnavailable for anything else."""
    with failing_as_unavailable("read", root):
        return reopened(path.read_bytes)


def reopened(opening: Callable[[], T]) -> T | None:
    """Return what comes of opening and reading a file, or None where there is none; OSError for anything else."""
    for _ in range(_ESTALE_TRIES):
        try:
            return opening()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno != errno.ESTALE:  # NFS: replaced by another host while it was open.
                raise
    return None


class NewFile:
    """A file in the making: invisible under its final name until `commit`, gone after `abandon`.

    The temporary lies in the final folder, as a rename is atomic within one folder only.
    """

    def __init__(self, path: Path, root: Path) -> None:
        """Open the temporary; StoreUnavailable where that fails."""
        self._path = path
        self._root = root
        self._temporary = temporary(path)
        self._process = os.getpid()
        with failing_as_unavailable("write to", root):
            mode = root.stat().st_mode
            # O_EXCL and 0o666, never mkstemp: its 0600 would shut out the group, and void a default ACL.
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
            descriptor = _within(path.parent, root, mode, lambda: os.open(self._temporary, flags, _most(mode)))
            # Without a buffer, which a fork would have a copy of, and write at its end.
            self._file = os.fdopen(descriptor, "wb", buffering=0)
            _raise_mode(descriptor, mode & 0o666)

    def write(self, data: bytes) -> None:
        """Append; StoreUnavailable where the disk does not take it, and then nothing is left."""
        try:
            with failing_as_unavailable("write to", self._root):
                rest = memoryview(data)
                while rest:
                    rest = rest[self._file.write(rest) :]
        except StoreUnavailable:
            self.abandon()
            raise

    def modified(self) -> float:
        """Return when the temporary was last written, by the file system's clock, in seconds since the epoch."""
        with failing_as_unavailable("read", self._root):
            return os.fstat(self._file.fileno()).st_mtime

    def commit(self, path: Path | None = None) -> None:
        """Publish under the final name, or under another one in the same file system."""
        final = path or self._path
        try:
            # close, too, tells of a full disk, and on a network file system of everything else.
            with failing_as_unavailable("write to", self._root):
                self._file.close()
                _within(final.parent, self._root, self._root.stat().st_mode, lambda: self._temporary.replace(final))
        except StoreUnavailable:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Remove the temporary; nothing was published. A fork of the process that makes it leaves it there."""
        # Whatever fails here leaves a stray at worst, and the failure that led here is the one to tell.
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            if os.getpid() == self._process:
                self._temporary.unlink()


def publish(path: Path, data: bytes, root: Path) -> None:
    """Write a whole file at once; StoreUnavailable leaves what was there before."""
    new = NewFile(path, root)
    new.write(data)
    new.commit()


def append(path: Path, line: bytes, root: Path) -> None:
    """Add one short line, in one write, which a local file system does not mix with another process's."""
    with failing_as_unavailable("write to", root):
        descriptor = open_shared(path, os.O_APPEND | os.O_WRONLY, root)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def open_shared(path: Path, flags: int, root: Path) -> int:
    """Return the descriptor of a file that whoever may write to the root may write to, made where it is not there."""
    mode = root.stat().st_mode
    # Through no link: whoever else may write here could have it lead to a file of this user's.
    flags |= os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = _within(path.parent, root, mode, lambda: os.open(path, flags, _most(mode)))
    if os.fstat(descriptor).st_size == 0:
        _raise_mode(descriptor, mode & 0o666)
    return descriptor


def move(path: Path, target: Path, root: Path) -> None:
    """Give a file another name below the same root; StoreUnavailable where that fails."""
    with failing_as_unavailable("write to", root):
        _within(target.parent, root, root.stat().st_mode, lambda: path.replace(target))


def now(root: Path) -> float:
    """Return the time by the clock that stamps this folder's files, which on a network mount is not this host's."""
    try:
        probe = NewFile(root / "clock", root)
    except StoreUnavailable:  # The disk is full, and somebody wants to make room: this host's clock will do.
        return time.time()
    try:
        return probe.modified()
    finally:
        probe.abandon()


def touch(path: Path) -> None:
    """Note by its modification time that a file is in use, hourly at most.

    Without a time of our own, which only the owner of a file may set. A file server's clock that is more than the hour
    off ours has it done each time, which costs microseconds; the opposite, never, would have evicted what is in use.
    """
    with suppress(OSError):  # Not ours to write, or just evicted: whoever may write keeps what is in use.
        if abs(time.time() - path.stat().st_mtime) > _TOUCHED_FOR:
            os.utime(path)


def make_folder(folder: Path, mode: Callable[[Path], int]) -> None:
    """Make one folder with the mode that is wanted for it, given what mkdir made; nobody sees it without."""
    new = temporary(folder)
    new.mkdir()
    try:
        with suppress(PermissionError):  # A file system without modes: what mkdir gave is what there is.
            new.chmod(mode(new))
        new.rename(folder)
    except OSError:
        with suppress(FileNotFoundError):  # Taken for a stray by a collector.
            new.rmdir()
        if not folder.is_dir():  # Otherwise another job made it meanwhile.
            raise


def is_own(folder: Path) -> bool:
    """Return whether there is such a folder, no link, that belongs to this user and to nobody else."""
    try:
        found = folder.lstat()
    except OSError:  # It is not there, or where this user may not look.
        return False
    if not stat.S_ISDIR(found.st_mode):
        return False
    # Windows tells no users apart by this; what asks has to know what that means.
    return not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o077)


def temporary(path: Path) -> Path:
    """Return a name beside a path that nobody else uses; whatever has such a name for an hour is a stray."""
    return path.parent / f"{_prefix(path)}{os.getpid()}.{secrets.token_hex(4)}.tmp"


def growing(path: Path) -> object:
    """Return what changes for as long as somebody writes a file that is to be published under this path."""
    try:
        with os.scandir(path.parent) as entries:
            found = [entry for entry in entries if entry.name.startswith(_prefix(path))]
            return sorted((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in found)
    except OSError:  # Nobody does, or has just ended.
        return None


def look_anew(folder: Path) -> None:
    """Open a folder, and those above it: an NFS client remembers for half a minute that a file was not there."""
    for parent in (*reversed(folder.parents), folder):
        with suppress(OSError):  # Not there, or not to be listed: nothing that could have been remembered.
            os.close(os.open(parent, os.O_RDONLY))


def _prefix(path: Path) -> str:
    return f".{path.name[:100]}."


def _within(folder: Path, root: Path, mode: int, work: Callable[[], T]) -> T:
    """Do what needs a folder, making it; again, where a collector removed it meanwhile because it was empty."""
    for _ in range(_FOLDER_TRIES):
        with suppress(FileNotFoundError):
            _make_folders(folder, root, mode)
            return work()
    return work()


def _make_folders(folder: Path, root: Path, mode: int) -> None:
    if folder == root or folder.is_dir():
        return
    _make_folders(folder.parent, root, mode)
    make_folder(folder, lambda _: stat.S_IMODE(mode) & ~stat.S_ISVTX | 0o700)


def _most(mode: int) -> int:
    """Return the mode to open a new file with; umask and a default ACL decide what is left of it."""
    return 0o666 if mode & 0o077 else 0o600


def _raise_mode(descriptor: int, wanted: int) -> None:
    """Give the group what the cache folder gives it, whatever the umask took; only ever to a file of our own."""
    has = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if wanted & ~has and hasattr(os, "fchmod"):
        with suppress(PermissionError):
            os.fchmod(descriptor, has | wanted)
