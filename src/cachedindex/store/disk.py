"""Reads files whole or not at all, and changes them, and makes folders, with the modes of the cache folder."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from cachedindex.errors import StoreUnavailable
from cachedindex.store import system

T = TypeVar("T")

_ESTALE_TRIES = 3
_FOLDER_TRIES = 3
_KNOWN_FOR = 7 * 86400.0
"""Seconds for which no other build says that a part of the folder cannot be written."""
_TOUCHED_FOR = 3600.0
"""Seconds after which a file in use is touched again: the order of eviction needs no finer clock."""


def unavailable(doing: str, root: Path, error: OSError) -> StoreUnavailable:
    """Return the exception for an OSError, with a sentence that is the same for every file below the root.

    If only a part of the folder is another user's, as after a build by root, one build of many says so.
    """
    if error.errno == errno.EACCES and system.may_write(root):
        return said_weekly(f"cannot {doing} a part of {root} that {system.DENIED_BY}", root, "denied")
    return StoreUnavailable(f"cannot {doing} {root}: {error.strerror or error}")


def said_weekly(why: str, root: Path, about: str) -> StoreUnavailable:
    """Return the exception for what no single build can mend: one build of many says it."""
    return StoreUnavailable(why, is_known=_was_marked(root / f"{about}.stamp"))


def _was_marked(stamp: Path) -> bool:
    """Return whether a stamp is younger than a week; if not, set it."""
    with suppress(OSError):
        if time.time() - stamp.stat().st_mtime < _KNOWN_FOR:
            return True
    with suppress(OSError):  # Then each build says it.
        stamp.touch()
    return False


@contextmanager
def failing_as_unavailable(doing: str, root: Path) -> Iterator[None]:
    """Turn an OSError of a block into StoreUnavailable; a hit, which reads only, does without the generator."""
    try:
        yield
    except OSError as error:
        raise unavailable(doing, root, error) from error


def read(path: Path, root: Path, most: int = -1) -> bytes | None:
    """Return a file's bytes, `most` of them, or None if there is no such file; StoreUnavailable for anything else."""
    try:
        return reopened(lambda: _read(path, most))
    except OSError as error:
        raise unavailable("read", root, error) from error


def read_if_possible(path: Path) -> bytes | None:
    """Return a file's bytes, or None if there is no such file, or this user may not read it."""
    try:
        return reopened(lambda: _read(path, -1))
    except OSError:  # Of a folder that is only read, nobody has to hear it.
        return None


def open_regular(path: Path) -> BinaryIO:
    """Return an open file; OSError if it is something else, such as a FIFO, at which a process would wait for ever."""
    return os.fdopen(_regular(path)[0], "rb")


def _regular(path: Path) -> tuple[int, int]:
    """Return the descriptor of an open file, and its size; OSError as `open_regular`."""
    descriptor = system.files.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return descriptor, status.st_size
    os.close(descriptor)
    raise OSError(errno.EINVAL, "there is something else in the place of a file", str(path))


def _read(path: Path, most: int) -> bytes:
    """Return the bytes without a file object, which would ask the system four things more."""
    descriptor, size = _regular(path)
    wanted = min(size, most) if most >= 0 else size
    try:
        data = os.read(descriptor, wanted)
        while len(data) < wanted and (more := os.read(descriptor, wanted - len(data))):
            data += more
        return data
    finally:
        os.close(descriptor)


def reopened(opening: Callable[[], T]) -> T | None:
    """Return the result of a function that opens and reads a file; None if there is no file, OSError for other errors.

    On NFS it is called again if another host replaced the file while it was open.
    """
    for _ in range(_ESTALE_TRIES):
        try:
            return opening()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
    return None


def overwrite(path: Path, most: int, change: Callable[[bytes], bytes | None]) -> bool:
    """Write over a file's beginning, of `most` bytes at most, what `change` returns for it; return whether it was done.

    If another file takes its name meanwhile, that one is not changed. It is one write, which a local file system ends
    even if this process is killed; who reads at this very moment may see a part of it.
    """
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = system.files.open(path, flags)
        try:
            status = os.fstat(descriptor)
            # A second name may be that of a snapshot.
            is_alone = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
            new = change(os.read(descriptor, most)) if is_alone else None
            if new is None:
                return False
            os.lseek(descriptor, 0, os.SEEK_SET)
            return os.write(descriptor, new) == len(new)
        finally:
            os.close(descriptor)
    except OSError:  # It is gone, another user's, or on a full disk: the caller writes a whole one.
        return False


def append(path: Path, line: bytes, root: Path) -> None:
    """Append one short line, in one write, which a local file system does not mix with another process's."""
    with failing_as_unavailable("write to", root):
        descriptor = open_shared(path, os.O_APPEND | os.O_WRONLY, root)
        try:
            system.files.write(descriptor, line)
        finally:
            os.close(descriptor)


def append_and_read(path: Path, line: bytes, root: Path) -> tuple[os.stat_result, bytes]:
    """Append one short line, and return the file's status and bytes as they are then, with one open()."""
    try:
        descriptor = open_shared(path, os.O_APPEND | os.O_RDWR, root)
        try:
            system.files.write(descriptor, line)
            # Before the bytes are read: a line that another process adds in between is read again later, not lost.
            status = os.fstat(descriptor)
            os.lseek(descriptor, 0, os.SEEK_SET)
            return status, os.read(descriptor, status.st_size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unavailable("write to", root, error) from error


def open_shared(path: Path, flags: int, root: Path, most: int = 0o666) -> int:
    """Return the descriptor of a file that all who may write to the root may write to; it is made if it is missing.

    `most` are the rights that a new one gets at most.
    """
    status = root.stat()
    mode = status.st_mode
    # Not through a link: another user who may write here could have it lead to a file of this user's.
    flags |= os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = within(path.parent, root, status, lambda: system.files.open(path, flags, most_mode(mode) & most))
    opened = os.fstat(descriptor)
    if opened.st_size == 0:
        raise_mode(descriptor, mode & most)
        if opened.st_nlink == 1:
            give(descriptor, status)
    return descriptor


def move(path: Path, target: Path, root: Path) -> None:
    """Give a file another name below the same root; StoreUnavailable if that fails."""
    with failing_as_unavailable("write to", root):
        within(target.parent, root, root.stat(), lambda: system.files.replace(path, target))


def named(folder: Path, *, beginning: str = "", ending: str = "") -> list[Path]:
    """Return what in a folder has such a name, sorted; none if there is no folder, or it may not be listed.

    `Path.glob` would have Python 3.15 import `glob` only then, and a project may have a module of that name.
    """
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - iterdir makes an object of each
    except OSError:
        return []
    return [folder / name for name in names if name.startswith(beginning) and name.endswith(ending)]


def touch(path: Path) -> None:
    """Show by its modification time that a file is in use, hourly at most.

    The system sets the time, since only a file's owner may choose one. If a file server's clock is more than the hour
    off, each hit touches the file, which costs microseconds; the opposite, never, would have files in use evicted.
    """
    with suppress(OSError):  # No right to write, or just evicted: another process may keep it in use.
        if abs(time.time() - path.stat().st_mtime) > _TOUCHED_FOR:
            os.utime(path)


def make_folder(folder: Path, mode: Callable[[Path], int]) -> None:
    """Make one folder, whose mode follows from the path that mkdir made; nobody sees the folder before it has it."""
    new = temporary(folder)
    new.mkdir()
    try:
        with suppress(PermissionError):  # A file system without modes: that of mkdir has to do.
            new.chmod(mode(new))
        _give_folder(new, folder.parent.stat())
        system.files.rename(new, folder)
    except OSError:
        with suppress(FileNotFoundError):  # A collector has removed it as a stray.
            new.rmdir()
        if not folder.is_dir():  # Otherwise another job made it meanwhile.
            raise


def make_parents(folder: Path) -> None:
    """Make a folder and those above it that are missing; what root makes belongs to the owner of the one above."""
    if not folder.is_dir():
        make_parents(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir()
            _give_folder(folder, folder.parent.stat())


def is_own(folder: Path) -> bool:
    """Return whether there is such a folder, not a link, that belongs to this user and to nobody else."""
    try:
        status = folder.lstat()
    except OSError:  # It is not there, or in a folder that this user may not search.
        return False
    if not stat.S_ISDIR(status.st_mode) or system.is_junction(status):
        return False
    # Windows does not identify users by this: a caller has to know whether that is good enough.
    return not system.HAS_USERS or (status.st_uid == os.getuid() and not status.st_mode & 0o077)


def temporary(path: Path) -> Path:
    """Return a name beside a path that nobody else uses; a file that has such a name for an hour is a stray.

    OSError if there are no random bytes to be had, which PyPy needs a descriptor for.
    """
    return path.parent / f"{_prefix(path)}{os.getpid()}.{os.urandom(4).hex()}.tmp"


def growing(path: Path) -> object:
    """Return a value that changes as long as some process writes a file that is to be published under this path."""
    try:
        with os.scandir(path.parent) as entries:
            temporaries = sorted(entry.path for entry in entries if entry.name.startswith(_prefix(path)))
            # Not what the folder says: NTFS notes there how long a file is once it is closed.
            return [
                (each, status.st_size, status.st_mtime_ns) for each in temporaries for status in [Path(each).stat()]
            ]
    except OSError:  # There is no such process, or it has just ended.
        return None


def look_anew(folder: Path) -> None:
    """Open a folder, and those above it: an NFS client remembers for half a minute that a file was not there."""
    for parent in (*reversed(folder.parents), folder):
        with suppress(OSError):  # It is not there, or may not be listed: then nothing was remembered of it.
            os.close(os.open(parent, os.O_RDONLY))


def _prefix(path: Path) -> str:
    return f".{path.name[:100]}."


def within(folder: Path, root: Path, status: os.stat_result, work: Callable[[], T]) -> T:
    """Do work that needs a folder; make the folder if it is missing, again if a collector removed it while empty."""
    for _ in range(_FOLDER_TRIES):
        with suppress(FileNotFoundError):
            return work()
        with suppress(FileNotFoundError):  # The collector removes the folders above as well.
            _make_folders(folder, root, status)
    return work()


def _make_folders(folder: Path, root: Path, status: os.stat_result) -> None:
    if folder == root or folder.is_dir():
        return
    _make_folders(folder.parent, root, status)
    make_folder(folder, lambda _: stat.S_IMODE(status.st_mode) & ~stat.S_ISVTX | 0o700)


def give(descriptor: int, above: os.stat_result) -> None:
    """Have what root makes in a user's folder belong to that user, who could not replace it otherwise."""
    if system.HAS_USERS and os.geteuid() == 0 and above.st_uid != 0 and os.fstat(descriptor).st_uid == 0:
        with suppress(OSError):  # This root may not, as in some containers.
            os.fchown(descriptor, above.st_uid, above.st_gid)


def _give_folder(folder: Path, above: os.stat_result) -> None:
    if above.st_uid != 0:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_DIRECTORY", 0))
        try:
            give(descriptor, above)
        finally:
            os.close(descriptor)


def most_mode(mode: int) -> int:
    """Return the mode to open a new file with, before umask and a default ACL have reduced it."""
    return 0o666 if mode & 0o077 else 0o600


def raise_mode(descriptor: int, wanted: int) -> None:
    """Give the group the rights that the cache folder gives it, against the umask; only on this user's own file."""
    has = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if wanted & ~has and hasattr(os, "fchmod"):
        with suppress(PermissionError):
            os.fchmod(descriptor, has | wanted)
