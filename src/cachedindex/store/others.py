"""Another cache folder, of which what everybody may read is read after the own one, and nothing is ever written.

What cannot be read there is not there. So is what a user got with credentials: it lies in a folder of that user.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from cachedindex.model import Record, Request
from cachedindex.rules import layout
from cachedindex.store import blob, disk, folder, probe, record
from cachedindex.store.store import Tree


class OtherFolder:
    """The records and blobs of such a folder, each verified as it is read. No method raises anything."""

    def __init__(self, root: Path) -> None:
        """Read nothing yet."""
        self.root = root
        self._tree = Tree(root, read_only=True)

    def forms(self, request: Request) -> Sequence[Record]:
        """Return the records that can serve a request which has no scope, one for each form."""
        found = [self._record(path, request) for path in self._tree.record_paths(request)]
        return [stored for stored in found if stored and not stored.barred]

    def absence(self, request: Request) -> Record | None:
        """Return the record that the index did not have the page of a request."""
        return self._record(self._tree.record_path(request, layout.ABSENT), request)

    def open_blob(self, stored: Record) -> BinaryIO | None:
        """Return a record's open blob, with every byte verified; None if it is not there, or damaged."""
        with suppress(OSError):
            opened = disk.reopened(lambda: blob.hashed(self._tree.blob_path(stored.sha256)))
            if opened and opened[1:] == (stored.sha256, stored.size):
                return opened[0]
            if opened:
                opened[0].close()
        return None

    def _record(self, path: Path, request: Request) -> Record | None:
        raw = disk.read_if_possible(path)
        return record.decode(raw, request.url) if raw else None


def problem(root: Path) -> str | None:
    """Return why a folder is not read; None if it may be read, or is not there.

    Whose folder it may be is decided as for the own one. It may take seconds until it is known that it does not answer.
    """
    if not probe.is_readable(root):
        return f"{root} does not answer"
    refusal = folder.refusal(root)
    return str(refusal) if refusal else None
