"""The folder that belongs to one user alone, and the secret that makes the scopes of that user's credentials."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cachedindex import standard
from cachedindex.errors import StoreUnavailable
from cachedindex.store import disk, new_file, system

FOLDER = "private-v1"
ELSEWHERE = "on Windows it is kept below this user's own %LOCALAPPDATA% only, as access lists are not examined"
"""Why private content is not kept."""
_SECRET = "secret"  # noqa: S105 - a file's name
_SECRET_SIZE = 32
_SCOPE_DIGITS = 32
_README = b"""What package indexes answered to credentials: a folder for each user, which only that user may read.
All of it may be deleted at any time.
"""


class Private:
    """The part of a cache folder that belongs to this user alone."""

    def __init__(self, root: Path, make_root: Callable[[], None], *, read_only: bool = False) -> None:
        """`root` is the cache folder, which other users may write to as well; `make_root` makes it."""
        self._root = root
        self._read_only = read_only
        self._make_root = make_root
        self.folder = folder_of_user(root)

    def scope(self, credential: str) -> str:
        """Return a digest of a credential, made with a secret of this user; StoreUnavailable if there is none.

        From a digest without a secret, a short password could be guessed.
        """
        self.secure()
        with standard.library():
            import hmac  # noqa: PLC0415 - 3 ms, for those who have credentials
        return hmac.new(self._secret(), credential.encode(), "sha256").hexdigest()[:_SCOPE_DIGITS]

    def secure(self) -> None:
        """Make the folder if it is not there; StoreUnavailable if it does not belong to this user alone."""
        if not (system.HAS_USERS or system.keeps_private(self._root)):
            raise disk.said_weekly(f"{self._root} is no place for private content: {ELSEWHERE}", self._root, "private")
        try:
            if not self.folder.exists():
                if self._read_only:
                    raise StoreUnavailable(f"{self.folder} is not there, and may not be made")
                self._make()
        except OSError as error:
            raise disk.unavailable("keep anything private in", self._root, error) from error
        if not self.is_own():
            raise StoreUnavailable(f"{self.folder} does not belong to this user alone; remove it, and it is made anew")

    def is_own(self) -> bool:
        """Return whether the folder is there, and belongs to this user and to nobody else.

        In a cache folder that a group shares, others could have made it, or put a link in its place.
        """
        return is_own(self._root)

    def _make(self) -> None:
        """Make the folder with its secret in it, at once, so that all processes of this user have the same secret."""
        self._make_root()
        if not self.folder.parent.exists():
            new_file.publish(self.folder.parent / "README", _README, self._root)
            with suppress(PermissionError):  # Another user made it meanwhile, and sets its mode.
                # From now on only its owner may move a folder away and put another one in its place.
                self.folder.parent.chmod(self.folder.parent.stat().st_mode | stat.S_ISVTX)
        new = disk.temporary(self.folder)
        new.mkdir(mode=0o700)
        try:
            new_file.publish(new / _SECRET, os.urandom(_SECRET_SIZE), new)
            with suppress(OSError):  # Another process of this user was first.
                system.files.rename(new, self.folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _secret(self) -> bytes:
        secret = disk.read(self.folder / _SECRET, self.folder)
        if secret is None or len(secret) != _SECRET_SIZE:  # Damaged: all that was stored with the old one is lost.
            if self._read_only:
                raise StoreUnavailable(f"{self.folder / _SECRET} is damaged")
            secret = os.urandom(_SECRET_SIZE)
            new_file.publish(self.folder / _SECRET, secret, self.folder)
        return secret


def folder_of_user(root: Path) -> Path:
    """Return the folder of this user below a cache folder; it need not be there."""
    return root / FOLDER / str(system.user())


def is_own(root: Path) -> bool:
    """Return whether that folder is there, and nobody else may read or change what lies in it."""
    return (system.HAS_USERS or system.keeps_private(root)) and disk.is_own(folder_of_user(root))
