"""The hook in an environment: which files it consists of there, put in place, taken away, and told about."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cachedindex.errors import SettingsError

HOOK = Path(__file__).parent / "hook" / "_cachedindex_hook.py"
OLDEST_PYTHON = (3, 10)

_MARK = "# Written by `cachedindex hook install`; `cachedindex hook remove` takes it away.\n"
_START = Path(__file__).parent / "hook" / "sitecustomize.py"
_MODULE = "_cachedindex_start"
_IMPORT = f'import sys; exec("try: import {_MODULE}\\nexcept Exception: pass")\n'
"""site runs lines that begin with `import`, and prints a traceback where one fails (Python 3.10 to 3.14, site.py)."""
_OTHERS_MAY_WRITE = 0o002
_ASK = """
import json, sys, sysconfig
hook = sys.modules.get("_cachedindex_hook")
paths = sysconfig.get_paths()
print(json.dumps([sys.version_info[:2], paths["purelib"], paths["stdlib"], hook and hook.__file__]))
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
        ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the user named it
    except OSError as error:
        raise SettingsError(f"{executable}: {error.strerror}") from error
    try:
        version, purelib, stdlib, loaded = json.loads(ran.stdout)
    except ValueError:
        said = ran.stderr.strip().splitlines() or ["it says nothing of itself"]
        raise SettingsError(f"{executable} is no Python 3 that works: {said[-1]}") from None
    return Python(executable, tuple(version), Place(Path(purelib)), Place(Path(stdlib), base=True), loaded)


def install(place: Place, python: str, config: str | None = None) -> None:
    """Put the hook in place for a Python, also over an older one; SettingsError where that fails or is not safe."""
    _refuse_open_code()
    files = place.files(config)
    foreign = [path for name in files if (path := place.folder / name).exists() and not _is_ours(path)]
    if foreign:
        raise SettingsError(f"{foreign[0]}: there is one already, and it is not ours; the hook would have to be there")
    try:
        for name, text in files.items():
            _write(place.folder / name, text)
    except OSError as error:
        remove(place)
        raise SettingsError(f"{place.folder}: cannot be written: {error.strerror}") from error
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
    """Return what the start file in a place has for HOOK and CONFIG; None where it is not there or not ours."""
    import ast  # noqa: PLC0415 - only to tell about it

    found = place.ours()
    if not found:
        return None
    lines = [line.partition(" = ") for line in found[0].read_text("utf-8").splitlines()]
    return {name: ast.literal_eval(value) for name, _, value in lines if name in ("HOOK", "CONFIG")}


def _is_ours(path: Path) -> bool:
    try:
        return path.read_text("utf-8").startswith(_MARK)
    except (OSError, UnicodeError):  # Whatever it is, it is not what we wrote.
        return False


def _refuse_open_code() -> None:
    """Raise SettingsError where anybody could change what every Python of an environment is to run."""
    for path in (HOOK, HOOK.parent, HOOK.parent.parent):
        if os.name == "posix" and path.stat().st_mode & _OTHERS_MAY_WRITE:
            raise SettingsError(f"{path}: every user may write there; install cachedindex where only its owner may")


def _compile(python: str, *paths: Path) -> None:
    """Compile for a Python what it will load at each start, as one that writes no bytecode would take 3 ms each time.

    Where that fails it takes them.
    """
    command = [python, "-I", "-c", "import py_compile, sys; [py_compile.compile(path) for path in sys.argv[1:]]"]
    with suppress(OSError):
        subprocess.run([*command, *map(str, paths)], capture_output=True, check=False)  # noqa: S603 - the user named it


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, so that no Python that starts meanwhile sees half of it."""
    part = path.with_name(f".{path.name}.tmp")
    part.write_text(text, "utf-8")
    part.chmod(0o644)
    part.replace(path)
