"""A bundle: records and blobs of a cache folder in one tar, under the paths that they have there.

The first member lists all that follow, and the last one says that there is no more: so it is known of a bundle that
was cut what it lacks. A blob comes before the record that names it.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any, BinaryIO

from cachedindex.named import NamedTuple

_FOLDER = "cachedindex-bundle-v1"
CONTENTS = f"{_FOLDER}/contents"
"""The names of all other members, one on each line."""
END = f"{_FOLDER}/end"
"""The names of those that went while the bundle was written."""
_FAMILY = "cachedindex-bundle-v"
_LONGEST_HEADER = 1 << 20
"""Bytes before a member's own: a header may claim to be longer than any memory."""
_CHUNK = 1 << 20


class Damaged(Exception):
    """What follows in a bundle cannot be read; the text says why."""


class Foreign(Exception):
    """It is no bundle, or one of another release; the text says which."""


class Member(NamedTuple):
    """A file in a bundle, whose bytes have to be read before the next one is asked for."""

    name: str
    size: int
    chunks: Iterator[bytes]
    """Raises Damaged if they end too early."""
    is_file: bool
    """Whether it is a plain file: not a link, a device, a folder or a sparse file."""

    def whole(self) -> bytes:
        """Return all bytes, which the caller knows to be few."""
        return b"".join(self.chunks)


class Writer:
    """Adds members to a bundle; for the same ones, it writes the same bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by `close`

    def add(self, name: str, size: int, body: BinaryIO, moment: float = 0.0) -> None:
        """Add a file; OSError if it cannot be written."""
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, int(moment), 0o644
        self._tar.addfile(info, body)

    def add_bytes(self, name: str, data: bytes, moment: float = 0.0) -> None:
        """Add a small file."""
        self.add(name, len(data), BytesIO(data), moment)

    def close(self) -> None:
        """Write the end of the archive."""
        self._tar.close()


def members(file: BinaryIO) -> Iterator[Member]:
    """Yield the members of a bundle; Damaged if the rest cannot be read, Foreign if it does not begin as a bundle."""
    source = _Source(file)
    tar: Any = _begun(source)  # typeshed knows nothing of what is inside.
    is_first = True
    while (info := _next(tar, source)) is not None:
        if is_first and info.name != CONTENTS:
            of_another = info.name.startswith(_FAMILY)
            raise Foreign("it is a bundle of another release" if of_another else "it is no bundle of cachedindex")
        is_first = False
        chunks = _chunks(tar, source, info.size)
        is_file = info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not info.issparse()
        yield Member(info.name, info.size, chunks, is_file)
        _skip(tar, source)
        tar.members = []  # Else it keeps all that there were.


class _Source:
    """Hands a tar on to tarfile, and no more at once than a header may have."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.left = _LONGEST_HEADER

    def read(self, size: int) -> bytes:
        if self.left <= 0:
            raise Damaged("a header is too long")
        data = self._file.read(size)
        self.left -= len(data)
        return data


def _begun(source: _Source) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=source, mode="r|")  # type: ignore[call-overload,no-any-return]
    except Exception as error:
        raise Foreign("it is no bundle of cachedindex, or is cut at its beginning") from error


def _next(tar: tarfile.TarFile, source: _Source) -> tarfile.TarInfo | None:
    source.left = _LONGEST_HEADER
    try:
        return tar.next()
    except Damaged:
        raise
    except Exception as error:  # Whatever a wrong header leads tarfile or the decompression to.
        raise Damaged(str(error) or type(error).__name__) from error


def _skip(tar: tarfile.TarFile, source: _Source) -> None:
    """Read what nobody has read of a member: tarfile would do it at once, as if it were a header."""
    stream: Any = tar.fileobj
    for _ in _chunks(tar, source, tar.offset - stream.tell() - 1):
        pass


def _chunks(tar: tarfile.TarFile, source: _Source, size: int) -> Iterator[bytes]:
    stream: Any = tar.fileobj  # It stands at the first byte of the member.
    left = size
    while left > 0:
        source.left = _CHUNK + _LONGEST_HEADER
        try:
            data = stream.read(min(_CHUNK, left))
        except Exception as error:
            raise Damaged(str(error) or type(error).__name__) from error
        if not data:
            raise Damaged("it ends in the middle of a file")
        left -= len(data)
        yield data
