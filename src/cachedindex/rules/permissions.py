"""Whether a cache folder's mode declares who may write to it.

What lies there ends up in builds, so a folder that others may write to by accident is not used.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection

from cachedindex.named import NamedTuple


class Refusal(NamedTuple):
    """Why a folder is not used, and what a person can do about it."""

    why: str
    advice: str

    def __str__(self) -> str:
        return f"{self.why}; {self.advice}"


def refusal(folder: str, mode: int, is_meant: Callable[[], bool]) -> Refusal | None:
    """Return why a folder of this `st_mode` is not used, or None if it may be.

    `is_meant` is called if a group may write to a folder without the setgid bit. It returns whether that is intended:
    the group is the owner alone, or an access control list names it.
    """
    if mode & stat.S_ISVTX:
        return Refusal(
            f"{folder} is not used: in a folder with the sticky bit no job can replace a file that another stored",
            "make one with `install -d -m 2775 -g GROUP FOLDER`, and set cache-dir to it",
        )
    if mode & stat.S_IWOTH:
        return _unsafe(folder, "every user of this host may change there what builds install")
    if mode & stat.S_IWGRP and not mode & stat.S_ISGID and not is_meant():
        return _unsafe(folder, "its group may write to it, but it has no setgid bit to show that this is intended")
    return None


def is_trusted(mode: int, owner: int, group: int, *, user: int, groups: Collection[int]) -> bool:
    """Return whether a folder is root's, this user's, or one that this user's group shares, as its mode declares."""
    is_shared = mode & stat.S_IWGRP and mode & stat.S_ISGID and group in groups
    return owner in (0, user) or bool(is_shared)


def stranger(folder: str, made: str, owner: int) -> Refusal:
    """Return the refusal of a folder in a place where everybody may make folders, and where another user was first."""
    return Refusal(
        f"{folder} is not used: {made} belongs to user {owner}, in a folder where everybody may make one",
        "set cache-dir or lock-dir to a folder of this user, of root, or of a group with mode 2775",
    )


def safest(mode: int, *, is_meant: bool) -> int:
    """Return a new folder's mode without the bits for which it would be refused, which a umask may leave."""
    group = 0 if mode & stat.S_ISGID or is_meant else stat.S_IWGRP
    return stat.S_IMODE(mode) & ~(group | stat.S_IWOTH | stat.S_ISVTX)


def _unsafe(folder: str, why: str) -> Refusal:
    return Refusal(
        f"{folder} is not used: {why}",
        f"to share it with one group: `chgrp GROUP {folder} && chmod 2775 {folder}`, "
        f"to keep it to its owner: `chmod go-w {folder}`",
    )
