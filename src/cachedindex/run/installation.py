"""The hook in an environment: its files, how they are installed and removed, and what is in place.

The files hold the path of the hook, so that an upgrade of cachedindex needs no new installation.
"""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cachedindex import standard
from cachedindex.errors import SettingsError, StoreUnavailable
from cachedindex.run import customization
from cachedindex.store import new_file, system

HOOK = Path(__file__).parent.parent / "hook" / "_cachedindex_hook.py"
OLDEST_PYTHON = (3, 10)

_MARK = "# Written by `cachedindex hook install`; `cachedindex hook remove` takes it away.\n"
_START = HOOK.with_name("sitecustomize.py")
_CHILDREN = HOOK.with_name("_cachedindex_children.py")
_MODULE = "_cachedindex_start"
_OF_BASE = "_cachedindex_base"
"""Another name, as the standard library comes first on sys.path: it would hide an environment's, with its settings."""
_IMPORT = f'import sys; exec("try: import {_MODULE}\\nexcept Exception: pass")\n'
"""site runs lines that begin with `import`, and prints a traceback if one fails (Python 3.10 to 3.15, site.py)."""
_NO_IMPORTS = (3, 18)
"""The first Python that ignores these lines, and reads only `.start` files (PEP 829).

Python 3.15 to 3.17 know both. There a `.start` file costs 7 ms, since it is resolved through pkgutil, which imports re;
and if what it names is damaged, each start prints a traceback.
"""
_ASK = """
import json, sys, sysconfig
hook = sys.modules.get("_cachedindex_hook")
paths = sysconfig.get_paths()
found = [sys.version_info[:2], paths["purelib"], paths["stdlib"], hook and hook.__file__]
sys.stdout.write("\\n" + json.dumps(found))
"""


@dataclass(frozen=True)
class Place:
    """A folder that the hook can be in: an environment's site-packages, or a base interpreter's standard library."""

    folder: Path
    base: bool = False
    version: tuple[int, int] = OLDEST_PYTHON

    def files(self, config: str | None = None) -> dict[str, str]:
        """Return the text of each file that is ours alone by its name, in an order in which it is safe to write them.

        A base interpreter needs our block in its `sitecustomize.py` as well: no other file reaches the environments
        that will be made of it.
        """
        start = _MARK + _START.read_text("utf-8")
        start = start.replace("\nHOOK = None\n", f"\nHOOK = {str(HOOK)!r}\n", 1)
        start = start.replace("\nCONFIG = None\n", f"\nCONFIG = {config!r}\n", 1)
        if self.base:
            return {f"{_OF_BASE}.py": start}
        if self.version >= _NO_IMPORTS:
            return {f"{_MODULE}.py": start, f"{_MODULE}.start": f"{_MARK}{_MODULE}:start\n"}
        return {f"{_MODULE}.py": start, f"{_MODULE}.pth": _MARK + _IMPORT}

    def needed(self) -> list[str]:
        """Return the names of all files that have to be there, those first that hold settings."""
        return [*self.files(), *([customization.NAME] if self.base else [])]

    def installed(self) -> list[Path]:
        """Return the files in place that we have written, or have our block in, in the order of `needed`."""
        if self.base:
            has_block = customization.has_block(self.folder)
            found = [self.folder / name for name in self.files() if (self.folder / name).is_file()]
            return [*found, *([self.folder / customization.NAME] if has_block else [])]
        # No other program uses these names.
        names = [f"{_MODULE}.{ending}" for ending in ("py", "pth", "start")]
        return [path for name in names if (path := self.folder / name).is_file()]


@dataclass(frozen=True)
class Python:
    """What a Python says about itself."""

    executable: str
    version: tuple[int, int]
    environment: Place
    base: Place
    loaded: str | None
    """The hook that it loads at its start even if it ignores the environment (`-I`)."""


def python_at(executable: str) -> Python:
    """Return what a Python says about itself; SettingsError if it cannot be run."""
    command = [executable, "-I", "-c", _ASK]
    try:
        ran = subprocess.run(  # noqa: S603 - the user named it
            command, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except OSError as error:
        raise SettingsError(f"{executable}: {error.strerror}") from error
    try:
        # Other start files may print as well: ours is the last line.
        version, purelib, stdlib, loaded = json.loads(ran.stdout.rpartition("\n")[2])
    except ValueError:
        said = ran.stderr.strip().splitlines() or ["it printed nothing"]
        raise SettingsError(f"{executable}: does not run as Python 3: {said[-1]}; name another with --python") from None
    environment, base = Place(Path(purelib), version=tuple(version)), Place(Path(stdlib), base=True)
    return Python(executable, tuple(version), environment, base, loaded)


def install_hook(place: Place, python: str, config: str | None = None) -> None:
    """Put the hook in place for a Python, or replace an older one; SettingsError if it fails or is not safe."""
    _refuse_open_code(place)
    _refuse_foreign_files(place, HOOK, *([Path(config)] if config else []))
    files = place.files(config)
    theirs = customization.with_block(place.folder, python) if place.base else None
    try:
        for name, text in files.items():
            # Whole or not at all: a Python that starts meanwhile must not see a half.
            new_file.publish(place.folder / name, text.encode(), place.folder)
        if theirs:
            customization.write(*theirs)
    except (StoreUnavailable, SettingsError) as error:
        remove_hook(place, python)
        raise SettingsError(str(error)) from error
    for path in place.installed():
        if path.name not in place.needed():  # An older release needed it.
            _remove(path, python)
    _compile(python, *(path for path in place.installed() if path.suffix == ".py"), HOOK, _CHILDREN)


def remove_hook(place: Place, python: str) -> bool:
    """Remove the hook of a Python and return whether it was there; SettingsError if it cannot be removed."""
    found = place.installed()
    for path in reversed(found):
        _remove(path, python)
    _compile(python, *(path for path in found if path.exists()))  # The text of somebody else is left.
    return bool(found)


def values_in(place: Place) -> Mapping[str, Any] | None:
    """Return HOOK and CONFIG of the start file in a place, as far as it is whole; None if there is no such file."""
    with standard.library():
        import ast  # noqa: PLC0415 - for a status only

    found = place.installed()
    if not found:
        return None
    values = {}
    for line in found[0].read_text("utf-8", "replace").splitlines():
        name, _, value = line.partition(" = ")
        if name in ("HOOK", "CONFIG"):
            with suppress(ValueError, SyntaxError):  # It is cut off there.
                values[name] = ast.literal_eval(value)
    return values


def _remove(path: Path, python: str) -> None:
    """Remove a file of ours, or our block, and its bytecode; SettingsError if that fails."""
    try:
        if path.name == customization.NAME:
            customization.remove_block(path.parent, python)
        else:
            path.unlink()
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()
    except OSError as error:
        raise SettingsError(f"{error.filename}: cannot be removed: {error.strerror}") from error


def _refuse_open_code(place: Place) -> None:
    """Raise SettingsError if every user could change the hook of an environment that not every user can change.

    An environment that is open itself may have it: so are all files in a container whose umask is 0.
    """
    opened = _opened(HOOK)
    if opened and not _opened(place.folder):
        raise SettingsError(f"{opened}: every user may write there; install cachedindex where only its owner may write")


def _refuse_foreign_files(place: Place, *paths: Path) -> None:
    """Raise SettingsError if root would run what another user may change, and who may not change the environment."""
    if not system.is_root():
        return
    for path in paths:
        if _writers(path) - _writers(place.folder) - {("user", 0), ("group", 0)}:
            raise SettingsError(f"{path}: another user than root may change it; use files that only root may change")


def _writers(path: Path) -> set[tuple[str, int]]:
    """Return the users and groups that may change a path, or put another one in its place."""
    found = [each.stat() for each in (path, *path.parents) if each.exists()]
    users = {("user", status.st_uid) for status in found}
    groups = {status for status in found if status.st_mode & stat.S_IWGRP and not status.st_mode & stat.S_ISVTX}
    return users | {("group", status.st_gid) for status in groups}


def _opened(path: Path) -> Path | None:
    """Return the path, or the folder above it, that every user may change; None if there is none."""
    if not system.HAS_USERS:
        return None
    modes = {each: each.stat().st_mode for each in (path, *path.parents) if each.exists()}
    return next((each for each, mode in modes.items() if mode & stat.S_IWOTH and not mode & stat.S_ISVTX), None)


def _compile(python: str, *paths: Path) -> None:
    """Compile what a Python loads at each start: one that writes no bytecode would take 3 ms each time.

    If that fails, it takes them.
    """
    command = [python, "-I", "-c", "import py_compile, sys; [py_compile.compile(path) for path in sys.argv[1:]]"]
    with suppress(OSError):
        subprocess.run([*command, *map(str, paths)], capture_output=True, check=False)  # noqa: S603 - the user named it
