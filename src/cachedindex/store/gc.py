"""Keeps the cache folder within its bounds: deletes what `rules/eviction.py` says, and what nobody needs any more."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.rules.eviction import Entry, plan
from cachedindex.store import disk, locks, record, tree
from cachedindex.store.store import BLOBS
from cachedindex.store.tree import Found

_STAMP = "gc.stamp"
_EVERY = 3600.0
_UNKNOWN = "?"
_LINES = 2
_HEAD = 8192
"""Bytes that hold a record that names a blob; one that is longer is a page's, or is read whole."""


@dataclass(frozen=True)
class Collected:
    """What a collection removed, or would remove, and what stays of records and blobs."""

    removed: int
    freed: int
    kept: int
    size: int


class Collector:
    """Collects in one cache folder: when it is told to, and by itself beside a process that stores there."""

    def __init__(self, root: Path, shared: Path, limit: float, idle: float) -> None:
        """Take the cache folder, the one that holds locks and health, and the bounds in bytes and in seconds."""
        self._root = root
        self._shared = shared
        self._limit = limit
        self._idle = idle
        self._thread: threading.Thread | None = None

    def stored(self, path: Path) -> None:
        """Collect once an hour, beside the process that has just stored this file, and waits for nothing.

        The thread is a daemon: one that hangs in a network mount, or is not done when the build is, dies with the
        process. What it deleted until then was right to go, and the next store goes on.
        """
        if (self._thread and self._thread.is_alive()) or not self._is_due(path):
            return
        self._thread = threading.Thread(target=self._collect_quietly, name="cachedindex-gc", daemon=True)
        with suppress(RuntimeError):  # No thread to spare, or the interpreter is on its way out: another store will do.
            self._thread.start()

    def collect(self, *, dry_run: bool = False) -> Collected | None:
        """Bring the folder within its bounds and return what that took; None where another process is at it.

        Raises StoreUnavailable where the folder does not take what is to be written for that.
        """
        with locks.trying(self._shared / locks.FOLDER / "gc", self._shared) as alone:
            if not alone:
                return None
            collected = self._collect(dry_run=dry_run)
            if not dry_run:
                self._stamp()
            return collected

    def _collect(self, *, dry_run: bool) -> Collected:
        records, blobs, found = _entries(self._root)
        going = plan(records, blobs, self._limit, self._idle, disk.now(self._root))
        strays = list(tree.strays(self._root, self._shared))
        if not dry_run:
            going = list(_deleted(going, found))
            strays = [stray for stray in strays if stray.remove()]
            tree.prune(self._root, self._shared)
        freed = sum(entry.size for entry in going)
        kept = sum(entry.size for entry in (*records, *blobs)) - freed
        freed += sum(stray.seen.st_size for stray in strays)
        return Collected(len(going) + len(strays), freed, len(found) - len(going), kept)

    def _collect_quietly(self) -> None:
        # Whatever it is, the build goes on and nobody waits for this; `cachedindex gc` tells what is wrong.
        with suppress(Exception):
            self.collect()

    def _is_due(self, path: Path) -> bool:
        """Return whether this file was written an hour after the last collection: both times are by one clock."""
        try:
            return abs(path.stat().st_mtime - (self._root / _STAMP).stat().st_mtime) > _EVERY
        except OSError:  # Nobody collected yet, and a folder that is new need not be in its first hour.
            self._stamp()
            return False

    def _stamp(self) -> None:
        with suppress(StoreUnavailable):  # Then the next process to store collects as well.
            disk.publish(self._root / _STAMP, b"", self._root)


def _entries(root: Path) -> tuple[list[Entry], list[Entry], dict[str, Found]]:
    """Return the records and the blobs for the plan, and by path what each is compared with before it goes."""
    records: dict[Found, str | None] = {}
    blobs: list[Found] = []
    for top in tree.trees(root):
        naming = {file: _named(file.where, top / BLOBS) for file in tree.records(top)}
        named = set(naming.values())
        # Of a record that may not be read nobody knows which blob it names: none goes but with a record that does.
        blobs += [blob for blob in tree.blobs(top) if _UNKNOWN not in named or blob.where in named]
        records |= naming
    by_path = {file.where: file for file in (*records, *blobs)}
    return [_entry(file, blob) for file, blob in records.items()], [_entry(file) for file in blobs], by_path


def _entry(file: Found, blob: str | None = None) -> Entry:
    return Entry(file.where, file.seen.st_size, file.seen.st_mtime, blob)


def _named(path: str, blobs: Path) -> str | None:
    """Return the path of the blob that a record names; None where it names none, is damaged or gone."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
            if head.count(b"\n") < _LINES:
                head += file.read()
    except FileNotFoundError:
        return None
    except OSError:
        return _UNKNOWN
    digest = record.blob_of(head)
    return digest and str(blobs / digest[:2] / digest)


def _deleted(going: Iterable[Entry], found: Mapping[str, Found]) -> Iterator[Entry]:
    """Delete and yield, except for what is in use again, and the blobs of such records."""
    spared: set[str | None] = set()
    for entry in going:
        if entry.path not in spared and found[entry.path].remove():
            yield entry
        else:
            spared.add(entry.blob)
