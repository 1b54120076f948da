"""What lies in the cache folder: only in folders of this project's own names, and never behind a link."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cachedindex.store import disk, health_log, locks, quarantine
from cachedindex.store.store import BLOBS, RECORDS

PRIVATE = "private-v1"
_SHARED = (RECORDS, BLOBS, quarantine.FOLDER)
_TELLING = (locks.FOLDER, health_log.FOLDER)
"""What processes tell each other by."""
_STRAY_AFTER = 3600.0
"""Seconds after which a temporary is nobody's: one that is being written is younger."""
_UNUSED_AFTER = 7 * 86400.0
"""Seconds after which a lock file or a health log says nothing any more; doubt, which lasts longest, lasts a day."""


@dataclass(frozen=True)
class Found:
    """A file, as it was when somebody looked."""

    where: str
    name: str
    seen: os.stat_result

    @property
    def path(self) -> Path:
        """Its path. Not kept, since making one costs more than all else that is done for most files."""
        return Path(self.where)

    def remove(self) -> bool:
        """Delete the file unless it changed meanwhile; return whether it is gone.

        It is compared by device and number as well, lest somebody put a link to another folder above it.
        """
        path = self.path
        try:
            if _identity(path.lstat()) != _identity(self.seen):
                return False
            path.unlink()
        except FileNotFoundError:
            return True
        except OSError:  # Not ours to delete: somebody else's collection may.
            return False
        return True


def is_empty(root: Path) -> bool:
    """Return whether nothing is stored yet; a lock or a word on an origin's health may come before the first page."""
    return not root.exists() or all(path.name in _TELLING for path in root.iterdir())


def trees(root: Path) -> list[Path]:
    """Return the folders that hold records and blobs: the shared one, and this user's own."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    own = root / PRIVATE / str(user)
    # In a folder that a group shares, another user may have put a link there.
    return [root] if own.is_symlink() or own.parent.is_symlink() else [root, own]


def records(tree: Path) -> Iterator[Found]:
    """Yield the records of one tree."""
    return (found for found in files(tree / RECORDS) if not _is_temporary(found))


def blobs(tree: Path) -> Iterator[Found]:
    """Yield the blobs of one tree."""
    return (found for found in files(tree / BLOBS) if not _is_temporary(found))


def strays(root: Path, shared: Path) -> Iterator[Found]:
    """Yield what nobody needs any more."""
    now = disk.now(root)
    written = [*_here(root), *(found for folder in _folders(root) for found in files(folder))]
    yield from (found for found in written if _is_temporary(found) and now - found.seen.st_mtime > _STRAY_AFTER)
    for tree in trees(root):
        surplus = set(quarantine.surplus(tree / quarantine.FOLDER))
        yield from (found for found in files(tree / quarantine.FOLDER) if found.path in surplus)
    now = disk.now(shared)
    told = [found for name in _TELLING for found in files(shared / name)]
    if shared != root:
        told += [found for found in _here(shared) if _is_temporary(found)]
    yield from (found for found in told if now - found.seen.st_mtime > _needless_after(found))


def prune(root: Path, shared: Path) -> None:
    """Remove empty folders; whoever is about to write there makes them again."""
    for top in (*_folders(root), *(shared / name for name in _TELLING)):
        if not top.is_symlink():
            for folder, _, _ in os.walk(top, topdown=False):
                _remove_empty(Path(folder))
    for top in (*trees(root), shared):  # A folder is made under a temporary name, by whom a kill may end.
        for unfinished in top.glob(".*.tmp"):
            _remove_empty(unfinished)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # It is not empty, no folder, or not ours.
        folder.rmdir()


def everything(root: Path) -> Iterator[Path]:
    """Yield the folders and files that follow the mode of the cache folder."""
    for top in (root / name for name in _SHARED if not (root / name).is_symlink()):
        for folder, _, names in os.walk(top):
            yield from (Path(folder), *(Path(folder, name) for name in names))


def files(folder: Path) -> Iterator[Found]:
    """Yield the files below a folder, and none where it is a link or not there."""
    return iter(()) if folder.is_symlink() else _below(str(folder))


def _below(folder: str) -> Iterator[Found]:
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path)
        else:
            yield from _file(entry)


def _here(folder: Path) -> Iterator[Found]:
    return (found for entry in _entries(str(folder)) for found in _file(entry))


def _folders(root: Path) -> list[Path]:
    return [tree / name for tree in trees(root) for name in _SHARED]


def _entries(folder: str) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # Not there, or another user's.
        return []


def _file(entry: os.DirEntry[str]) -> Iterator[Found]:
    with suppress(FileNotFoundError):  # Gone since it was listed.
        if entry.is_file(follow_symlinks=False):
            yield Found(entry.path, entry.name, entry.stat(follow_symlinks=False))


def _needless_after(found: Found) -> float:
    return _STRAY_AFTER if _is_temporary(found) else _UNUSED_AFTER


def _is_temporary(found: Found) -> bool:
    return found.name.startswith(".") and found.name.endswith(".tmp")


def _identity(seen: os.stat_result) -> tuple[int, int, int]:
    return seen.st_dev, seen.st_ino, seen.st_mtime_ns
