"""Adds the records and blobs of a bundle to those of everybody; nothing in it is believed without a check.

Each blob is published before the record that names it, and each of them whole: so a process that is killed leaves
nothing that a reader has to know of, and does the rest the next time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from cachedindex.model import Record
from cachedindex.rules import foreign, layout
from cachedindex.store import disk, record
from cachedindex.store.store import BLOBS, RECORDS, Tree
from cachedindex.upkeep import bundle
from cachedindex.upkeep.bundle import Member

_BLOB = re.compile(rf"{BLOBS}/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})")
_RECORD = re.compile(rf"{RECORDS}((?:/(?!\.\.?/)[A-Za-z0-9._+-]{{1,255}}){{2,12}})")
_LONGEST_RECORD = (64 << 20) + (1 << 20)
"""Bytes: no page is longer than 64 MiB, and neither is a list of names."""

_MOST_REASONS = 100
"""Reasons that are kept: a megabyte may unpack to millions of members that are none of ours."""


@dataclass
class Unpacked:
    """What a bundle has brought."""

    pages: int = 0
    files: int = 0
    known: int = 0
    """Records of which one as new, or a newer one, was there."""
    barred: int = 0
    """Records that stay away, as they were purged here, or their index has refused them to this machine's clients or
    did not have them later."""
    size: int = 0
    """Bytes that were written, or read to be."""
    refused: int = 0
    """Members that were not added."""
    reasons: list[str] = field(default_factory=list)
    """A line for each of the first ones, with the reason."""
    missing: list[str] = field(default_factory=list)
    """The names of members that are listed in the bundle, and are not in it."""
    cut: str = ""
    """Why the rest of it could not be read; empty if there is no rest."""


def unpack(root: Path, file: BinaryIO, most: float) -> Unpacked:
    """Add what is in a bundle to a cache folder; `most` is how many bytes it may bring.

    Raises Foreign if it is no bundle, and StoreUnavailable if the folder cannot be written.
    """
    unpacking = _Unpacking(root, most)
    try:
        for member in bundle.members(file):
            unpacking.take(member)
    except bundle.Damaged as error:
        unpacking.done.cut = str(error)
    return unpacking.end()


class _Unpacking:
    """The reading of one bundle."""

    def __init__(self, root: Path, most: float) -> None:
        self._tree = Tree(root)
        self._most = most
        self._sound: dict[str, int] = {}
        """The blobs that are there and were verified, with their sizes."""
        self._listed: dict[str, None] = {}
        self._is_whole = False
        self.done = Unpacked()

    def take(self, member: Member) -> None:
        """Add a member, or say why not."""
        if why := self._refusal(member):
            self.done.refused += 1
            if len(self.done.reasons) < _MOST_REASONS:
                self.done.reasons.append(f"{member.name}: {why}")
        self._listed.pop(member.name, None)

    def end(self) -> Unpacked:
        """Return what came of it all."""
        if not self._is_whole and not self.done.cut:
            self.done.cut = "it has no end, so it was cut"
        self.done.missing = list(self._listed)
        return self.done

    def _refusal(self, member: Member) -> str:
        """Add a member; return why it is not added, or nothing."""
        if not member.is_file:
            return "it is no plain file"
        if blob := _BLOB.fullmatch(member.name):
            return self._blob(blob[2], member)
        if member.size > _LONGEST_RECORD:
            return "it is too long"
        if member.name in (bundle.CONTENTS, bundle.END):
            self._list(member)
            return ""
        place = _RECORD.fullmatch(member.name)
        return self._record(place[1].split("/")[1:], member.whole()) if place else "it is neither a record nor a file"

    def _list(self, member: Member) -> None:
        names = dict.fromkeys(member.whole().decode("utf-8", "replace").splitlines())
        if member.name == bundle.CONTENTS:
            self._listed = names
        else:
            self._is_whole = True
            self._listed = {name: None for name in self._listed if name not in names}

    def _blob(self, digest: str, member: Member) -> str:
        if self._is_there(digest, member.size):
            return ""
        self._spend(member.size)
        new = self._tree.new_blob(digest)
        try:
            for chunk in member.chunks:
                new.write(chunk)
            if new.sha256 != digest:
                return "it has other bytes than its name says"
            new.commit()
        finally:
            new.abandon()
        self._sound[digest] = new.size
        return ""

    def _spend(self, size: int) -> None:
        """Count bytes that are about to be written; Damaged if they are too many."""
        self.done.size += size
        if self.done.size > self._most:
            raise bundle.Damaged("it holds more than max-size allows: raise that")

    def _is_there(self, digest: str, size: int) -> bool:
        """Return whether a blob is there, every byte of which is verified, once for each bundle."""
        if digest not in self._sound:
            opened = self._tree.open_blob(digest, size)
            if opened is None:
                return False
            opened.close()
            disk.touch(self._tree.blob_path(digest))  # Else it may be collected before its record is there.
            self._sound[digest] = size
        return self._sound[digest] == size

    def _record(self, parts: list[str], raw: bytes) -> str:
        stored = record.decode(raw)
        if stored is None:
            return "another release wrote it" if record.is_sound(raw) else "it is damaged"
        if why := foreign.refusal(stored, parts):
            return why
        self._spend(len(raw))
        if stored.page is None and not self._is_there(stored.sha256, stored.size):
            return "its file is not there"
        self._put(self._tree.record_place(parts), foreign.dated(stored, time.time()))
        return ""

    def _put(self, path: Path, new: Record) -> None:
        absences = dict(self._beside(path, new, f"page.{layout.ABSENT}.*"))
        if new.form == layout.ABSENT and any(there.size for _, there in self._beside(path, new, "page.[hj]*")):
            self.done.known += 1
        elif any(there.asked > new.asked for there in absences.values()):
            self.done.barred += 1
        elif self._tree.publish(path, new, lambda there: foreign.replaces(new, there)):
            self.done.pages += bool(new.form)
            self.done.files += not new.form
            for absence in absences:
                self._tree.delete(absence)
        elif (there := self._tree.read(path)) and there.barred:
            self.done.barred += 1
        else:
            self.done.known += 1

    def _beside(self, path: Path, new: Record, names: str) -> Iterator[tuple[Path, Record]]:
        """Yield what says something else of the same page than a record, however its peer was verified."""
        for other in path.parent.glob(names) if new.form else ():
            if other != path and (there := self._tree.read(other, new.url)):
                yield other, there
