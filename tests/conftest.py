"""Fixtures: a local index, an environment that is nobody's, and the real pips and buildout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from tests import packages, pythons
from tests.index import Index, serving

# No test here asserts a time, and a busy machine is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

CHECKOUT = Path(__file__).parent.parent
SOURCE = CHECKOUT / "src"
KEPT = ("CERT", "CA_BUNDLE", "PROXY", "PATH", "LANG", "TMPDIR")


def pytest_report_header() -> list[str]:
    """Say which Pythons the tests of other Pythons can be run on, and which they cannot."""
    found = ", ".join(f"{name} ({path})" for name, path in pythons.FOUND.items())
    lines = [f"Pythons for buildout: {found}"]
    missing = ", ".join(name for name in pythons.SUPPORTED if name not in pythons.FOUND)
    return [*lines, f"NOT FOUND, AND NOT TESTED: Python {missing}"] if missing else lines


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


@dataclass
class Ran:
    """A finished process."""

    code: int
    out: str
    err: str

    @property
    def ours(self) -> list[str]:
        """The lines that cachedindex printed."""
        return [line for line in self.err.splitlines() if line.startswith("cachedindex: ")]


Run = Callable[..., Ran]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Give variables with a cache, a home and pip caches of this test's own."""
    home = tmp_path / "home"
    home.mkdir()
    return {
        **clean_environment(home),
        "CACHEDINDEX_CACHE_DIR": str(tmp_path / "cache"),
        "PIP_CACHE_DIR": str(tmp_path / "pip-cache"),
    }


@pytest.fixture
def run(environment: Mapping[str, str], tmp_path: Path) -> Run:
    """Give a function that runs a command to its end, in a folder of the test."""

    def run(*command: object, cwd: Path = tmp_path, **variables: str) -> Ran:
        process = subprocess.run(
            [str(part) for part in command],
            env={**environment, **variables},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Ran(process.returncode, process.stdout, process.stderr)

    return run


@pytest.fixture
def distributions(tmp_path: Path) -> Path:
    """Give a folder of small distributions: five wheels in a chain, and an sdist with its backend."""
    folder = tmp_path / "distributions"
    folder.mkdir()
    names = ("alpha", "beta", "gamma", "delta", "epsilon")
    for name, needed in zip(names, (*names[1:], None), strict=True):
        packages.add_wheel(folder, name, "1.0", (needed,) if needed else ())
    packages.add_backend(folder)
    packages.add_sdist(folder, "source", "2.0")
    return folder


@pytest.fixture
def index(distributions: Path) -> Iterator[Index]:
    with serving(distributions) as index:
        yield index


@pytest.fixture(scope="session")
def wheelhouse(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Give a function that fetches real distributions once for a checkout, from whatever index this machine uses."""
    home = tmp_path_factory.mktemp("home")

    def fetch(*requirements: str, interpreter: str | Path = sys.executable) -> Path:
        tag = f"cpython-{pythons.version(interpreter)}".replace(".", "")
        name = re.sub("[=<>]", "", "-".join((*requirements, tag)))
        folder = Path(pytestconfig.cache.mkdir("wheelhouse")) / name  # type: ignore[union-attr]
        if not folder.exists():
            command = [interpreter, "-m", "pip", "download", "-q", "-d", str(folder) + ".part", *requirements]
            process = subprocess.run(command, env=clean_environment(home), capture_output=True, text=True, check=False)
            if process.returncode:
                pytest.skip(f"SKIPPED FOR WANT OF A NETWORK: no {' '.join(requirements)}: {process.stderr[-300:]}")
            Path(f"{folder}.part").rename(folder)
        return folder

    return fetch


@pytest.fixture(scope="session")
def python_with(wheelhouse: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Give a function that makes an environment with some real distributions in it, and returns its python."""
    made: dict[tuple[str, ...], Path] = {}

    def make(*requirements: str, interpreter: str | Path = sys.executable) -> Path:
        key = (*requirements, str(interpreter))
        if key not in made:
            environ = clean_environment(tmp_path_factory.mktemp("home"))
            folder = tmp_path_factory.mktemp("environment")
            python = folder / "bin" / "python"
            found = wheelhouse(*requirements, interpreter=interpreter)
            for command in (
                [interpreter, "-m", "venv", folder],
                [python, "-m", "pip", "install", "-q", "-U", "--no-index", "--find-links", found, *requirements],
            ):
                subprocess.run(command, env=environ, check=True, capture_output=True)
            made[key] = python
        return made[key]

    return make
