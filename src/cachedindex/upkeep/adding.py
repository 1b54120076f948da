"""Adds records and blobs that another machine has sent to those of everybody; nothing of them is believed unchecked.

Each blob is published before the record that names it, and each of them whole: so a process that is killed leaves
nothing that a reader has to know of, and does the rest the next time.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Record
from cachedindex.rules import foreign, layout
from cachedindex.store import disk, record
from cachedindex.store.blob import NewBlob
from cachedindex.store.store import BLOBS, RECORDS, Tree

BLOB = re.compile(rf"{BLOBS}/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})")
RECORD = re.compile(rf"{RECORDS}((?:/(?!\.\.?/)[A-Za-z0-9._+-]{{1,255}}){{2,12}})")
"""The names that blobs and records have, beside the cache folder as within it."""
LONGEST_RECORD = (64 << 20) + (1 << 20)
"""Bytes: no page is longer than 64 MiB."""


class TooMuch(Exception):
    """What is to be added is more than may be; the text says so."""


@dataclass
class Added:
    """What was added, and what was not."""

    pages: int = 0
    files: int = 0
    known: int = 0
    """Records of which one as new, or a newer one, was there."""
    barred: int = 0
    """Records that stay away, as they were purged here, or their index has refused them to this machine's clients or
    did not have them later."""
    size: int = 0
    """Bytes that were written, or read to be."""


class Adding:
    """The adding of records and blobs to one cache folder; StoreUnavailable if that cannot be written."""

    def __init__(self, root: Path, most: float, done: Added) -> None:
        """`most` is how many bytes may be added, and `done` counts what was."""
        self._tree = Tree(root)
        self._most = most
        self._done = done
        self._sound: dict[str, int] = {}
        """The blobs that are there and were verified, with their sizes."""
        self._written: set[NewBlob] = set()
        """The blobs that are being written, by threads of which each has its own."""
        self._guard = threading.Condition()
        self._writes = 0
        """How many threads write to the folder at this moment."""
        self._has_ended = False

    def blob(self, digest: str, size: int, chunks: Iterable[bytes]) -> str:
        """Add a blob; return why it is not added, or nothing. TooMuch if there is no room for it."""
        if self._is_there(digest, size):
            return ""
        self._spend(size)
        with self._writing():
            new = self._tree.new_blob(digest)
            self._written.add(new)
        try:
            for chunk in chunks:
                with self._writing():
                    new.write(chunk)
            if new.sha256 != digest:
                return "it has other bytes than its name says"
            with self._writing():
                new.commit()
        finally:
            new.abandon()
            self._written.discard(new)
        self._sound[digest] = new.size
        return ""

    def record(self, name: str, raw: bytes, url: str | None = None) -> str:
        """Add the record of a name (for `url`); return as `blob` does. Its blob has to be there before."""
        place = RECORD.fullmatch(name)
        if place is None:
            return "it is neither a record nor a file"
        parts, stored = place[1].split("/")[1:], record.decode(raw, url)
        if stored is None:
            return "it is of another release, or of another URL" if record.is_sound(raw) else "it is damaged"
        if why := foreign.refusal(stored, parts):
            return why
        self._spend(len(raw))
        if stored.page is None and not self._is_there(stored.sha256, stored.size):
            return "its file is not there"
        with self._writing():
            self._put(self._tree.record_place(parts), foreign.dated(stored, time.time()))
        return ""

    def end(self) -> None:
        """Leave nothing half written by threads that nobody waits for any more: the process may end in the next moment.

        What they are writing is waited for, which is short; the rest of a blob may never come, so it is given up.
        """
        with self._guard:
            self._has_ended = True
            self._guard.wait_for(lambda: not self._writes)
        for new in list(self._written):
            new.abandon()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._guard:
            if self._has_ended:
                raise StoreUnavailable("nothing more is added")
            self._writes += 1
        try:
            yield
        finally:
            with self._guard:
                self._writes -= 1
                self._guard.notify_all()

    def _spend(self, size: int) -> None:
        self._done.size += size
        if self._done.size > self._most:
            raise TooMuch("it holds more than max-size allows: raise that")

    def _is_there(self, digest: str, size: int) -> bool:
        """Return whether a blob is there, every byte of which is verified, once for each digest."""
        if digest not in self._sound:
            opened = self._tree.open_blob(digest, size)
            if opened is None:
                return False
            opened.close()
            disk.touch(self._tree.blob_path(digest))  # Else it may be collected before its record is there.
            self._sound[digest] = size
        return self._sound[digest] == size

    def _put(self, path: Path, new: Record) -> None:
        absences = dict(self._beside(path, new, f"page.{layout.ABSENT}.*"))
        if new.form == layout.ABSENT and any(there.size for _, there in self._beside(path, new, "page.[hj]*")):
            self._done.known += 1
        elif any(there.asked > new.asked for there in absences.values()):
            self._done.barred += 1
        elif self._tree.publish(path, new, lambda there: foreign.replaces(new, there)):
            self._done.pages += bool(new.form)
            self._done.files += not new.form
            for absence in absences:
                self._tree.delete(absence)
        elif (there := self._tree.read(path)) and there.barred:
            self._done.barred += 1
        else:
            self._done.known += 1

    def _beside(self, path: Path, new: Record, names: str) -> Iterator[tuple[Path, Record]]:
        """Yield what says something else of the same page than a record, however its peer was verified."""
        for other in path.parent.glob(names) if new.form else ():
            if other != path and (there := self._tree.read(other, new.url)):
                yield other, there
