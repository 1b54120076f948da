"""The file of a bundle as a stream: whole or not at all, by a pipe if that is wanted, compressed by Zstandard."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from cachedindex import standard
from cachedindex.errors import SettingsError

PIPE = "-"
"""The name of standard input and output."""
_MAGIC = b"\x28\xb5\x2f\xfd"
_SUFFIX = ".zst"
_MODULES = ("compression.zstd", "backports.zstd")
"""The first is the standard library's from Python 3.14 on (PEP 784), the second the same for others."""
_NONE = (
    "there is nothing here that knows Zstandard: install the program zstd or cachedindex[zstd], or use a name without "
    f"{_SUFFIX}"
)


@contextmanager
def writing(name: str) -> Iterator[BinaryIO]:
    """Give a file that has its name only once it is whole; it is compressed if its name says so.

    OSError if it cannot be written, SettingsError if nothing here can compress.
    """
    with _plain(name) as file:
        if not name.endswith(_SUFFIX):
            yield file
        elif module := _module():
            with module.open(file, "wb") as packed:
                yield packed
        else:
            with _by_program(["-q", "-c"], stdout=file) as process:
                yield cast("BinaryIO", process.stdin)


@contextmanager
def reading(name: str) -> Iterator[BinaryIO]:
    """Give what is in a file, decompressed if it begins as Zstandard does; OSError and SettingsError as `writing`."""
    with _opened(name) as file:
        if not file.peek(len(_MAGIC)).startswith(_MAGIC):  # type: ignore[attr-defined]
            yield file
        elif module := _module():
            with module.open(file, "rb") as unpacked:
                yield unpacked
        else:
            with _by_program(["-q", "-d", "-c"], stdin=file) as process:
                yield cast("BinaryIO", process.stdout)


@contextmanager
def _plain(name: str) -> Iterator[BinaryIO]:
    if name == PIPE:
        file = _standard(sys.stdout)
        yield file
        file.flush()
        return
    path = Path(name)
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):  # A FIFO or a device is written as it is.
        with path.open("wb") as file:
            yield file
        return
    if path.exists() or path.is_symlink():
        path.open("ab").close()  # Else we would replace what may not be written, as behind another user's link in /tmp.
    path = path.resolve()
    unfinished = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # It is about to be carried away.
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == PIPE:
        yield _standard(sys.stdin)
        return
    with Path(name).open("rb") as file:
        yield file


def _standard(stream: TextIO | None) -> BinaryIO:
    """Return standard input or output as bytes; OSError if it was closed before we began."""
    if stream is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return stream.buffer


def _module() -> Any:
    for name in _MODULES:
        with suppress(ImportError), standard.library():
            return import_module(name)
    return None


@contextmanager
def _by_program(
    words: list[str], stdin: BinaryIO | None = None, stdout: BinaryIO | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Give a zstd(1) that reads from one of two files or writes to the other; OSError if it ends badly by itself."""
    program = shutil.which("zstd")
    if program is None:
        raise SettingsError(_NONE)
    process = subprocess.Popen(  # noqa: S603 - a known program
        [program, *words],
        stdin=subprocess.PIPE,
        stdout=stdout or subprocess.PIPE,
        stderr=None if stdout else subprocess.DEVNULL,  # What it cannot read, its reader says.
    )
    try:
        if stdin:
            threading.Thread(target=_fed, args=(stdin, process.stdin), daemon=True).start()
        yield process
        if stdout and process.stdin:
            process.stdin.close()
            if process.wait():
                raise OSError(f"zstd ended with {process.returncode}")
    finally:
        process.kill()  # It has ended, unless nobody wants the rest.
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError, ValueError):  # What is left for a program that was killed; or a thread feeds it.
                if pipe:
                    pipe.close()


def _fed(source: BinaryIO, pipe: Any) -> None:
    """Give a program all that there is to read: what was looked at already is no longer in the file."""
    with suppress(OSError, ValueError):  # It wants no more.
        shutil.copyfileobj(source, pipe)
    with suppress(OSError, ValueError):
        pipe.close()
