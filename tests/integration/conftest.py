"""Real buildouts: this checkout's wheel, environments with releases of zc.buildout, and the recipes that fit."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import packages

RELEASES = {
    "newest": ("zc.buildout", "requests", "filelock"),
    "6.0": ("zc.buildout==6.0.1",),
    "5.2": ("zc.buildout==5.2.0", "setuptools<82"),
    "4.2": ("zc.buildout==4.2.0", "setuptools<82"),
    "3.3": ("zc.buildout==3.3", "setuptools<80", "wheel"),
}
"""zc.buildout's, with what they need to start; beside the newest are libraries that the project pins otherwise."""
RECIPES = {
    "newest": "zc.recipe.egg",
    "6.0": "zc.recipe.egg==6.0.0",
    "5.2": "zc.recipe.egg==4.0.0",
    "4.2": "zc.recipe.egg==3.0.0",
    "3.3": "zc.recipe.egg==2.0.7",
}
"""An unpinned one requires the newest zc.buildout."""


@pytest.fixture(scope="session")
def with_buildout(python_with: Callable[..., Path]) -> Callable[..., Path]:
    """Give a function that returns a Python with a release of zc.buildout and this package beside it."""

    def with_buildout(release: str = "newest", interpreter: str | Path = sys.executable) -> Path:
        return python_with(*RELEASES[release], ours=True, interpreter=interpreter)

    return with_buildout


@pytest.fixture(scope="session")
def bare_buildout(python_with: Callable[..., Path]) -> Path:
    """Give a Python with a zc.buildout that knows nothing of this package."""
    return python_with("zc.buildout")


@pytest.fixture
def recipe_egg(wheelhouse: Callable[..., Path], distributions: Path) -> Callable[[str], str]:
    """Give a function that puts the zc.recipe.egg for a release into the index, and returns its version."""

    def add(release: str = "newest") -> str:
        return packages.add_recipe(distributions, wheelhouse(RECIPES[release]))

    return add


def eggs(workspace: Path) -> list[str]:
    """Return what a buildout has installed."""
    versioned = workspace / "eggs/v5"  # Since 5.0.
    return sorted(path.name for path in (versioned if versioned.is_dir() else workspace / "eggs").iterdir())
