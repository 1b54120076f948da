"""A file's bytes under their sha256: written as they arrive, and verified to the last byte when they are opened."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from cachedindex.errors import StoreUnavailable
from cachedindex.store import disk, new_file

_CHUNK = 1 << 20


class NewBlob:
    """A blob that is being written, with the digest and the size of its bytes so far."""

    def __init__(self, file: new_file.NewFile, path_of: Callable[[str], Path]) -> None:
        """`path_of` returns where the blob of a digest lies."""
        self._file = file
        self._path_of = path_of
        self._hash = sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append; StoreUnavailable if the disk does not accept it."""
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def reopened(self) -> BinaryIO | None:
        """Return what was and will be written, open to be read from its start; None if this system cannot do that."""
        return self._file.reopened()

    @property
    def sha256(self) -> str:
        """The digest of the bytes that were written so far."""
        return self._hash.hexdigest()

    def commit(self) -> None:
        """Publish under the digest; StoreUnavailable if that fails, and it is not there either."""
        path = self._path_of(self.sha256)
        try:
            self._file.commit(path)
        except StoreUnavailable:  # On Windows nothing can replace a file that somebody reads.
            if not _is_there(path):
                raise

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._file.abandon()


def open_hashed(path: Path, root: Path) -> tuple[BinaryIO, str, int] | None:
    """Return an open blob with its digest and size, or None if there is none; StoreUnavailable for anything else."""
    try:
        return disk.reopened(lambda: hashed(path))
    except OSError as error:
        raise disk.unavailable("read", root, error) from error


def is_sound(path: Path) -> bool:
    """Return whether the bytes have the digest in the file's name, or the file is gone; OSError if unreadable."""
    try:
        with disk.open_regular(path) as blob:
            return _digest_of(blob)[0] == path.name
    except FileNotFoundError:
        return True


def _is_there(path: Path) -> bool:
    try:
        return path.exists() and is_sound(path)
    except OSError:  # Something else is in its place, or it is another user's.
        return False


def hashed(path: Path) -> tuple[BinaryIO, str, int]:
    """Return an open blob with its digest and size; OSError if there is none, or it cannot be read."""
    blob = disk.open_regular(path)
    try:
        return blob, *_digest_of(blob)
    except OSError:
        blob.close()
        raise


def _digest_of(blob: BinaryIO) -> tuple[str, int]:
    """Return the digest and size of an open blob, which is at its start again afterwards."""
    digest, length = sha256(), 0
    while chunk := blob.read(_CHUNK):
        digest.update(chunk)
        length += len(chunk)
    blob.seek(0)
    return digest.hexdigest(), length
