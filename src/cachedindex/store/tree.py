"""One tree of the store: the records, the blobs and the quarantine below one root."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from cachedindex.model import Record
from cachedindex.store import blob, disk, folder, record
from cachedindex.store.blob import NewBlob
from cachedindex.store.quarantine import Quarantine

RECORDS = "records-v1"
BLOBS = "blobs-v1"


class Tree:
    """Verifies every file that it reads, and publishes each one whole. Methods raise StoreUnavailable."""

    def __init__(
        self, root: Path, *, read_only: bool = False, damaged: Callable[[Path], None] = lambda _: None
    ) -> None:
        """`damaged` is called with the new path of each file that did not verify and was moved away."""
        self.root = root
        self._read_only = read_only
        self.records = root / RECORDS
        self._blobs = root / BLOBS
        self._quarantine = Quarantine(root, damaged)
        self._is_made = False

    def blob_path(self, digest: str) -> Path:
        """Return where the blob of a digest lies."""
        return self._blobs / digest[:2] / digest

    def make(self) -> None:
        """Make the root with its tag, once in a process."""
        if not self._is_made:
            folder.make_tagged(self.root)
            self._is_made = True

    def read(self, path: Path, url: str | None = None) -> Record | None:
        """Return the verified record (for `url`); a damaged one is moved to the quarantine, and None."""
        raw = disk.read(path, self.root)
        if raw is None:
            return None
        stored = record.decode(raw, url)
        if stored is None and not self._read_only and not record.is_sound(raw):
            self._quarantine.isolate(path, lambda: not is_sound_record(path, self.root))
        return stored

    def publish(self, path: Path, new: Record) -> None:
        """Write a record, in place of the one that was there."""
        self.make()
        disk.publish(path, record.encode(new), self.root)

    def delete(self, path: Path) -> None:
        """Delete a record, if it is there."""
        with disk.failing_as_unavailable("write to", self.root):
            path.unlink(missing_ok=True)

    def open_blob(self, digest: str, size: int) -> BinaryIO | None:
        """Return an open blob of which every byte has been verified, or None if there is no such blob."""
        path = self.blob_path(digest)
        opened = blob.open_hashed(path, self.root)
        if opened is None:
            return None
        file, actual, length = opened
        if (actual, length) == (digest, size):
            return file
        file.close()
        if actual != digest and not self._read_only:
            self._quarantine.isolate(path, lambda: not blob.is_sound(path))
        return None

    def new_blob(self, promised: str | None) -> NewBlob:
        """Return a blob to be written; its name follows from its bytes, even if another digest was promised.

        The promised digest is in the name of its temporary, by which other processes see it grow.
        """
        self.make()
        path = self.blob_path(promised) if promised else self._blobs / "incoming"
        return NewBlob(disk.NewFile(path, self.root), self.blob_path)


def is_sound_record(path: Path, root: Path) -> bool:
    """Return whether every byte of a record is as it was written, or the record is gone."""
    raw = disk.read(path, root)
    return raw is None or record.is_sound(raw)
