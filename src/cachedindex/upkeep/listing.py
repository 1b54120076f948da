"""Lists the files in the cache folder: only in folders of this project's own names, and never behind a link."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cachedindex.store import disk, health_log, locks, private, quarantine
from cachedindex.store.store import BLOBS, RECORDS

_STORED = (RECORDS, BLOBS, quarantine.FOLDER)
_COORDINATION = (locks.FOLDER, health_log.FOLDER)
"""The folders by which processes coordinate, and which store nothing."""
_BEFORE = (*_COORDINATION, "gc.stamp", "lost+found")
"""What may be in the folder before the first page; the last one is every new file system's."""
_STRAY_AFTER = 3600.0
"""Seconds after which a temporary is a stray: one that is being written is younger."""
_UNUSED_AFTER = 7 * 86400.0
"""Seconds after which a lock file or a health log is useless; doubt, which lasts longest, lasts a day."""


@dataclass(frozen=True)
class ListedFile:
    """A file, as it was when it was listed."""

    where: str
    name: str
    status: os.stat_result

    @property
    def path(self) -> Path:
        """Its path. Not kept, since making one costs more than all other work for most files."""
        return Path(self.where)

    def remove(self) -> bool:
        """Delete the file unless it changed meanwhile; return whether it is gone.

        It is compared by device and number as well, in case somebody has put a link to another folder above it.
        """
        path = self.path
        try:
            if _identity(path.lstat()) != _identity(self.status):
                return False
            path.unlink()
        except FileNotFoundError:
            return True
        except OSError:  # It is another user's, whose collection may delete it.
            return False
        return True


def is_empty(root: Path) -> bool:
    """Return whether nothing is stored yet; a lock or an origin's health may be there before the first page."""
    return not root.exists() or all(path.name in _BEFORE for path in root.iterdir())


def trees(root: Path) -> list[Path]:
    """Return the roots of the trees that this user may collect: the shared one, and this user's own."""
    own = private.folder_of_user(root)
    # In a folder that a group shares, another user may have put a link there.
    return [root] if own.is_symlink() or own.parent.is_symlink() else [root, own]


def records(tree: Path) -> Iterator[ListedFile]:
    """Yield the records of one tree."""
    return (file for file in files(tree / RECORDS) if not _is_temporary(file))


def blobs(tree: Path) -> Iterator[ListedFile]:
    """Yield the blobs of one tree."""
    return (file for file in files(tree / BLOBS) if not _is_temporary(file))


def strays(root: Path, shared: Path) -> Iterator[ListedFile]:
    """Yield the files that nobody needs any more; `shared` holds locks and health."""
    now = disk.now(root)
    written = [*_here(root), *(file for folder in _folders(root) for file in files(folder))]
    yield from (file for file in written if _is_temporary(file) and _age(file, now) > _STRAY_AFTER)
    for tree in trees(root):
        surplus = set(quarantine.surplus(tree / quarantine.FOLDER))
        yield from (file for file in files(tree / quarantine.FOLDER) if file.path in surplus)
    now = disk.now(shared)
    coordinating = [file for name in _COORDINATION for file in files(shared / name)]
    if shared != root:
        coordinating += [file for file in _here(shared) if _is_temporary(file)]
    yield from (file for file in coordinating if _age(file, now) > _useless_after(file))


def prune(root: Path, shared: Path) -> None:
    """Remove empty folders; a process that is about to write there makes them again."""
    for top in (*_folders(root), *(shared / name for name in _COORDINATION)):
        if not top.is_symlink():
            for folder, _, _ in os.walk(top, topdown=False):
                _remove_empty(Path(folder))
    for top in (*trees(root), shared):  # A folder is made under a temporary name, which a kill may leave there.
        for unfinished in top.glob(".*.tmp"):
            _remove_empty(unfinished)


def everything(root: Path) -> Iterator[Path]:
    """Yield the folders and files that follow the mode of the cache folder."""
    for top in (root / name for name in _STORED if not (root / name).is_symlink()):
        for folder, _, names in os.walk(top):
            yield from (Path(folder), *(Path(folder, name) for name in names))


def folders(root: Path, shared: Path) -> Iterator[Path]:
    """Yield the folders in which processes of this user store or coordinate."""
    for top in (*_folders(root), *(shared / name for name in _COORDINATION)):
        if not top.is_symlink():
            yield from (Path(folder) for folder, _, _ in os.walk(top))


def files(folder: Path) -> Iterator[ListedFile]:
    """Yield the files below a folder, and none if the folder is a link or not there."""
    return iter(()) if folder.is_symlink() else _below(str(folder))


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # It is not empty, not a folder, or another user's.
        folder.rmdir()


def _below(folder: str) -> Iterator[ListedFile]:
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path)
        else:
            yield from _file(entry)


def _here(folder: Path) -> Iterator[ListedFile]:
    return (file for entry in _entries(str(folder)) for file in _file(entry))


def _folders(root: Path) -> list[Path]:
    return [tree / name for tree in trees(root) for name in _STORED]


def _entries(folder: str) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # It is not there, or another user's.
        return []


def _file(entry: os.DirEntry[str]) -> Iterator[ListedFile]:
    with suppress(FileNotFoundError):  # It was removed since it was listed.
        if entry.is_file(follow_symlinks=False):
            yield ListedFile(entry.path, entry.name, entry.stat(follow_symlinks=False))


def _age(file: ListedFile, now: float) -> float:
    return now - file.status.st_mtime


def _useless_after(file: ListedFile) -> float:
    return _STRAY_AFTER if _is_temporary(file) else _UNUSED_AFTER


def _is_temporary(file: ListedFile) -> bool:
    return file.name.startswith(".") and file.name.endswith(".tmp")


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_dev, status.st_ino, status.st_mtime_ns
