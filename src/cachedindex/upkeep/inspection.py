"""The checks of `cachedindex doctor` on the cache folder itself: its permissions, file system, clock and locks."""

from __future__ import annotations

import math
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cachedindex.options import CLOCK_SKEW
from cachedindex.store import folder, locks, new_file, private, system
from cachedindex.upkeep import listing, mounts

_LEAST_FREE = 500_000_000
_LEAST_NAMES = 1000
_LONGEST_ROOT = 85
"""Characters: Windows has 259 for a path unless long ones are enabled (rules/layout.py)."""


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    says: str
    advice: str = ""
    """What a person should do; empty if nothing is wrong."""
    is_wrong: bool = True
    """Whether that must be done; false if it is a mere proposal."""


def permissions(root: Path, *, read_only: bool) -> Iterator[Finding]:
    """Yield what mode, owner and access lists mean for this user."""
    yield from _of_modes(root) if system.HAS_USERS else _of_access_lists(root)
    if read_only:
        yield Finding("read-only: nothing is stored")
    else:
        yield Finding("this user may store there" if folder.may_write(root) else "reads only: this user stores nothing")


def _of_access_lists(root: Path) -> Iterator[Finding]:
    """Yield what is not known of a folder whose access list nobody reads, and what follows from that."""
    if (length := len(str(root))) > _LONGEST_ROOT:
        advice = f"set cache-dir to a path of {_LONGEST_ROOT} characters at most, unless long paths are enabled"
        yield Finding(f"its path has {length} characters, which leaves too few for files in it", advice, is_wrong=False)
    if system.keeps_private(root):
        yield Finding("below %LOCALAPPDATA%, so private content is kept there; access lists are not examined")
        return
    advice = f"see by `icacls {root}` that only those may change it from whom every build may install"
    yield Finding("access lists are not examined", advice, is_wrong=False)
    yield Finding("private content is not kept", private.ELSEWHERE, is_wrong=False)


def _of_modes(root: Path) -> Iterator[Finding]:
    refusal = folder.refusal(root)
    status = root.stat()
    mode = f"mode {stat.S_IMODE(status.st_mode):o}, owner {_owner(root, status)}"
    if refusal:
        yield Finding(f"{mode}: {refusal.why}", refusal.advice)
    else:
        shared = status.st_mode & stat.S_IWGRP and status.st_mode & stat.S_ISGID
        yield Finding(f"{mode}: {'shared with its group' if shared else 'only its owner may store there'}")
    lists = [kind for kind in ("access", "default") if folder.has_acl(root, kind)]
    if lists == ["access"]:
        yield Finding(
            "an access list that new files do not get",
            f"give them a default list: `getfacl -a {root} | setfacl -d -M- {root}`",
        )
    else:
        yield Finding("access lists for the folder and for new files" if lists else "no access list")


def coordination(shared: Path) -> Iterator[Finding]:
    """Yield what is wrong with a folder for locks and health that is not the cache folder."""
    refusal = folder.refusal(shared)
    if shared.exists() and not shared.is_dir():
        yield Finding(f"lock-dir is {shared}, which is no folder", "set lock-dir to a folder")
    elif refusal:
        yield Finding(f"lock-dir: {refusal.why}", refusal.advice)
    elif not folder.may_write(shared):
        yield Finding(f"lock-dir is {shared}, where this user may not write", "give it the mode and group of cache-dir")


def ground(root: Path, shared: Path, limit: float) -> Iterator[Finding]:
    """Yield the kind of the file system and how much space it has left; `limit` is in bytes."""
    system, local = mounts.file_system(root), mounts.file_system(shared)
    if local.is_network:
        yield Finding(
            f"{shared} is on a network mount ({local.kind}), where locks may hang",
            "set lock-dir to a folder on this host's own disk, with the same mode and group",
        )
    else:
        yield Finding(f"file system {system.kind}" + (f", locks in {shared} ({local.kind})" if shared != root else ""))
    free = f"{system.free / 1e9:.1f} GB free"
    names = "" if system.names is None else f", room for {system.names} more files"
    if system.free < _LEAST_FREE or (system.names is not None and system.names < _LEAST_NAMES):
        yield Finding(free + names, "the next pages will not be stored: make room, or lower max-size")
    elif limit - sum(file.status.st_size for file in listing.files(root)) > system.free and limit < math.inf:
        yield Finding(free + names, "the disk is full before max-size is reached: lower max-size")
    else:
        yield Finding(free + names)


def clock(root: Path) -> Finding:
    """Return how far the clock of the folder's file system is from this host's."""
    ahead = new_file.now(root) - time.time()
    if abs(ahead) <= CLOCK_SKEW:
        return Finding("the folder's clock is this host's")
    return Finding(
        f"the folder's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this host's",
        "set both by one time server: this host's clock decides which pages are fresh",
    )


def locking(shared: Path) -> Finding:
    """Return whether a lock keeps a second process out. It may hang on a network mount."""
    path = shared / locks.FOLDER / f"doctor.{os.getpid()}"
    try:
        with locks.holding(path, shared) as first, locks.holding(path, shared) as second:
            works = first and not second
        path.unlink(missing_ok=True)
    except OSError:
        works = False
    if works:
        return Finding("locks work")
    return Finding("locks do not work, so jobs may do the same work twice", "set lock-dir to a folder where they do")


def _owner(root: Path, status: os.stat_result) -> str:
    try:
        return f"{root.owner()}:{root.group()}"
    except (KeyError, NotImplementedError):  # They have no names, as in a container.
        return f"{status.st_uid}:{status.st_gid}"
