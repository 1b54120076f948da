"""Keeps the cache folder within its bounds: deletes what `rules/eviction.py` says, and what nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cachedindex.rules.eviction import Entry, plan
from cachedindex.store import disk, locks, record
from cachedindex.store.store import BLOBS
from cachedindex.upkeep import hourly, listing
from cachedindex.upkeep.listing import Found

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


def collect(root: Path, shared: Path, limit: float, idle: float, *, dry_run: bool = False) -> Collected | None:
    """Bring a cache folder within its bounds and return what that took; None where another process is at it.

    `shared` holds locks and health; `limit` is in bytes, `idle` in seconds. It works on a disk that takes nothing more.
    """
    with locks.trying(shared / locks.FOLDER / "gc", shared) as alone:
        if not alone:
            return None
        collected = _collect(root, shared, limit, idle, dry_run=dry_run)
        if not dry_run:
            hourly.stamp(root)
        return collected


def _collect(root: Path, shared: Path, limit: float, idle: float, *, dry_run: bool) -> Collected:
    records, blobs, found = _entries(root)
    going = plan(records, blobs, limit, idle, disk.now(root))
    strays = list(listing.strays(root, shared))
    if not dry_run:
        going = list(_deleted(going, found))
        strays = [stray for stray in strays if stray.remove()]
        listing.prune(root, shared)
    freed = sum(entry.size for entry in going)
    kept = sum(entry.size for entry in (*records, *blobs)) - freed
    freed += sum(stray.seen.st_size for stray in strays)
    return Collected(len(going) + len(strays), freed, len(found) - len(going), kept)


def _entries(root: Path) -> tuple[list[Entry], list[Entry], dict[str, Found]]:
    """Return the records and the blobs for the plan, and by path what each is compared with before it goes."""
    records: dict[Found, str | None] = {}
    blobs: list[Found] = []
    for top in listing.trees(root):
        naming = {file: _named(file.where, top / BLOBS) for file in listing.records(top)}
        named = set(naming.values())
        # Of a record that may not be read nobody knows which blob it names: none goes but with a record that does.
        blobs += [blob for blob in listing.blobs(top) if _UNKNOWN not in named or blob.where in named]
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
