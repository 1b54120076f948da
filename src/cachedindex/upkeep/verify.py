"""The checks of `cachedindex doctor` on the files in the cache folder, and their repair."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.store import blob, store, system
from cachedindex.store.quarantine import Quarantine
from cachedindex.upkeep import listing
from cachedindex.upkeep.inspection import Finding

_REPAIR = "cachedindex doctor --repair"


def damage(root: Path, *, repair: bool) -> Iterator[Finding]:
    """Read every record and blob, and yield each that does not verify; a repair moves it to the quarantine."""
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
            isolated: list[Path] = []
            if repair:
                quarantine = Quarantine(top, isolated.append)
                quarantine.isolate(path, lambda: not is_sound(path))  # noqa: B023 - called at once
            if isolated:
                yield Finding(f"{path} was damaged, and is now {isolated[0]}")
            else:
                yield Finding(f"{path} is damaged", f"{_REPAIR} sets it aside, as does the next build that reads it")
    yield Finding(f"{sound} records and blobs are sound")


def strays(root: Path, shared: Path, *, repair: bool) -> Finding:
    """Return how many files killed processes left, and old locks and health files; a repair removes them."""
    number, first, left = 0, "", 0
    for stray in listing.strays(root, shared):
        stays = not repair or not stray.remove()
        number, left = number + 1, left + stays
        first = first or (str(stray.path) if stays else "")
    if not number:
        return Finding("no strays")
    if not repair:
        return Finding(f"{number} strays, such as {first}", f"cachedindex gc or {_REPAIR} removes them")
    listing.prune(root, shared, listing.trees(root))
    if left:
        return Finding(f"{left} strays, such as {first}", "remove them as their owner")
    return Finding(f"{number} strays were removed")


def modes(root: Path, *, repair: bool) -> Iterator[Finding]:
    """Yield how many files do not give the rights of the folder's mode; a repair mends those of this user."""
    if not system.HAS_USERS:
        return
    mode = stat.S_IMODE(root.stat().st_mode)
    mended, left = 0, []
    for path in listing.everything(root):
        status = path.lstat()
        wanted = mode if stat.S_ISDIR(status.st_mode) else mode & 0o666
        if stat.S_ISLNK(status.st_mode) or not wanted & ~stat.S_IMODE(status.st_mode):
            continue
        if repair and status.st_uid == os.geteuid():
            _raise(path, wanted)
            mended += 1
        else:
            left.append(path)
    if left:
        advice = f"{_REPAIR} as their owner gives them the mode of {root}"
        yield Finding(f"{len(left)} files and folders shut out users of the folder, such as {left[0]}", advice)
    else:
        yield Finding(f"{mended} modes were mended" if mended else "every file has the folder's mode")


def denied(root: Path, shared: Path) -> Finding:
    """Return which folders this user may not write to, in a folder to which this user may: root made them, perhaps."""
    found = [path for path in listing.folders(root, shared) if not system.may_write(path)]
    if not found:
        return Finding("this user may write to all parts of it")
    tops = [path for path in found if path.parent not in found]
    says = f"this user may not write to {len(found)} folders in it, such as {tops[0]}"
    if not system.HAS_USERS:
        return Finding(says, "give this user the right to change them, or remove them")
    advice = f"as root: `chown -R --no-dereference {root.stat().st_uid} {' '.join(map(str, tops))}`"
    return Finding(f"{says}, of user {tops[0].stat().st_uid}", advice)


def _checks(top: Path) -> Iterator[tuple[Path, Callable[[Path], bool]]]:
    for file in listing.records(top):
        yield file.path, lambda path: store.is_sound_record(path, top)
    for file in listing.blobs(top):
        yield file.path, blob.is_sound


def _raise(path: Path, wanted: int) -> None:
    """Add to the mode of this user's own file, not of one that somebody has put in its place meanwhile."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) | wanted)
    finally:
        os.close(descriptor)
