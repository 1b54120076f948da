"""The hook in an environment: which files it consists of there, put in place, taken away, and told about."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cachedindex.errors import SettingsError, StoreUnavailable
from cachedindex.store import disk

HOOK = Path(__file__).parent.parent / "hook" / "_cachedindex_hook.py"
OLDEST_PYTHON = (3, 10)

_MARK = "# Written by `cachedindex hook install`; `cachedindex hook remove` takes it away.\n"
_START = Path(__file__).parent.parent / "hook" / "sitecustomize.py"
_MODULE = "_cachedindex_start"
_IMPORT = f'import sys; exec("try: import {_MODULE}\\nexcept Exception: pass")\n'
"""site runs lines that begin with `import`, and prints a traceback where one fails (Python 3.10 to 3.14, site.py)."""
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

    def files(self, config: str | None = None) -> dict[str, str]:
        """Return the text of each file by its name, in the order in which they can be written safely."""
        start = _MARK + _START.read_text("utf-8")
        start = start.replace("\nHOOK = None\n", f"\nHOOK = {str(HOOK)!r}\n", 1)
        start = start.replace("\nCONFIG = None\n", f"\nCONFIG = {config!r}\n", 1)
        if self.base:  # Nothing else reaches the environments that will be made of it.
            return {"sitecustomize.py": start}
        # Where there is a `.start` file, Python 3.15 leaves the import lines of its namesake alone (PEP 829).
        return {
            f"{_MODULE}.py": start,
            f"{_MODULE}.start": f"{_MARK}{_MODULE}:start\n",
            f"{_MODULE}.pth": _MARK + _IMPORT,
        }

    def ours(self) -> list[Path]:
        """Return those files that are there and were written by us, in the order of `files`."""
        return [path for name in self.files() if _is_ours(path := self.folder / name)]


@dataclass(frozen=True)
class Python:
    """What a Python says of itself."""

    executable: str
    version: tuple[int, int]
    environment: Place
    base: Place
    loaded: str | None
    """The hook that it has loaded at its start, when told to ignore its environment."""


def ask(executable: str) -> Python:
    """Return what a Python says of itself; SettingsError where it cannot be asked."""
    command = [executable, "-I", "-c", _ASK]
    try:
        ran = subprocess.run(  # noqa: S603 - the user named it
            command, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except OSError as error:
        raise SettingsError(f"{executable}: {error.strerror}") from error
    try:
        # Others' start files print as well: the last line is ours.
        version, purelib, stdlib, loaded = json.loads(ran.stdout.rpartition("\n")[2])
    except ValueError:
        said = ran.stderr.strip().splitlines() or ["it says nothing of itself"]
        raise SettingsError(f"{executable} is no Python 3 that works: {said[-1]}") from None
    return Python(executable, tuple(version), Place(Path(purelib)), Place(Path(stdlib), base=True), loaded)


def install(place: Place, python: str, config: str | None = None) -> None:
    """Put the hook in place for a Python, also over an older one; SettingsError where that fails or is not safe."""
    _refuse_open_code(place)
    files = place.files(config)
    foreign = [path for name in files if (path := place.folder / name).exists() and not _is_ours(path)]
    if foreign:
        raise SettingsError(f"{foreign[0]}: there is one already, and it is not ours; the hook would have to be there")
    try:
        for name, text in files.items():
            # Whole or not at all, so that no Python that starts meanwhile sees half of it.
            disk.publish(place.folder / name, text.encode(), place.folder)
    except StoreUnavailable as error:
        remove(place)
        raise SettingsError(str(error)) from error
    _compile(python, place.folder / next(iter(files)), HOOK)


def remove(place: Place) -> bool:
    """Take the hook away and return whether it was there; SettingsError where that is not possible."""
    found = place.ours()
    try:
        for path in reversed(found):
            path.unlink()
            for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
                compiled.unlink()
    except OSError as error:
        raise SettingsError(f"{error.filename}: cannot be removed: {error.strerror}") from error
    return bool(found)


def baked(place: Place) -> Mapping[str, Any] | None:
    """Return what the start file in a place has for HOOK and CONFIG, as far as it is whole; None where none is ours."""
    import ast  # noqa: PLC0415 - only to tell about it

    found = place.ours()
    if not found:
        return None
    values = {}
    for line in found[0].read_text("utf-8", "replace").splitlines():
        name, _, value = line.partition(" = ")
        if name in ("HOOK", "CONFIG"):
            with suppress(ValueError, SyntaxError):  # It is cut off there.
                values[name] = ast.literal_eval(value)
    return values


def _is_ours(path: Path) -> bool:
    if path.stem == _MODULE:  # Nobody else has that name, so what a full disk left of it can be mended.
        return path.is_file()
    try:
        return path.read_text("utf-8").startswith(_MARK)
    except (OSError, UnicodeError):  # Whatever it is, it is not what we wrote.
        return False


def _refuse_open_code(place: Place) -> None:
    """Raise SettingsError where anybody could change what an environment runs that not anybody can change.

    In a container whose umask is 0, all that a job makes is open, and nobody else is there.
    """
    opened = _opened(HOOK)
    if opened and not _opened(place.folder):
        raise SettingsError(f"{opened}: every user may write there; install cachedindex where only its owner may")


def _opened(path: Path) -> Path | None:
    """Return what every user may change of a path: itself, or a folder above it; None for nothing."""
    if os.name != "posix":
        return None
    modes = {each: each.stat().st_mode for each in (path, *path.parents) if each.exists()}
    return next((each for each, mode in modes.items() if mode & stat.S_IWOTH and not mode & stat.S_ISVTX), None)


def _compile(python: str, *paths: Path) -> None:
    """Compile for a Python what it will load at each start, as one that writes no bytecode would take 3 ms each time.

    Where that fails it takes them.
    """
    command = [python, "-I", "-c", "import py_compile, sys; [py_compile.compile(path) for path in sys.argv[1:]]"]
    with suppress(OSError):
        subprocess.run([*command, *map(str, paths)], capture_output=True, check=False)  # noqa: S603 - the user named it
