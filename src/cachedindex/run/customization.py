"""The `sitecustomize.py` of a base interpreter, with our block in it.

It may be an administrator's: Debian's and Ubuntu's is a link to a configuration file that dpkg leaves as it was edited.
So the file that the link leads to is changed, its own text comes first, and no bytecode of it stays stale.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from cachedindex.errors import SettingsError, StoreUnavailable
from cachedindex.rules import block
from cachedindex.store import new_file, system

NAME = "sitecustomize.py"
_COMPILE = "import sys; compile(sys.stdin.buffer.read(), 'sitecustomize.py', 'exec')"


def path_in(folder: Path) -> Path:
    """Return the file, at the end of all links; SettingsError if there can be none."""
    try:
        path = (folder / NAME).resolve()
    except (OSError, RuntimeError) as error:  # A circle of links.
        raise SettingsError(f"{folder / NAME}: leads nowhere: {error}") from error
    if not path.parent.is_dir():
        raise SettingsError(f"{folder / NAME}: leads to {path}, and there is no such folder")
    return path


def has_block(folder: Path) -> bool:
    """Return whether our block is in the file beside a base interpreter's standard library."""
    try:
        return block.is_in(_read(path_in(folder)) or b"")
    except SettingsError:  # Nobody can read it: we have not written it.
        return False


def with_block(folder: Path, python: str) -> tuple[Path, bytes]:
    """Return the file that has to have our block, and its text then; SettingsError if Python would not run the block.

    The path is the end of all links.
    """
    path = path_in(folder)
    theirs = _without(path, _read(path))
    if theirs is None:
        return path, block.MADE
    text = block.added(theirs)
    if fault := _fault(python, text):
        raise SettingsError(f"{path}: Python cannot run it: {fault}; mend it first")
    return path, text


def write(path: Path, text: bytes) -> None:
    """Replace the file, whole or not at all; mode and owner stay. SettingsError if it cannot be written."""
    if _read(path) == text:
        return
    try:
        status = path.stat() if path.exists() else None
        if status and not os.access(path, os.W_OK):
            raise SettingsError(f"{path}: this user may not write to it")
        # A Python that starts meanwhile must not see a half.
        new_file.publish(path, text, path.parent)
    except (OSError, StoreUnavailable) as error:
        raise SettingsError(str(error)) from error
    if status and system.HAS_USERS:
        with suppress(OSError):  # Only root can give a file away.
            os.chown(path, status.st_uid, status.st_gid)
        path.chmod(status.st_mode)


def remove_block(folder: Path, python: str) -> None:
    """Take our block out of the file, and remove one that was made for it; SettingsError if that fails."""
    path = path_in(folder)
    before = _read(path)
    if before is None:
        return
    theirs = _without(path, before)
    if theirs is None:
        path.unlink()
    elif theirs != before:
        fault = _fault(python, theirs)
        if fault and not _fault(python, before):
            raise SettingsError(f"{path}: without the block of cachedindex, Python could not run it: {fault}")
        write(path, theirs)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error


def _without(path: Path, text: bytes | None) -> bytes | None:
    try:
        return None if text is None else block.without(text)
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from error


def _fault(python: str, text: bytes) -> str | None:
    """Return why a Python cannot compile a text; None if it can."""
    command = [python, "-I", "-S", "-c", _COMPILE]
    ran = subprocess.run(command, input=text, capture_output=True, check=False)  # noqa: S603 - the user named it
    said = ran.stderr.decode("utf-8", "replace").strip().splitlines()
    return (said or ["it does not start"])[-1] if ran.returncode else None
