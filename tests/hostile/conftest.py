"""What the hostile tests need of the machine: root, mounts, and an index whose every byte says whether it is right."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import MEASURED

Mount = Callable[..., None]


def needed(*tools: str) -> None:
    """Skip, loudly, where this is not root on a machine that has these tools, each given as "tool of package"."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("SKIPPED FOR WANT OF ROOT: it mounts file systems, and runs as other users")
    for tool, package in (words.split(" of ") for words in tools):
        if shutil.which(tool) is None:
            pytest.skip(f"SKIPPED FOR WANT OF A TOOL: no {tool}; install {package}")


@pytest.fixture(autouse=True)
def _unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no child process measure its coverage: that takes memory and time, and a kill would leave half a file."""
    monkeypatch.delenv(MEASURED, raising=False)


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Give a function that mounts what `mount` is told to, until the test ends."""
    needed("mount of mount")
    with ExitStack() as mounted:

        def mount(folder: Path, *arguments: object) -> None:
            folder.mkdir(exist_ok=True)
            command = ["mount", *(str(argument) for argument in arguments), str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"SKIPPED FOR WANT OF A MOUNT: {' '.join(command)}: {done.stderr.strip()}")
            mounted.callback(subprocess.run, ["umount", "--lazy", folder], check=False)

        yield mount
