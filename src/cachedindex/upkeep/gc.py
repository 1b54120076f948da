"""Keeps the cache folder within its bounds: deletes what is over them, file by file, and strays.

Everything is looked at twice. The first time its ages are added up, which takes a few microseconds for a file and shows
what has to go (`rules/eviction.py`). The second time that goes: the records of a tree, each of which may name a blob,
and then the blobs that none of the records that stay names. So no record is left without its blob, and nothing has to
be known of all files at once but eight bytes of each blob's name.

A pip may live for a shorter time than that takes. So how far it has got is written down twice a second, and the next
process goes on there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cachedindex.rules import layout, urls
from cachedindex.store import locks, new_file, quarantine, record
from cachedindex.store.store import BLOBS, RECORDS
from cachedindex.upkeep import listing, progress
from cachedindex.upkeep.listing import ListedFile
from cachedindex.upkeep.progress import Progress

_TIMES = 3
"""How often it is done, if more is left than may be: a blob that two records name is counted twice as it goes."""
_MOST_ABSENCES = 10_000
"""Absences that are kept, the most recently used ones: they take hardly any bytes, but each is a file."""
_YOUNG = 3600.0
"""Seconds for which a blob without a record is spared, since its record may be about to be written."""
_LINES = 2
_HEAD = 8192
"""Bytes that hold a record that names a blob; a longer one has a long header, and is read whole."""
_DIGITS = 16
"""Hexadecimal digits of a digest by which blobs are told apart; of two that are equal in them, one stays too long."""
_BATCH = 128
"""Files after which it looks at the clock."""
_MARKED_EVERY = 0.5


@dataclass
class Collected:
    """How many files and bytes a collection removed, or would remove, and how many records and blobs stay."""

    removed: int = 0
    freed: int = 0
    kept: int = 0
    size: int = 0


def collect(
    root: Path, shared: Path, limit: float, idle: float, *, dry_run: bool = False, resume: bool = False
) -> Collected | None:
    """Bring a cache folder within its bounds; None if another process is collecting there.

    `shared` holds locks and health; `limit` is in bytes, `idle` in seconds. It works on a full disk as well. With
    `resume` it goes on where the last one ended.
    """
    with locks.holding(shared / locks.FOLDER / "gc.lock", shared) as alone:
        if not alone:
            return None
        state = progress.read(root) if resume else None
        mark = _Mark(root, is_kept=not dry_run)
        collection = _Collection(root, limit, idle, mark, dry_run=dry_run)
        for _ in range(_TIMES):
            before = collection.done.removed
            collection.run(state or Progress.begin(new_file.now(root)))
            state = None
            if dry_run or collection.done.size <= limit or collection.done.removed == before:
                break
        done, of_trees = collection.done, listing.collected_trees(root)
        for stray in listing.leftovers(root, shared, of_trees):
            collection.remove(stray)
        for old in listing.old_runs(root, of_trees, idle, new_file.now(root)):
            collection.remove(old)
        if not dry_run:
            listing.prune(root, shared, of_trees, [quarantine.FOLDER])
            progress.forget(root)
        return done


class _Mark:
    """Keeps how far a collection has got."""

    def __init__(self, root: Path, *, is_kept: bool) -> None:
        self._root = root
        self._is_kept = is_kept
        self._marked = time.monotonic()

    def keep(self, state: Progress, after: str) -> None:
        now = time.monotonic()
        if self._is_kept and now - self._marked >= _MARKED_EVERY:
            state.after, self._marked = after, now
            progress.write(self._root, state)


class _Collection:
    """A collection of one folder by one process."""

    def __init__(self, root: Path, limit: float, idle: float, mark: _Mark, *, dry_run: bool) -> None:
        self._root = root
        self._limit = limit
        self._idle = idle
        self._mark = mark
        self._dry_run = dry_run
        self._dropped: set[int] = set()
        """The blobs of records that have just gone."""
        self.done = Collected()

    def run(self, state: Progress) -> None:
        """Do what is left of a collection."""
        self._state = state
        self._began = new_file.now(self._root)
        self.done.kept = self.done.size = 0
        tops = [tree / name for tree in listing.collected_trees(self._root) for name in (RECORDS, BLOBS)]
        steps = [("measure", top, self._measured) for top in tops]
        steps += [("delete", top, self._record if top.name == RECORDS else self._blob) for top in tops]
        names = [f"{what} {top.relative_to(self._root).as_posix()}" for what, top, _ in steps]
        first = names.index(state.step) if state.step in names else 0
        for name, (what, top, handle) in list(zip(names, steps, strict=True))[first:]:
            self._tree = top.parent
            if name != state.step:
                self._enter(name, is_tree=what == "delete" and top.name == RECORDS)
            self._walk(top, handle, prune=what == "delete" and not self._dry_run)

    def remove(self, file: ListedFile) -> bool:
        """Delete a file, or pretend to, and count it; return whether it is gone."""
        if not self._dry_run and not file.remove():
            return False
        self.done.removed += 1
        self.done.freed += file.status.st_size
        return True

    def _enter(self, step: str, *, is_tree: bool) -> None:
        state = self._state
        if state.step.startswith("measure") and step.startswith("delete"):
            state.cut = state.bytes_by_age.beyond(self._limit)
            state.absences_cut = state.absences_by_age.without(
                sum(state.absences_by_age.sums.values()) - _MOST_ABSENCES
            )
        if is_tree:
            self._dropped = set()
        state.enter(step, tree=is_tree)

    def _walk(self, top: Path, handle: Callable[[ListedFile], None], *, prune: bool) -> None:
        begin = len(str(top)) + 1
        for number, file in enumerate(
            listing.files(top, self._root, after=self._state.after, held=True, prune=prune), 1
        ):
            if not listing.is_temporary(file):
                handle(file)
            elif handle != self._measured and listing.is_stray(file, self._began):
                self.remove(file)
            if not number % _BATCH:
                self._mark.keep(self._state, file.where[begin:])

    def _measured(self, file: ListedFile) -> None:
        used = file.status.st_mtime
        if self._state.begun - used <= self._idle:
            self._state.bytes_by_age.add(used, file.status.st_size)
            if layout.is_absence(file.name):
                self._state.absences_by_age.add(used, 1)

    def _record(self, file: ListedFile) -> None:
        state, used = self._state, file.status.st_mtime
        digest, size = "", 0
        if _may_name_a_blob(file):
            try:
                digest, size = _named(file)
            except FileNotFoundError:
                return
            except OSError:  # Nobody knows which one it names.
                state.is_sure = False
        blob = _short(digest)
        is_over = layout.is_absence(file.name) and state.absences_cut.takes(used, 1)
        is_over = is_over or state.cut.takes(self._counted(used, digest), file.status.st_size + size)
        if (is_over or self._began - used > self._idle) and self.remove(file):
            self._dropped |= {blob} if blob else set()
            return
        self._keep(file)
        if blob:
            state.named.add(blob)

    def _counted(self, used: float, digest: str) -> float:
        """Return when a record, with its blob, counts as used: the blob's bytes were measured by the blob's own time.

        That is earlier by as long as it took to write the record, or by up to the hour in which nothing is touched
        again. A blob of two records may be later, and goes with the last of them.
        """
        if not digest or used > self._state.begun:
            return used
        with suppress(OSError):  # It is gone, and its bytes with it.
            blob = self._tree / BLOBS / digest[:2] / digest
            return min(used, blob.lstat().st_mtime)
        return used

    def _blob(self, file: ListedFile) -> None:
        state, used, blob = self._state, file.status.st_mtime, _short(file.name)
        # One that was used since is another record's, or one that a client is just about to name.
        is_old = state.is_sure and state.begun - used > _YOUNG
        is_useless = is_old or (blob in self._dropped and used <= self._began)
        if blob in state.named or not is_useless or not self.remove(file):
            self._keep(file)

    def _keep(self, file: ListedFile) -> None:
        self.done.kept += 1
        self.done.size += file.status.st_size


def _may_name_a_blob(file: ListedFile) -> bool:
    """Return whether a record may name a blob: a page's has its body, and there are more of these than of any other."""
    return not file.name.startswith("page.") or file.where.endswith(f"/files/{file.name}")


def _named(file: ListedFile) -> tuple[str, int]:
    """Return the digest of the blob that a record names, and its size; "" and 0 if it names none, or is damaged."""
    head = file.head(_HEAD)
    if head.count(b"\n") < _LINES:
        head = file.head(file.status.st_size)
    digest, size = record.blob_of(head)
    return (digest, size) if urls.is_sha256(digest) else ("", 0)


def _short(digest: str) -> int:
    """Return what stands for a digest; 0 for what is none."""
    try:
        return int(digest[:_DIGITS], 16)
    except ValueError:
        return 0
