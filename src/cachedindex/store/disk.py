"""Files as this project writes and reads them: whole or not at all, with the modes of the cache folder."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cachedindex.errors import StoreUnavailable

_ESTALE_TRIES = 3


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
        for _ in range(_ESTALE_TRIES):
            try:
                return path.read_bytes()
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
        self._temporary = path.parent / f"{_prefix(path)}{os.getpid()}.{secrets.token_hex(4)}.tmp"
        with failing_as_unavailable("write to", root):
            mode = root.stat().st_mode
            _make_folders(path.parent, root, mode)
            # O_EXCL and 0o666, never mkstemp: its 0600 would shut out the group, and void a default ACL.
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
            descriptor = os.open(self._temporary, flags, _most(mode))
            self._file: BinaryIO = os.fdopen(descriptor, "wb")
            _raise_mode(descriptor, mode & 0o666)

    def write(self, data: bytes) -> None:
        """Append; StoreUnavailable where the disk does not take it."""
        with failing_as_unavailable("write to", self._root):
            self._file.write(data)

    def commit(self, path: Path | None = None) -> None:
        """Publish under the final name, or under another one in the same file system."""
        final = path or self._path
        try:
            # close, too, tells of a full disk, and on a network file system of everything else.
            with failing_as_unavailable("write to", self._root):
                self._file.close()
                _make_folders(final.parent, self._root, self._root.stat().st_mode)
                self._temporary.replace(final)
        except StoreUnavailable:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Remove the temporary; nothing was published."""
        # Whatever fails here leaves a stray at worst, and the failure that led here is the one to tell.
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._temporary.unlink()


def publish(path: Path, data: bytes, root: Path) -> None:
    """Write a whole file at once; StoreUnavailable leaves what was there before."""
    new = NewFile(path, root)
    try:
        new.write(data)
    except StoreUnavailable:
        new.abandon()
        raise
    new.commit()


def append(path: Path, line: bytes, root: Path) -> None:
    """Add one short line, in one write, which a local file system does not mix with another process's."""
    with failing_as_unavailable("write to", root):
        descriptor = open_shared(path, os.O_APPEND | os.O_WRONLY, root)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def growing(path: Path) -> object:
    """Return what changes for as long as somebody writes a file that is to be published under this path."""
    try:
        with os.scandir(path.parent) as entries:
            temporary = [entry for entry in entries if entry.name.startswith(_prefix(path))]
            return sorted((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in temporary)
    except OSError:  # Nobody does, or has just ended.
        return None


def look_anew(folder: Path) -> None:
    """Open a folder, and those above it: an NFS client remembers for half a minute that a file was not there."""
    for parent in (*reversed(folder.parents), folder):
        with suppress(OSError):  # Not there, or not to be listed: nothing that could have been remembered.
            os.close(os.open(parent, os.O_RDONLY))


def open_shared(path: Path, flags: int, root: Path) -> int:
    """Return the descriptor of a file that whoever may write to the root may write to, made where it is not there."""
    mode = root.stat().st_mode
    _make_folders(path.parent, root, mode)
    descriptor = os.open(path, flags | os.O_CREAT, _most(mode))
    if os.fstat(descriptor).st_size == 0:
        _raise_mode(descriptor, mode & 0o666)
    return descriptor


def _prefix(path: Path) -> str:
    return f".{path.name[:100]}."


def _make_folders(folder: Path, root: Path, mode: int) -> None:
    if folder == root or folder.is_dir():
        return
    _make_folders(folder.parent, root, mode)
    with suppress(FileExistsError):  # Another job made it meanwhile.
        folder.mkdir()
        with suppress(PermissionError):  # A file system without modes: what mkdir gave is what there is.
            folder.chmod(stat.S_IMODE(mode) & ~stat.S_ISVTX | 0o700)


def _most(mode: int) -> int:
    """Return the mode to open a new file with; umask and a default ACL decide what is left of it."""
    return 0o666 if mode & 0o077 else 0o600


def _raise_mode(descriptor: int, wanted: int) -> None:
    """Give the group what the cache folder gives it, whatever the umask took; only ever to a file of our own."""
    has = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if wanted & ~has and hasattr(os, "fchmod"):
        with suppress(PermissionError):
            os.fchmod(descriptor, has | wanted)
