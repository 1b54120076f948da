"""Lists the files in the cache folder: only in folders of this project's own names, and never behind a link.

A folder is opened from the one above it, and listed and changed by its descriptor: so nobody who may write there can
have root list or delete in another place, by a link that takes the place of a folder meanwhile.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from cachedindex.named import NamedTuple
from cachedindex.store import health_log, locks, new_file, private, quarantine, runs, system
from cachedindex.store.store import BLOBS, RECORDS
from cachedindex.upkeep import progress, stamp

_STORED = (RECORDS, BLOBS, quarantine.FOLDER, runs.FOLDER)
_COORDINATION = (locks.FOLDER, health_log.FOLDER)
"""The folders by which processes coordinate, and which store nothing."""
_BEFORE = (*_COORDINATION, runs.FOLDER, stamp.NAME, progress.NAME, "lost+found")
"""What may be in the folder before the first page; the last one is every new file system's."""
_STRAY_AFTER = 3600.0
"""Seconds after which a temporary is a stray: one that is being written is younger."""
_UNUSED_AFTER = 7 * 86400.0
"""Seconds after which a lock file or a health log is useless; doubt, which lasts longest, lasts a day."""
_BY_DESCRIPTOR = {os.open, os.stat, os.unlink, os.rmdir} <= os.supports_dir_fd and os.listdir in os.supports_fd


class ListedFile(NamedTuple):
    """A file, as it was when it was listed."""

    where: str
    name: str
    status: os.stat_result
    folder: int | None = None
    """The descriptor of its folder, by which it is read and removed: open until the next file is asked for."""

    @property
    def path(self) -> Path:
        """Its path. Not kept, since making one costs more than all other work for most files."""
        return Path(self.where)

    def remove(self) -> bool:
        """Delete the file unless it changed meanwhile; return whether it is gone."""
        try:
            now = os.stat(self._here, dir_fd=self.folder, follow_symlinks=False)
            if _identity(now) != _identity(self.status):
                return False
            system.files.unlink(self._here, dir_fd=self.folder)
        except FileNotFoundError:
            return True
        except OSError:  # It is another user's, whose collection may delete it.
            return False
        return True

    def head(self, size: int) -> bytes:
        """Return so many of its first bytes; OSError if it cannot be read."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = system.files.open(self._here, flags, dir_fd=self.folder)
        try:
            return os.read(descriptor, size)
        finally:
            os.close(descriptor)

    @property
    def _here(self) -> str:
        return self.where if self.folder is None else self.name


def is_empty(root: Path) -> bool:
    """Return whether nothing is stored yet; a lock or an origin's health may be there before the first page."""
    return not root.exists() or all(path.name in _BEFORE for path in root.iterdir())


def trees(root: Path) -> list[Path]:
    """Return the roots of the trees of this user: the shared one, and this user's own."""
    own = private.folder_of_user(root)
    # In a folder that a group shares, another user may have put a link there.
    return [root] if _is_link(own) or _is_link(own.parent) else [root, own]


def collected_trees(root: Path) -> list[Path]:
    """Return the roots of the trees that this user may collect: for root, those of all users."""
    above = root / private.FOLDER
    if not system.is_root() or above.is_symlink():
        return trees(root)
    with suppress(OSError):  # There is none.
        return [root, *sorted(tree for tree in above.iterdir() if tree.name.isdigit())]
    return [root]


def records(tree: Path) -> Iterator[ListedFile]:
    """Yield the records of one tree."""
    return (file for file in files(tree / RECORDS) if not is_temporary(file))


def blobs(tree: Path) -> Iterator[ListedFile]:
    """Yield the blobs of one tree."""
    return (file for file in files(tree / BLOBS) if not is_temporary(file))


def old_runs(root: Path, of_trees: Iterable[Path], idle: float, now: float) -> Iterator[ListedFile]:
    """Yield the records of runs that are older than `idle` seconds, or beyond the bytes that are kept of newer ones."""
    for tree in of_trees:
        size, going = 0, set()
        for file in sorted(files(tree / runs.FOLDER, root), key=lambda file: file.name, reverse=True):
            size += file.status.st_size
            if not is_temporary(file) and (size > runs.MOST_BYTES or now - file.status.st_mtime > idle):
                going.add(file.name)
        yield from (file for file in files(tree / runs.FOLDER, root, held=True) if file.name in going)


def strays(root: Path, shared: Path) -> Iterator[ListedFile]:
    """Yield the files that nobody needs any more; `shared` holds locks and health."""
    now = new_file.now(root)
    for tree in trees(root):
        for name in (RECORDS, BLOBS):
            yield from (file for file in files(tree / name) if is_stray(file, now))
    yield from leftovers(root, shared, trees(root))


def leftovers(root: Path, shared: Path, of_trees: Iterable[Path]) -> Iterator[ListedFile]:
    """Yield the files that nobody needs any more, apart from the temporaries of records and blobs."""
    now = new_file.now(root)
    yield from (file for file in _here(root) if is_stray(file, now))
    for tree in of_trees:
        surplus = set(quarantine.surplus(tree / quarantine.FOLDER))
        for file in files(tree / quarantine.FOLDER, root, held=True):
            if file.path in surplus or is_stray(file, now):
                yield file
        yield from (file for file in files(tree / runs.FOLDER, root, held=True) if is_stray(file, now))
    now = new_file.now(shared)
    for name in _COORDINATION:
        yield from (file for file in files(shared / name) if now - file.status.st_mtime > _useless_after(file))
    if shared != root:
        yield from (file for file in _here(shared) if is_stray(file, now))


def prune(root: Path, shared: Path, of_trees: Sequence[Path], stored: Sequence[str] = _STORED) -> None:
    """Remove empty folders; a process that is about to write there makes them again."""
    for tree in of_trees:
        for name in stored:
            deque(files(tree / name, root, prune=True), maxlen=0)
    for name in _COORDINATION:
        deque(files(shared / name, prune=True), maxlen=0)
    for top in {root, shared, *of_trees}:  # A folder is made under a temporary name, which a kill may leave there.
        for unfinished in top.glob(".*.tmp"):
            with suppress(OSError):  # It is not empty, not a folder, or another user's.
                unfinished.rmdir()


def everything(root: Path) -> Iterator[Path]:
    """Yield the folders and files that follow the mode of the cache folder."""
    for top in (root / name for name in _STORED if not _is_link(root / name)):
        for folder, _, names in os.walk(top):
            yield from (Path(folder), *(Path(folder, name) for name in names))


def folders(root: Path, shared: Path) -> Iterator[Path]:
    """Yield the folders in which processes of this user store or coordinate."""
    stored = [tree / name for tree in trees(root) for name in _STORED]
    for top in (*stored, *(shared / name for name in _COORDINATION)):
        if not _is_link(top):
            yield from (Path(folder) for folder, _, _ in os.walk(top))


def files(
    top: Path, root: Path | None = None, *, after: str = "", held: bool = False, prune: bool = False
) -> Iterator[ListedFile]:
    """Yield the files below a folder, in the order of the parts of their paths; none if it is a link or not there.

    No folder between `root` and `top` may be a link either. `after` is a path below it: only those that come later are
    yielded. With `held`, each has to be removed before the next is asked for. With `prune`, each folder that is empty
    in the end is removed.
    """
    parts = top.relative_to(root).parts if root else (top.name,)
    found = _below(str(root or top.parent), None, parts, after.split("/") if after else (), prune=prune)
    yield from found if held else (file._replace(folder=None) for file in found)


def is_temporary(file: ListedFile) -> bool:
    """Return whether a file is being written, or was when its process was killed."""
    return file.name.startswith(".") and file.name.endswith(".tmp")


def is_stray(file: ListedFile, now: float) -> bool:
    """Return whether a file is a temporary that nobody can still be writing; `now` is in seconds since the epoch."""
    return is_temporary(file) and now - file.status.st_mtime > _STRAY_AFTER


def _below(
    folder: str, descriptor: int | None, down: Sequence[str], after: Sequence[str], *, prune: bool
) -> Iterator[ListedFile]:
    """Yield the files below a folder that is open by its descriptor, if it has one; below `down`, if that is given."""
    for name in down[:1] or _names(folder, descriptor):
        if after and not down and name < after[0]:
            continue
        where = f"{folder}/{name}"
        rest = after if down else after[1:] if after and name == after[0] else ()
        try:
            status = os.stat(where if descriptor is None else name, dir_fd=descriptor, follow_symlinks=False)
        except OSError:  # It was removed since it was listed.
            continue
        if stat.S_ISDIR(status.st_mode) and not system.is_junction(status):
            yield from _in(where, name, descriptor, down[1:], rest, prune=prune)
        elif stat.S_ISREG(status.st_mode) and not down and not (after and name == after[0]):
            yield ListedFile(where, name, status, descriptor)


def _in(
    where: str, name: str, above: int | None, down: Sequence[str], after: Sequence[str], *, prune: bool
) -> Iterator[ListedFile]:
    """Yield the files below a folder, given the descriptor of the one above it."""
    descriptor = None
    if _BY_DESCRIPTOR:
        try:
            descriptor = os.open(
                where if above is None else name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above
            )
        except OSError:  # It was removed or replaced since, or is another user's.
            return
    try:
        yield from _below(where, descriptor, down, after, prune=prune)
    finally:
        if descriptor is not None:
            os.close(descriptor)
    if prune and not down:
        with suppress(OSError):  # It is not empty, or another user's.
            os.rmdir(where if above is None else name, dir_fd=above)


def _here(folder: Path) -> Iterator[ListedFile]:
    for name in _names(str(folder), None):
        with suppress(OSError):  # It was removed since it was listed.
            status = os.lstat(folder / name)
            if stat.S_ISREG(status.st_mode):
                yield ListedFile(f"{folder}/{name}", name, status)


def _is_link(path: Path) -> bool:
    """Return whether a path leads to another place."""
    try:
        status = path.lstat()
    except OSError:  # It is not there.
        return False
    return stat.S_ISLNK(status.st_mode) or system.is_junction(status)


def _names(folder: str, descriptor: int | None) -> Sequence[str]:
    try:
        return sorted(os.listdir(folder if descriptor is None else descriptor))  # noqa: PTH208 - by descriptor
    except OSError:  # It is not there, or another user's.
        return ()


def _useless_after(file: ListedFile) -> float:
    return _STRAY_AFTER if is_temporary(file) else _UNUSED_AFTER


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_dev, status.st_ino, status.st_mtime_ns
