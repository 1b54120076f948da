"""What differs between operating systems: opening, replacing, removing and locking a file, and whose a folder is.

`files` has what opens, replaces, renames, removes and appends to a file. On POSIX it is `os` itself, so that nothing
lies between. On Windows, a file that another program has open can be neither replaced nor removed, and may not be read
either: a virus scanner holds each new file for a moment. So there each of these is tried again for half a second.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, wraps
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import ParamSpec, TextIO, TypeVar

from cachedindex import standard

P = ParamSpec("P")
T = TypeVar("T")

IS_WINDOWS = sys.platform == "win32"
HAS_USERS = hasattr(os, "getuid")
"""Whether a file's status names its owner and says who may do what with it: Windows invents a mode."""
DENIED_BY = (
    "another program has open, or another user has closed"
    if IS_WINDOWS
    else "belongs to another user; `cachedindex doctor` names it"
)
"""Of a file that cannot be used: why."""
_HELD_FOR = 0.5
"""Seconds for which another program may have a file that is wanted."""
_PAUSE = 0.01
_vain_left = 5.0
"""Seconds that this process still waits in vain in all: a file may be denied to its user for ever."""
_SURROGATE = 0x20000000
"""The bit in the tag of a reparse point that stands for another place: a link, a junction (winnt.h)."""
_LOCAL_APPDATA = 0x1C
"""CSIDL_LOCAL_APPDATA (shlobj_core.h)."""


def insisting(work: Callable[P, T]) -> Callable[P, T]:
    """Return a function that does the work again while another program has the file, for half a second."""

    @wraps(work)
    def insist(*arguments: P.args, **named: P.kwargs) -> T:
        global _vain_left  # noqa: PLW0603 - one for the whole process
        began = time.monotonic()
        end = began + min(_HELD_FOR, _vain_left)
        while True:
            try:
                return work(*arguments, **named)
            except PermissionError:
                if time.monotonic() >= end:
                    _vain_left -= time.monotonic() - began
                    raise
            time.sleep(_PAUSE)

    return insist


def is_root() -> bool:
    """Return whether this process is the superuser's."""
    return HAS_USERS and os.geteuid() == 0


def user() -> int:
    """Return the number of this user; 0 for each user of a system that does not number them."""
    return os.getuid() if HAS_USERS else 0


def is_junction(status: os.stat_result) -> bool:
    """Return whether the status is that of a folder that stands for another one, although its mode does not say so."""
    return bool(getattr(status, "st_reparse_tag", 0) & _SURROGATE)


def of_host(path: str) -> Path | None:
    """Return a place that only the administrator of a host can make; None on Windows.

    There it would be on the current drive, and every user may make folders in the root of a drive.
    """
    return None if IS_WINDOWS else Path(path)


def encoding(stream: TextIO) -> str:
    """Return the encoding of bytes that are written past a stream: on Windows that of the console, or of the stream."""
    if not IS_WINDOWS:
        return "utf-8"
    return os.device_encoding(stream.fileno()) or stream.encoding or "utf-8"


def keeps_private(folder: Path) -> bool:
    """Return whether what lies in a folder can be kept from other users.

    On Windows an access list says so, which is not examined. That of a user's own data lets nobody else in.
    """
    own = local_data()
    return HAS_USERS or (own is not None and own in folder.resolve().parents)


if sys.platform == "win32":
    import _winapi
    import msvcrt

    _AWAY = 1 << 30
    """The place of a byte that no file has which is appended to: a lock on it keeps nobody from reading."""

    def _open(path: str | Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        del dir_fd  # There is none.
        return os.open(path, flags, mode)

    def _write(descriptor: int, line: bytes) -> int:
        """Append a line, alone: O_APPEND looks for the end first, and another process may write there meanwhile."""
        is_alone = False
        try:
            with suppress(OSError):  # Then two lines may mix.
                _hold(descriptor)
                is_alone = True
            return os.write(descriptor, line)
        finally:
            if is_alone:
                unlock(descriptor, _AWAY)

    @insisting
    def _hold(descriptor: int) -> None:
        if not lock(descriptor, _AWAY):
            raise PermissionError

    def _unlink(path: str | Path, *, dir_fd: int | None = None) -> None:
        del dir_fd  # There is none.
        try:
            os.unlink(path)  # noqa: PTH108 - listings have no Path
        except PermissionError:
            Path(path).chmod(stat.S_IWRITE)  # What is read-only cannot be removed.
            os.unlink(path)  # noqa: PTH108

    files = SimpleNamespace(
        open=insisting(_open),
        replace=insisting(os.replace),
        rename=insisting(os.rename),
        unlink=insisting(_unlink),
        write=_write,
    )

    def absolute(path: Path) -> Path:
        """Return the path from the root of its drive: "Z:cache" is relative to the folder of that drive."""
        return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would go through links

    def may_write(folder: Path) -> bool:
        """Return whether this user may make files in a folder: Windows says that by opening it for that."""
        add_file, shared, existing, folders_too = 2, 7, 3, 0x02000000  # winnt.h, fileapi.h
        try:
            _winapi.CloseHandle(_winapi.CreateFile(str(folder), add_file, shared, 0, existing, folders_too, 0))
        except OSError:
            return False
        return True

    def lock(descriptor: int, place: int = 0) -> bool:
        """Lock a byte of an open file; False if another process has the lock, OSError if there can be none."""
        os.lseek(descriptor, place, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EBADF):
                raise
            return False  # EACCES; below wine 8, any number that was left over.
        return True

    def unlock(descriptor: int, place: int = 0) -> None:
        """Release the lock of a byte, before the file is closed."""
        os.lseek(descriptor, place, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    @cache
    def local_data() -> Path | None:
        """Return the folder for this user's own data; None if there is none.

        The variable LOCALAPPDATA may name any folder: some hosts set it to one that all users share.
        """
        with standard.library():
            import ctypes  # noqa: PLC0415 - for who keeps something private

        buffer = ctypes.create_unicode_buffer(260)
        if ctypes.windll.shell32.SHGetFolderPathW(None, _LOCAL_APPDATA, None, 0, buffer):
            return None
        return Path(buffer.value).resolve()

else:
    files = os
    absolute = Path.absolute

    def may_write(folder: Path) -> bool:
        """Return whether this user may make files in a folder."""
        return os.access(folder, os.W_OK | os.X_OK)

    def lock(descriptor: int) -> bool:
        """Lock an open file; False if another process has the lock, OSError if there can be none."""
        fcntl = _fcntl()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Release the lock of a file: closing it does not, since a fork may have the descriptor as well."""
        fcntl = _fcntl()
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    @cache
    def local_data() -> Path | None:
        """Return nothing: a mode says whose a folder is."""
        return None

    @cache
    def _fcntl() -> ModuleType:
        try:
            with standard.library():
                import fcntl  # noqa: PLC0415 - most processes lock nothing
        except ImportError as error:
            raise OSError("this system has no flock") from error
        return fcntl
