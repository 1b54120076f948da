"""Runs pip's and requests' own tests without us and with us, and tells which fail with us only.

    python3 tests/suites.py CHECKOUT_OF_PIP CHECKOUT_OF_REQUESTS

The checkouts are at released tags; those releases, and what their tests need, are installed from the index in use.
Not a part of the test command: it takes minutes, a network, two checkouts and Python 3.11.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
import xml.etree.ElementTree as ET
from pathlib import Path

import tomllib

SOURCE = Path(__file__).parent.parent / "src"
OF_PIP = ("network_*", "collector", "finder", "index", "operations_prepare", "req", "req_file", "refresh_package")
"""The modules of pip's unit tests about network, collector, download, prepare and finder, `tests/unit/test_….py`."""

PLUGIN = """
import os, shutil, sys
import pytest
sys.path.append({source!r})

def pytest_sessionstart(session):
    if {client!r} == "requests":
        import requests.sessions
        from cachedindex import CachedIndexAdapter
        requests.sessions.HTTPAdapter = CachedIndexAdapter

@pytest.fixture(autouse=True)
def nothing_is_stored_yet():
    shutil.rmtree(os.environ["CACHEDINDEX_CACHE_DIR"], ignore_errors=True)

def pytest_sessionfinish(session):
    if {client!r} == "requests":
        import requests
        wrapped = type(requests.Session().get_adapter("https://")).__module__
    else:
        from pip._internal.network.session import PipSession
        wrapped = PipSession.get_adapter.__module__
    print("\\nwrapped by", wrapped)
    assert wrapped.startswith("cachedindex.clients"), wrapped
"""


def main() -> int:
    """Run both suites twice; return 1 where a test fails with us that does not without."""
    pip, requests = (Path(word).absolute() for word in sys.argv[1:3])
    worse = 0
    with tempfile.TemporaryDirectory(prefix="cachedindex-suites-") as name:
        folder = Path(name)
        python = made(folder / "pip", "pip", version(pip), *group(pip))
        files = sorted(str(path) for stem in OF_PIP for path in (pip / "tests/unit").glob(f"test_{stem}.py"))
        ours = [sys.executable, "-m", "cachedindex", "hook", "install", "--python", str(python)]
        worse += compared(folder, "pip", python, pip, [*files, "-p", "no:rerunfailures"], ours)
        python = made(folder / "requests", "requests", version(requests), *needed(requests))
        worse += compared(folder, "requests", python, requests, ["tests"], None)
    return min(worse, 1)


def made(folder: Path, project: str, release: str, *requirements: str) -> Path:
    """Return the python of a new environment with a release of a project, and what its tests need."""
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", *requirements], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", f"{project}=={release}"], check=True)
    print(f"{project} {release}, Python {sys.version.split()[0]}")
    return python


def version(checkout: Path) -> str:
    """Return the release that a checkout is of."""
    command = ["git", "-C", str(checkout), "describe", "--tags", "--exact-match"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().removeprefix("v")


def group(pip: Path) -> list[str]:
    groups = tomllib.loads((pip / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    return [requirement for requirement in groups["test"] if isinstance(requirement, str)]


def needed(requests: Path) -> list[str]:
    lines = (requests / "requirements-dev.txt").read_text("utf-8").splitlines()
    return ["pysocks", *(line for line in lines if line and not line.startswith(("-", "#")))]


def compared(
    folder: Path, client: str, python: Path, checkout: Path, arguments: list[str], activate: list[str] | None
) -> int:
    """Run a suite without us and with us; print both and return how many tests fail with us only."""
    without = outcomes(folder / f"{client}-without.xml", python, checkout, arguments)
    if activate:
        subprocess.run(activate, check=True, stdout=subprocess.DEVNULL, cwd=SOURCE)
    (folder / "ours.py").write_text(PLUGIN.format(client=client, source=str(SOURCE)))
    ours = outcomes(folder / f"{client}-with.xml", python, checkout, ["-p", "ours", *arguments], PYTHONPATH=str(folder))
    worse = sorted(test for test, failed in ours.items() if failed and not without.get(test, False))
    print(f"without: {len(without)} tests, {sum(without.values())} fail")
    print(f"with:    {len(ours)} tests, {sum(ours.values())} fail; with us only: {len(worse)}")
    print("".join(f"  {test}\n" for test in worse), end="", flush=True)
    return len(worse) + (len(ours) != len(without))


def outcomes(report: Path, python: Path, checkout: Path, arguments: list[str], **variables: str) -> dict[str, bool]:
    """Run pytest and return for each test that ran whether it failed."""
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *arguments]
    cache = {"CACHEDINDEX_CACHE_DIR": str(report.parent / "cache"), **variables}
    ran = subprocess.run(
        command, cwd=checkout, env={**os.environ, **cache}, capture_output=True, text=True, check=False
    )
    if not report.exists():
        raise SystemExit(f"pytest did not run: {ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    print(*[line for line in ran.stdout.splitlines() if line.startswith("wrapped by")], sep="", end=" ")
    cases = ET.parse(report).iter("testcase")
    return {
        f"{case.get('classname')}.{case.get('name')}": any(child.tag in ("failure", "error") for child in case)
        for case in cases
    }


if __name__ == "__main__":
    sys.exit(main())
