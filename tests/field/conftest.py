"""The real pip against an index that behaves as a real one does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import index as faults
from tests.conftest import Ran, Run
from tests.index import Handler, Index


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


def with_token(index: Index, token: str) -> str:
    return index.url.replace("://", f"://gitlab-ci-token:{token}@")


def login(handler: Handler) -> bool:
    if handler.headers.get("Authorization"):
        return True
    return faults.status(401, {"WWW-Authenticate": "Basic"})(handler)


def below(folder: str) -> Callable[[Handler], bool]:
    """Return a fault by which the index lies below a folder."""

    def moved(handler: Handler) -> bool:
        handler.path = handler.path.removeprefix(f"/{folder}")
        return True

    return moved


def assert_hidden(cache: Path, secret: str) -> None:
    """Assert that nothing which another user could see has the secret in its name or its bytes."""
    visible = [path for path in cache.rglob("*") if _is_visible(path, cache)]
    assert not [path for path in visible if secret in path.name]
    assert not [path for path in visible if path.is_file() and secret.encode() in path.read_bytes()]


def _is_visible(path: Path, cache: Path) -> bool:
    inside = [folder for folder in path.parents if folder == cache or cache in folder.parents]
    return all(folder.stat().st_mode & 0o005 for folder in inside) and bool(path.stat().st_mode & 0o004)
