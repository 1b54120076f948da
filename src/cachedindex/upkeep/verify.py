"""Whether all that lies in the cache folder is sound, and mends what is not."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.store import store
from cachedindex.store.quarantine import Quarantine
from cachedindex.upkeep import listing
from cachedindex.upkeep.inspection import Finding

_REPAIR = "cachedindex doctor --repair"


def damage(root: Path, *, repair: bool) -> Iterator[Finding]:
    """Read every record and blob, and yield what does not verify; repaired, it is set aside."""
    sound = 0
    for top in listing.trees(root):
        for path, is_sound in _checks(top):
            try:
                if is_sound(path):
                    sound += 1
                    continue
            except (OSError, StoreUnavailable) as error:
                yield Finding(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}", "see its owner")
                continue
            aside: list[Path] = []
            if repair:
                Quarantine(top, aside.append).take(path, lambda: not is_sound(path))  # noqa: B023 - called at once
            if aside:
                yield Finding(f"{path} was damaged, and is now {aside[0]}")
            else:
                yield Finding(f"{path} is damaged", f"{_REPAIR} sets it aside, as does the next build that reads it")
    yield Finding(f"{sound} records and blobs are sound")


def strays(root: Path, shared: Path, *, repair: bool) -> Finding:
    """Return what killed processes left, and locks and health that nobody uses any more; repaired, it is gone."""
    found = list(listing.strays(root, shared))
    if not found:
        return Finding("no strays")
    if not repair:
        return Finding(f"{len(found)} strays, as {found[0].path}", f"cachedindex gc or {_REPAIR} removes them")
    left = [stray.path for stray in found if not stray.remove()]
    listing.prune(root, shared)
    if left:
        return Finding(f"{len(left)} strays, as {left[0]}", "remove them as their owner")
    return Finding(f"{len(found)} strays were removed")


def modes(root: Path, *, repair: bool) -> Finding:
    """Return what shuts out whom the folder's mode lets in; repaired, of what others own alone."""
    mode = stat.S_IMODE(root.stat().st_mode)
    mended, left = 0, []
    for path in listing.everything(root):
        found = path.lstat()
        wanted = mode if stat.S_ISDIR(found.st_mode) else mode & 0o666
        if stat.S_ISLNK(found.st_mode) or not wanted & ~stat.S_IMODE(found.st_mode):
            continue
        if repair and found.st_uid == os.geteuid():
            _raise(path, wanted)
            mended += 1
        else:
            left.append(path)
    if left:
        advice = f"{_REPAIR} as their owner gives them the mode of {root}"
        return Finding(f"{len(left)} files and folders shut out who may use the folder, as {left[0]}", advice)
    return Finding(f"{mended} modes were mended" if mended else "every file has the folder's mode")


def _checks(top: Path) -> Iterator[tuple[Path, Callable[[Path], bool]]]:
    for found in listing.records(top):
        yield found.path, lambda path: store.is_sound_record(path, top)
    for found in listing.blobs(top):
        yield found.path, store.is_sound_blob


def _raise(path: Path, wanted: int) -> None:
    """Add to the mode of what is ours, and of nothing that somebody has put in its place meanwhile."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) | wanted)
    finally:
        os.close(descriptor)
