"""Writes new files: whole or not at all, with the modes of the cache folder."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from cachedindex.errors import StoreUnavailable
from cachedindex.store import disk, system


class NewFile:
    """A file that is being written: invisible under its final name until `commit`, gone after `abandon`.

    The temporary lies in the final folder, since a rename is atomic within one folder only.
    """

    def __init__(self, path: Path, root: Path) -> None:
        """Open the temporary; StoreUnavailable if that fails."""
        self._path = path
        self._root = root
        self._process = os.getpid()
        self.is_done = False
        """Whether it was published."""
        with disk.failing_as_unavailable("write to", root):
            self._temporary = disk.temporary(path)
            self._above = status = root.stat()
            mode = status.st_mode
            # O_EXCL and 0o666, never mkstemp: its 0600 would shut out the group, and void a default ACL.
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
            descriptor = disk.within(
                path.parent, root, status, lambda: os.open(self._temporary, flags, disk.most_mode(mode))
            )
            # Without a buffer: a fork would have a copy of it, and write it at its end.
            self._file = os.fdopen(descriptor, "wb", buffering=0)
            disk.raise_mode(descriptor, mode & 0o666)
            disk.give(descriptor, status)

    def write(self, data: bytes) -> None:
        """Append; StoreUnavailable if the disk does not accept it, and then nothing is left."""
        try:
            with disk.failing_as_unavailable("write to", self._root):
                rest = memoryview(data)
                while rest:
                    rest = rest[self._file.write(rest) :]
        except StoreUnavailable:
            self.abandon()
            raise

    def reopened(self) -> BinaryIO | None:
        """Return the temporary, open to be read from its start; None where an open file cannot be renamed."""
        with disk.failing_as_unavailable("read", self._root):
            return None if system.IS_WINDOWS else self._temporary.open("rb")

    def modified(self) -> float:
        """Return when the temporary was last written, by the file system's clock, in seconds since the epoch."""
        with disk.failing_as_unavailable("read", self._root):
            return os.fstat(self._file.fileno()).st_mtime

    def commit(self, path: Path | None = None) -> None:
        """Publish under the final name, or under another one in the same file system."""
        final = path or self._path
        try:
            # close may fail on a full disk as well, and on a network file system for any reason.
            with disk.failing_as_unavailable("write to", self._root):
                self._file.close()
                disk.within(final.parent, self._root, self._above, lambda: system.files.replace(self._temporary, final))
            self.is_done = True
        except StoreUnavailable:
            self.abandon()
            raise

    def commit_first(self) -> bool:
        """Publish under the final name, unless another file has it by now; return whether it was done.

        A link needs no lock, since it never replaces a file. Where there are no links, one that comes at this very
        moment is replaced.
        """
        try:
            with disk.failing_as_unavailable("write to", self._root):
                self._file.close()
            os.link(self._temporary, self._path)
        except StoreUnavailable:
            self.abandon()
            raise
        except FileExistsError:
            return False
        except OSError:  # This file system has no links, or this user may make none.
            if os.path.lexists(self._path):  # Not `exists`, which follows a link.
                return False
            self.commit()
            return True
        self.abandon()  # The other name.
        self.is_done = True
        return True

    def abandon(self) -> None:
        """Remove the temporary, unless it was published. A fork of the process that makes it leaves it there."""
        if self.is_done:
            return
        # A failure here leaves a stray at worst, and the failure that led here is the one to report.
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            if os.getpid() == self._process:
                system.files.unlink(self._temporary)


def written(path: Path, data: bytes, root: Path) -> NewFile:
    """Return a file with all its bytes, which is to be published or abandoned; StoreUnavailable leaves nothing."""
    new = NewFile(path, root)
    new.write(data)
    return new


def publish(path: Path, data: bytes, root: Path) -> None:
    """Write a whole file at once; if it raises StoreUnavailable, an older file of that name is still there."""
    written(path, data, root).commit()


def now(root: Path) -> float:
    """Return the time in seconds since the epoch by the clock that dates this folder's files, maybe a file server's."""
    try:
        probe = NewFile(root / "clock", root)
    except StoreUnavailable:  # The disk is full, and is about to be collected: this host's clock is good enough.
        return time.time()
    try:
        return probe.modified()
    finally:
        probe.abandon()
