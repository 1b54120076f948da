"""Keeps the cache folder within its bounds: deletes what `rules/eviction.py` plans, and strays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cachedindex.rules import layout
from cachedindex.rules.eviction import Entry, plan
from cachedindex.store import disk, locks, record
from cachedindex.store.store import BLOBS
from cachedindex.upkeep import listing
from cachedindex.upkeep.listing import ListedFile

_UNKNOWN = "?"
_LINES = 2
_HEAD = 8192
"""Bytes that hold a record that names a blob; a longer record is a page's, or is read whole."""


@dataclass(frozen=True)
class Collected:
    """How many files and bytes a collection removed, or would remove, and how many records and blobs stay."""

    removed: int
    freed: int
    kept: int
    size: int


def collect(root: Path, shared: Path, limit: float, idle: float, *, dry_run: bool = False) -> Collected | None:
    """Bring a cache folder within its bounds; None if another process is collecting there.

    `shared` holds locks and health; `limit` is in bytes, `idle` in seconds. It works on a full disk as well.
    """
    with locks.holding(shared / locks.FOLDER / "gc.lock", shared) as alone:
        return _collect(root, shared, limit, idle, dry_run=dry_run) if alone else None


def _collect(root: Path, shared: Path, limit: float, idle: float, *, dry_run: bool) -> Collected:
    records, blobs, listed = _entries(root)
    going = plan(records, blobs, limit, idle, disk.now(root))
    strays = list(listing.strays(root, shared))
    if not dry_run:
        going = list(_deleted(going, listed))
        strays = [stray for stray in strays if stray.remove()]
        listing.prune(root, shared)
    freed = sum(entry.size for entry in going)
    kept = sum(entry.size for entry in (*records, *blobs)) - freed
    freed += sum(stray.status.st_size for stray in strays)
    return Collected(len(going) + len(strays), freed, len(listed) - len(going), kept)


def _entries(root: Path) -> tuple[list[Entry], list[Entry], dict[str, ListedFile]]:
    """Return the records and the blobs for the plan, and by path the file that each is compared with before it goes."""
    records: dict[ListedFile, str | None] = {}
    blobs: list[ListedFile] = []
    for top in listing.trees(root):
        naming = {file: _named(file.where, top / BLOBS) for file in listing.records(top)}
        named = set(naming.values())
        # Nobody knows which blob an unreadable record names: then a blob goes only with a record that names it.
        blobs += [blob for blob in listing.blobs(top) if _UNKNOWN not in named or blob.where in named]
        records |= naming
    by_path = {file.where: file for file in (*records, *blobs)}
    return [_entry(file, blob) for file, blob in records.items()], [_entry(file) for file in blobs], by_path


def _entry(file: ListedFile, blob: str | None = None) -> Entry:
    return Entry(file.where, file.status.st_size, file.status.st_mtime, blob, layout.is_absence(file.name))


def _named(path: str, blobs: Path) -> str | None:
    """Return the path of the blob that a record names; None if it names none, is damaged or gone."""
    try:
        with disk.open_regular(Path(path)) as file:
            head = file.read(_HEAD)
            if head.count(b"\n") < _LINES:
                head += file.read()
    except FileNotFoundError:
        return None
    except OSError:
        return _UNKNOWN
    digest = record.blob_of(head)
    return digest and str(blobs / digest[:2] / digest)


def _deleted(going: Iterable[Entry], listed: Mapping[str, ListedFile]) -> Iterator[Entry]:
    """Delete and yield the entries, except for those that are in use again, and the blobs of such records."""
    spared: set[str | None] = set()
    for entry in going:
        if entry.path not in spared and listed[entry.path].remove():
            yield entry
        else:
            spared.add(entry.blob)
