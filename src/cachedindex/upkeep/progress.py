"""How far a collection has got: a file in the cache folder, by which another process goes on if this one ends."""

from __future__ import annotations

import json
from array import array
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from cachedindex.errors import StoreUnavailable
from cachedindex.rules.eviction import Ages, Cut
from cachedindex.store import disk, new_file, system

NAME = "gc.mark"


@dataclass
class Progress:
    """The state of a collection."""

    bytes_by_age: Ages
    absences_by_age: Ages
    cut: Cut = field(default_factory=Cut)
    """Which records and blobs go, once all was measured."""
    absences_cut: Cut = field(default_factory=Cut)
    step: str = ""
    """What it does, and in which folder."""
    after: str = ""
    """The last path in that folder that is done."""
    named: set[int] = field(default_factory=set)
    """The blobs that the records of this tree name so far, by the first digits of their digests."""
    is_sure: bool = True
    """Whether all records of this tree could be read so far."""

    @classmethod
    def begin(cls, now: float) -> Progress:
        """Return the state before anything is done; `now` is the time by the file system's clock."""
        return cls(Ages(now), Ages(now))

    @property
    def begun(self) -> float:
        """When it began, in seconds since the epoch by the file system's clock."""
        return self.bytes_by_age.now

    def enter(self, step: str, *, tree: bool) -> None:
        """Note that a step begins; with `tree` it is the first one that names the blobs of a tree."""
        self.step, self.after = step, ""
        if tree:
            self.named, self.is_sure = set(), True


def read(root: Path) -> Progress | None:
    """Return the state of a collection that did not end; None if there is none, or it cannot be read."""
    with suppress(StoreUnavailable, ValueError, TypeError, LookupError, AttributeError):  # Another release's, perhaps.
        raw = disk.read(root / NAME, root) or b""
        digest, _, rest = raw.partition(b"\n")
        header, _, named = rest.partition(b"\n")
        # After a power cut it may be anything; a name that is missing would cost a blob that is in use.
        if digest == sha256(rest).hexdigest().encode():
            return _decoded(json.loads(header), named)
    return None


def write(root: Path, progress: Progress) -> None:
    """Keep the state; on a full disk the next collection begins anew."""
    named = array("Q", progress.named).tobytes()
    rest = json.dumps(_header(progress)).encode() + b"\n" + named
    with suppress(StoreUnavailable):
        new_file.publish(root / NAME, sha256(rest).hexdigest().encode() + b"\n" + rest, root)


def forget(root: Path) -> None:
    """Remove the state: the collection is done."""
    with suppress(OSError):  # It is not there; or it is another user's, and the next collection ends it once more.
        system.files.unlink(root / NAME)


def _header(progress: Progress) -> object:
    cuts = [[cut.now, cut.age, cut.rest] for cut in (progress.cut, progress.absences_cut)]
    sums = [dict(ages.sums) for ages in (progress.bytes_by_age, progress.absences_by_age)]
    return [progress.begun, sums, cuts, progress.step, progress.after, progress.is_sure]


def _decoded(header: Any, named: bytes) -> Progress:
    begun, sums, cuts, step, after, is_sure = header
    sizes, counts = (Ages(begun, {int(age): float(amount) for age, amount in each.items()}) for each in sums)
    cut, absences_cut = (Cut(*map(float, each)) for each in cuts)
    known = array("Q")
    known.frombytes(named)
    return Progress(sizes, counts, cut, absences_cut, str(step), str(after), set(known), bool(is_sure))
