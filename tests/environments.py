"""Environments with real distributions in them, fetched once for a checkout, and the variables of nobody's machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from tests import pythons

CHECKOUT = Path(__file__).parent.parent
MEASURING = "COVERAGE_SITE"
"""The variable that names the folder of a coverage; an environment's Python measures with it, though it has none."""
_MEASURE = f"""\
import os, sys; site = os.environ.get("{MEASURING}"); \
site and (sys.path.append(site), __import__("coverage").process_startup(), sys.path.remove(site))
"""
WHEEL = "RELEASED_WHEEL"
"""The variable that names the wheel that is to be released: the tests install that instead of one of their own."""
KEPT = ("CERT", "CA_BUNDLE", "PROXY", "PATH", "LANG", "TMPDIR")
_KEPT_ON_WINDOWS = ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "TEMP", "TMP", "PROGRAMDATA", "USERNAME")
"""Without these hardly a program starts there, or it takes C:\\Windows for its temporary folder."""
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
"""The folder of an environment with its python."""
_FIRST: dict[str, dict[tuple[int, int], tuple[int, ...]]] = {
    "pip": {(3, 12): (23, 1, 2), (3, 15): (25, 1)},
    "pipenv": {(3, 15): (2026, 10, 3)},
    "poetry": {(3, 15): (1, 8, 5)},
}
"""Of each tool the first release, of those that are tested, that runs itself on a Python and those after it."""
_SITE = "Lib/site-packages" if os.name == "nt" else "lib/*/site-packages"


class NoNetwork(Exception):
    """This machine's index did not give what was asked for; the text is pip's."""


def clean_environment(home: Path) -> dict[str, str]:
    """Return the machine's variables without its pip settings, ours, and its home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if (any(word in name.upper() for word in KEPT) and not name.startswith(("PIP_", "PYTHON")))
        or (os.name == "nt" and name.upper() in _KEPT_ON_WINDOWS)
    }
    if os.environ.get("PIP_CERT"):
        kept["PIP_CERT"] = os.environ["PIP_CERT"]
    return {**kept, **at_home(home), "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def at_home(home: Path) -> dict[str, str]:
    """Return the variables that make a folder a user's home."""
    if os.name != "nt":
        return {"HOME": str(home)}
    data = home / "AppData"
    return {"USERPROFILE": str(home), "APPDATA": str(data / "Roaming"), "LOCALAPPDATA": str(data / "Local")}


def once(folder: Path, make: Callable[[], object]) -> Path:
    """Return a folder that the first process which wants it makes; other processes wait for that, and share it."""
    complete = Path(f"{folder}.complete")
    with FileLock(f"{folder}.lock"):
        if not complete.exists():
            make()
            complete.touch()
    return folder


def named(*requirements: str, interpreter: str | Path = sys.executable) -> str:
    """Return the name of a folder for these requirements and this Python."""
    return re.sub("[=<>]", "", "-".join((*requirements, f"cpython-{pythons.version(interpreter)}")))


def too_old(*requirements: str, interpreter: str | Path = sys.executable) -> str:
    """Return the tool whose release does not run itself on a Python; nothing if all do that are wanted."""
    python = _numbers(pythons.version(interpreter))
    pins = [requirement.partition("==")[::2] for requirement in requirements]
    for name, pin in pins:
        first = max((release for since, release in _FIRST.get(name, {}).items() if since <= python), default=())
        if pin and first and _numbers(pin) < first:
            return f"{name} {pin}"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def fetch(wheelhouses: Path, home: Path, *requirements: str, interpreter: str | Path = sys.executable) -> Path:
    """Return a folder below `wheelhouses` with the distributions, fetched from this machine's index the first time."""
    folder = wheelhouses / named(*requirements, interpreter=interpreter)
    command = [interpreter, "-m", "pip", "wheel", "-q", "-w", folder, *requirements]

    def download() -> None:
        process = subprocess.run(command, env=clean_environment(home), capture_output=True, text=True, check=False)
        if process.returncode:
            raise NoNetwork(f"no {' '.join(requirements)}: {process.stderr[-300:]}")

    return once(folder, download)


def make(folder: Path, home: Path, wheels: Path, *requirements: str, interpreter: str | Path = sys.executable) -> Path:
    """Make an environment with the requirements from a folder of wheels, and return its python."""
    command = [interpreter, "-m", "venv", "--clear", folder]
    subprocess.run(command, env=clean_environment(home), check=True, capture_output=True)
    python = folder / SCRIPTS / "python"
    install(python, home, "-U", "--find-links", wheels, *requirements)
    (site,) = folder.glob(_SITE)
    (site / "measure.pth").write_text(_MEASURE)
    return python


def install(python: Path, home: Path, *arguments: object) -> None:
    """Install into an environment, from what is on this machine."""
    command = [str(word) for word in (python, "-m", "pip", "install", "-q", "--no-index", *arguments)]
    subprocess.run(command, env=clean_environment(home), check=True, capture_output=True)


def our_wheel(folder: Path) -> Path:
    """Return the wheel of this checkout, built in `folder` from a copy so that nothing is left in the checkout."""
    copy = folder / "checkout"
    copy.mkdir()
    shutil.copytree(CHECKOUT / "src", copy / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, copy)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(copy)]
    subprocess.run(command, env=clean_environment(folder), check=True, capture_output=True)
    return next(folder.glob("*.whl"))
