"""What is deleted to keep the cache folder small: what was unused for long, then the least recently used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LOW_WATER = 0.9
"""The share of the limit down to which entries are deleted, so that not every store exceeds the limit again."""
_MOST_ABSENCES = 10_000
"""Absences that are kept, the most recently used ones: they take hardly any bytes, but each is a file."""
_YOUNG = 3600.0
"""Seconds for which a blob without a record is spared, since its record may be about to be written."""


@dataclass(frozen=True)
class Entry:
    """A record or a blob as it lies on the disk."""

    path: str
    size: int
    used: float
    """When it was last served or written, in seconds since the epoch by the file system's clock."""
    blob: str | None = None
    """The path of the blob that a record names."""
    is_absence: bool = False
    """Whether it only says that an index did not have a page."""


def plan(records: Sequence[Entry], blobs: Sequence[Entry], limit: float, idle: float, now: float) -> list[Entry]:
    """Return what to delete, in this order: each record before its blob, so that no record names a blob that is gone.

    A blob goes with the last record that names it, however young it is, since nothing else leads to it; so it needs no
    place of its own in the order of use. `limit` is in bytes, `idle` in seconds.
    """
    by_use = sorted(records, key=lambda record: (record.used, record.path))
    last = {record.blob: record for record in by_use}
    of_path = {blob.path: blob for blob in blobs}
    going = [blob for blob in blobs if blob.path not in last and now - blob.used > _YOUNG]
    surplus = [record for record in by_use if record.is_absence][:-_MOST_ABSENCES]
    going += surplus
    left = sum(entry.size for entry in (*records, *blobs)) - sum(entry.size for entry in going)
    enough = limit
    gone = {record.path for record in surplus}
    for record in (record for record in by_use if record.path not in gone):
        if now - record.used <= idle:
            if left <= enough:
                break
            enough = limit * _LOW_WATER
        blob = of_path.get(record.blob or "")
        group = [record, blob] if blob and last[record.blob] is record else [record]
        going += group
        left -= sum(entry.size for entry in group)
    return going
