"""Environments with real distributions in them, fetched once for a checkout, and the variables of nobody's machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests import pythons

CHECKOUT = Path(__file__).parent.parent
KEPT = ("CERT", "CA_BUNDLE", "PROXY", "PATH", "LANG", "TMPDIR")


class NoNetwork(Exception):
    """This machine's index did not give what was asked for; the text is pip's."""


def clean_environment(home: Path) -> dict[str, str]:
    """Return the machine's variables without its pip settings, ours, and its home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if any(word in name.upper() for word in KEPT) and not name.startswith(("PIP_", "PYTHON"))
    }
    if os.environ.get("PIP_CERT"):
        kept["PIP_CERT"] = os.environ["PIP_CERT"]
    return {**kept, "HOME": str(home), "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def fetch(wheelhouses: Path, home: Path, *requirements: str, interpreter: str | Path = sys.executable) -> Path:
    """Return a folder below `wheelhouses` with the distributions, fetched from this machine's index the first time."""
    name = "-".join((*requirements, f"cpython-{pythons.version(interpreter)}"))
    folder = wheelhouses / re.sub("[=<>]", "", name)
    if not folder.exists():
        command = [interpreter, "-m", "pip", "download", "-q", "-d", f"{folder}.part", *requirements]
        process = subprocess.run(command, env=clean_environment(home), capture_output=True, text=True, check=False)
        if process.returncode:
            raise NoNetwork(f"no {' '.join(requirements)}: {process.stderr[-300:]}")
        Path(f"{folder}.part").rename(folder)
    return folder


def make(folder: Path, home: Path, wheels: Path, *requirements: str, interpreter: str | Path = sys.executable) -> Path:
    """Make an environment with the requirements from a folder of wheels, and return its python."""
    command = [interpreter, "-m", "venv", folder]
    subprocess.run(command, env=clean_environment(home), check=True, capture_output=True)
    python = folder / "bin" / "python"
    install(python, home, "-U", "--find-links", wheels, *requirements)
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
