"""What is one user's alone: a folder that nobody else may look into, and the secret that its scopes are made with."""

from __future__ import annotations

import hmac
import os
import secrets
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.store import disk

FOLDER = "private-v1"
_SECRET = "secret"  # noqa: S105 - a file's name
_SECRET_SIZE = 32
_SCOPE_DIGITS = 32


class Private:
    """The part of a cache folder that is the user's own."""

    def __init__(self, root: Path, make_root: Callable[[], None], *, read_only: bool = False) -> None:
        """Take the cache folder, which other users may write to as well, and what makes it."""
        self._root = root
        self._read_only = read_only
        self._make_root = make_root
        self._user = os.getuid() if hasattr(os, "getuid") else None
        self.folder = root / FOLDER / str(self._user)

    def scope(self, credential: str) -> str:
        """Return a digest of a credential that nobody without the secret can guess his way back from."""
        self.claim()
        return hmac.new(self._secret(), credential.encode(), "sha256").hexdigest()[:_SCOPE_DIGITS]

    def claim(self) -> None:
        """Make the folder where it is not there; StoreUnavailable where it is not this user's alone."""
        with disk.failing_as_unavailable("keep anything private in", self._root):
            if not self.folder.exists():
                if self._read_only:
                    raise StoreUnavailable(f"{self.folder} is not there, and may not be made")
                self._make()
        if not self.is_own():
            raise StoreUnavailable(f"{self.folder} is not this user's alone; remove it, and it is made anew")

    def is_own(self) -> bool:
        """Return whether the folder is there, and belongs to this user and to nobody else.

        In a cache folder that a group shares, others could have made it, or put a link in its place.
        """
        return self._user is not None and disk.is_own(self.folder)

    def _make(self) -> None:
        """Make the folder with its secret in it, at once, so that all of this user's processes have the same one."""
        if self._user is None:
            raise OSError("this system has no users to tell apart")
        self._make_root()
        if not self.folder.parent.exists():
            disk.publish(self.folder.parent / "README", _README, self._root)
            with suppress(PermissionError):  # Another user made it meanwhile, and does so.
                # From now on nobody but its owner may move a folder away and put another one in its place.
                self.folder.parent.chmod(self.folder.parent.stat().st_mode | stat.S_ISVTX)
        new = self.folder.parent / f".{self._user}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
        new.mkdir(mode=0o700)
        try:
            disk.publish(new / _SECRET, secrets.token_bytes(_SECRET_SIZE), new)
            with suppress(OSError):  # Another process of this user's was first.
                new.rename(self.folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _secret(self) -> bytes:
        secret = disk.read(self.folder / _SECRET, self.folder)
        if secret is None or len(secret) != _SECRET_SIZE:  # Damaged: what is stored by the old one is lost.
            if self._read_only:
                raise StoreUnavailable(f"{self.folder / _SECRET} is damaged")
            secret = secrets.token_bytes(_SECRET_SIZE)
            disk.publish(self.folder / _SECRET, secret, self.folder)
        return secret


_README = b"""What package indexes answered to credentials: a folder for each user, which only that user may read.
All of it may be deleted at any time.
"""
