"""One build against the index that this machine's pip really uses, and once more without any network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.conftest import Run

CACHEDINDEX = (sys.executable, "-m", "cachedindex")


@pytest.fixture
def without_network() -> list[str]:
    """Give the words that run a command in an empty network namespace."""
    for words in (["unshare", "-n"], ["unshare", "-rn"]):
        if (
            shutil.which("unshare")
            and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
        ):
            return words
    pytest.skip("SKIPPED FOR WANT OF ROOT: no network namespace can be made here")


@pytest.mark.slow
# The releases between are held by test_pip_commands.py, on an index of our own.
@pytest.mark.parametrize("version", ["22.3.1", "26.3"])
def test_an_installation_without_any_network(
    run: Run,
    environment: Mapping[str, str],
    python_with: Callable[..., Path],
    without_network: list[str],
    tmp_path: Path,
    version: str,
) -> None:
    pip = (python_with(f"pip=={version}"), "-m", "pip")
    reached = run(*pip, "download", "-q", "--no-deps", "--no-cache-dir", "six")
    if reached.code:
        pytest.skip(f"SKIPPED FOR WANT OF A NETWORK: the real index does not answer: {reached.err[-300:]}")
    wanted = ("requests", "flask", "docopt")

    first = run(*CACHEDINDEX, "run", "--", *pip, "install", "-q", "--target", tmp_path / "A", *wanted)
    assert first.code == 0, first.err
    shutil.rmtree(environment["PIP_CACHE_DIR"], ignore_errors=True)
    command = (
        *CACHEDINDEX,
        "run",
        "--index-ttl",
        "0",
        "--",
        *pip,
        "install",
        "-q",
        "--target",
        tmp_path / "B",
        *wanted,
    )
    second = run(*without_network, *command)

    assert second.code == 0, second.err
    versions = [sorted(path.name for path in (tmp_path / name).glob("*.dist-info")) for name in "AB"]
    assert versions[0] == versions[1]
    assert len(versions[1]) > len(wanted)
    (line,) = second.ours
    assert "its name could not be looked up" in line
