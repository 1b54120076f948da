"""Writes what is stored for everybody into a bundle; each file is verified as it is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from cachedindex.model import Record
from cachedindex.rules import layout
from cachedindex.store import disk, record
from cachedindex.store.store import BLOBS, Tree
from cachedindex.upkeep import bundle
from cachedindex.upkeep.inventory import Entry


@dataclass
class Packed:
    """What went into a bundle, and what did not."""

    pages: int = 0
    files: int = 0
    size: int = 0
    """Bytes of all members."""
    left_out: list[str] = field(default_factory=list)
    """The URLs of what was to go, but is gone or damaged."""


def may_leave(entry: Entry) -> bool:
    """Return whether an entry may be taken to another machine: it is everybody's, and somebody is served it here."""
    return entry.owner is None and not entry.record.barred and entry.record.form != layout.FORBIDDEN


def pack(root: Path, entries: Iterable[Entry], file: BinaryIO) -> Packed:
    """Write these entries of a cache folder, the pages first; OSError if that fails."""
    chosen = sorted(entries, key=lambda entry: (entry.record.form == "", entry.file.where))
    packing = _Packing(root, file)
    packing.begin(chosen)
    for entry in chosen:
        packing.add(entry)
    return packing.end()


class _Packing:
    """The writing of one bundle."""

    def __init__(self, root: Path, file: BinaryIO) -> None:
        self._root = root
        self._tree = Tree(root, read_only=True)
        self._writer = bundle.Writer(file)
        self._missing: list[str] = []
        self._added: set[str] = set()
        self._done = Packed()

    def begin(self, entries: Sequence[Entry]) -> None:
        names = [name for entry in entries for name in self._names(entry)]
        self._writer.add_bytes(bundle.CONTENTS, _lines(dict.fromkeys(names)))

    def add(self, entry: Entry) -> None:
        raw = disk.read(entry.file.path, self._root)
        stored = record.decode(raw, entry.record.url) if raw else None
        *blobs, name = self._names(entry)
        if raw is None or stored is None or stored.barred or not self._has_blob(stored):
            self._done.left_out.append(entry.shown)
            self._missing += [name, *blobs]
            return
        self._writer.add_bytes(name, raw, stored.checked)
        self._done.size += len(raw)
        self._done.pages += bool(stored.form)
        self._done.files += not stored.form

    def end(self) -> Packed:
        self._writer.add_bytes(bundle.END, _lines(name for name in self._missing if name not in self._added))
        self._writer.close()
        return self._done

    def _names(self, entry: Entry) -> list[str]:
        """Return the names of an entry's members: that of its blob, if there is one, and its own."""
        own = entry.file.path.relative_to(self._root).as_posix()
        return [own] if entry.record.page is not None else [_blob_name(entry.record.sha256), own]

    def _has_blob(self, stored: Record) -> bool:
        """Add the blob of a record, if it has one; return whether it is in the bundle."""
        name = _blob_name(stored.sha256)
        if stored.page is not None or name in self._added:
            return True
        opened = self._tree.open_blob(stored.sha256, stored.size)
        if opened is None:
            return False
        with opened:  # It stays readable if it is collected meanwhile.
            self._writer.add(name, stored.size, opened, stored.checked)
        self._added.add(name)
        self._done.size += stored.size
        return True


def _blob_name(digest: str) -> str:
    return f"{BLOBS}/{digest[:2]}/{digest}"


def _lines(names: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()
