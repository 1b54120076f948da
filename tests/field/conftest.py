"""The real pip against an index that behaves as a real one does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran, Run
from tests.index import Index


@pytest.fixture(scope="session")
def newest_pip(python_with: Callable[..., Path]) -> Path:
    return python_with("pip==26.3")


@pytest.fixture
def pip_install(run: Run, newest_pip: Path, index: Index, tmp_path: Path) -> Callable[..., Ran]:
    """Give a function that installs into a new folder, through `cachedindex run` unless it is to be bare."""

    def pip_install(folder: str, *arguments: str, bare: bool = False, **variables: str) -> Ran:
        covered = () if bare else (sys.executable, "-m", "cachedindex", "run", "--")
        pip = (newest_pip, "-m", "pip", "install", "-q", "--target", tmp_path / folder)
        wanted = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", **variables}
        return run(*covered, *pip, *arguments, **wanted)

    return pip_install


def installed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.dist-info"))


def settings(tmp_path: Path, index: Index, *lines: str, path: str = "simple/") -> dict[str, str]:
    """Write a section for the index, and return the variables by which it is read."""
    file = tmp_path / "cachedindex.cfg"
    file.write_text("\n".join(("[cachedindex:field]", f"url = {index.origin}/{path}", *lines, "")))
    return {"CACHEDINDEX_CONFIG": str(file)}
