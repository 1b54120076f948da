"""The Pythons of this machine that the project supports: on PATH, or installed by pyenv."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
_PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"


@functools.cache
def version(interpreter: str | Path) -> str:
    """Return an interpreter's major and minor version; nothing for one that does not run, as a shim of pyenv."""
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    ran = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=False)
    return ran.stdout.strip()


def _candidates(wanted: str) -> Iterator[str | Path]:
    yield sys.executable
    yield from filter(None, [shutil.which(f"python{wanted}")])
    yield from sorted(_PYENV.glob(f"{wanted}.*/bin/python"), reverse=True)


def _find() -> dict[str, str]:
    found = {name: next((path for path in _candidates(name) if version(path) == name), None) for name in SUPPORTED}
    return {name: str(path) for name, path in found.items() if path}


FOUND = _find()
"""By major and minor version."""
