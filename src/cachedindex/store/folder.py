"""The cache folder as a whole: its permissions, and the tag that identifies it as this project's."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path

from cachedindex import standard
from cachedindex.rules import permissions
from cachedindex.rules.permissions import Refusal
from cachedindex.store import disk, new_file, system

_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# Made by cachedindex; see https://bford.info/cachedir/\n"
_README = b"""Package index pages and files, kept by cachedindex so that builds survive an index that does not answer.
`ls records-v1` finds a project's pages; every file verifies itself when it is read.
All of it may be deleted at any time: the next build with a working index fills it again.
"""


def make(root: Path) -> None:
    """Make the folder and those above it, with a mode that is not refused; StoreUnavailable if that fails."""
    if not root.is_dir():
        with disk.failing_as_unavailable("make", root):
            disk.make_parents(root.parent)
            disk.make_folder(root, _first_mode)


def make_tagged(root: Path) -> None:
    """Make the folder, with the files that identify it as a cache to backups and people; StoreUnavailable as `make`."""
    make(root)
    for name, text in (("CACHEDIR.TAG", _TAG), ("README", _README)):
        if disk.read(root / name, root) is None:
            new_file.publish(root / name, text, root)


def is_ours(root: Path) -> bool:
    """Return whether a release of this project made the folder; other programs write a CACHEDIR.TAG as well."""
    return b"cachedindex" in (disk.read(root / "CACHEDIR.TAG", root) or b"")


def refusal(root: Path) -> Refusal | None:
    """Return why the folder is not used; None if it may be used, or is not there yet."""
    if not system.HAS_USERS:  # Windows invents the mode that it reports.
        return None
    try:
        status = root.stat()
    except OSError:  # It is not there; or the first read fails, and reports it.
        return None
    is_meant = partial(_is_meant, root, status)
    return permissions.refusal(str(root), status.st_mode, is_meant) or _refused_for_owner(root)


def may_write(root: Path) -> bool:
    """Return whether this process may store there: in the folder, or in the one above if it has to be made.

    If not, the folder is read without a warning: so a host gives untrusted builds what trusted ones have stored.
    """
    try:
        existing = next(folder for folder in (root, *root.parents) if folder.exists())
    except OSError:  # It is below a folder that this user may not search.
        return False
    return system.may_write(existing)


def has_acl(path: Path, kind: str = "access") -> bool:
    """Return whether an access control list says more than the mode, or one is the "default" for new files (acl(5))."""
    try:
        return bool(os.getxattr(path, f"system.posix_acl_{kind}"))
    except (OSError, AttributeError):  # There is none, or this system has none.
        return False


def _refused_for_owner(root: Path) -> Refusal | None:
    """Return the refusal if everybody could have made the folder, or one above it, and a stranger did."""
    groups = {os.getegid(), *os.getgroups()}
    foreign = None
    for folder in (real := root.resolve(), *real.parents):
        try:
            status = folder.stat()
        except OSError:  # As the folder itself: the first read reports it.
            return None
        if foreign and status.st_mode & stat.S_IWOTH:
            return foreign
        if not permissions.is_trusted(status.st_mode, status.st_uid, status.st_gid, user=os.geteuid(), groups=groups):
            foreign = permissions.stranger(str(root), str(folder), status.st_uid)
    return None


def _is_meant(root: Path, status: os.stat_result) -> bool:
    return has_acl(root) or _is_private(status.st_uid, status.st_gid)


def _first_mode(new: Path) -> int:
    return permissions.safest(new.stat().st_mode, is_meant=has_acl(new))


def _is_private(user: int, group: int) -> bool:
    """Return whether a group holds its user alone: it has the user's name, and nobody else in it."""
    with standard.library():
        import grp  # noqa: PLC0415 - Windows has neither
        import pwd  # noqa: PLC0415

    try:
        owner, members = pwd.getpwuid(user), grp.getgrgid(group)
    except KeyError:  # As in a container, in which the user has no name.
        return False
    return (owner.pw_gid, owner.pw_name) == (group, members.gr_name) and set(members.gr_mem) <= {owner.pw_name}
