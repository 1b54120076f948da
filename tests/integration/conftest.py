"""Real buildouts: this checkout's wheel, environments with releases of zc.buildout, and the recipes that fit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, clean_environment

RELEASES = {
    "newest": ("zc.buildout", "requests", "filelock"),
    "6.0": ("zc.buildout==6.0.1",),
    "5.2": ("zc.buildout==5.2.0", "setuptools<82"),
    "4.2": ("zc.buildout==4.2.0", "setuptools<82"),
}
"""zc.buildout's, with what they need to start; beside the newest are libraries that the project pins otherwise."""
RECIPES = {
    "newest": "zc.recipe.egg",
    "6.0": "zc.recipe.egg==6.0.0",
    "5.2": "zc.recipe.egg==4.0.0",
    "4.2": "zc.recipe.egg==3.0.0",
}
"""An unpinned one requires the newest zc.buildout."""


@pytest.fixture(scope="session")
def our_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the wheel of this checkout, built from a copy so that nothing is left in it."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "checkout"
    copy.mkdir()
    shutil.copytree(CHECKOUT / "src", copy / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, copy)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, copy]
    subprocess.run(command, env=clean_environment(folder), check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def with_buildout(python_with: Callable[..., Path], our_wheel: Path) -> Callable[..., Path]:
    """Give a function that returns a Python with a release of zc.buildout and this package beside it."""
    done: set[Path] = set()

    def make(release: str = "newest", interpreter: str | Path = sys.executable) -> Path:
        python = python_with(*RELEASES[release], interpreter=interpreter)
        if python not in done:
            command = [python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", our_wheel]
            subprocess.run(command, env=clean_environment(our_wheel.parent), check=True, capture_output=True)
            done.add(python)
        return python

    return make


@pytest.fixture(scope="session")
def bare_buildout(python_with: Callable[..., Path]) -> Path:
    """Give a Python with a zc.buildout that knows nothing of this package."""
    return python_with("zc.buildout")


@pytest.fixture
def recipe_egg(wheelhouse: Callable[..., Path], distributions: Path) -> Callable[[str], str]:
    """Give a function that puts the zc.recipe.egg for a release into the index, and returns its version."""

    def add(release: str = "newest") -> str:
        (wheel,) = wheelhouse(RECIPES[release]).glob("zc*recipe*.whl")
        shutil.copy(wheel, distributions / wheel.name.replace("zc_recipe_egg", "zc.recipe.egg"))
        return wheel.name.split("-")[1]

    return add


def eggs(workspace: Path) -> list[str]:
    """Return what a buildout has installed."""
    versioned = workspace / "eggs/v5"  # Since 5.0.
    return sorted(path.name for path in (versioned if versioned.is_dir() else workspace / "eggs").iterdir())
