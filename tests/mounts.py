"""File systems that a test mounts, as root: small disks, and such as are refused."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

Mount = Callable[..., None]


def needed(*tools: str) -> None:
    """Skip, loudly, where this is not root on a machine that has these tools, each given as "tool of package"."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("SKIPPED FOR WANT OF ROOT: it mounts file systems, and runs as other users")
    for tool, package in (words.split(" of ") for words in tools):
        if shutil.which(tool) is None:
            pytest.skip(f"SKIPPED FOR WANT OF A TOOL: no {tool}; install {package}")


@contextmanager
def mounting() -> Iterator[Mount]:
    """Give a function that mounts on a folder what the arguments of `mount` say, until the block ends."""
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


def small_disk(mount: Mount, folder: Path, limit: str) -> None:
    """Mount a disk of this size or so many inodes, as tmpfs names them: "size=2m", "nr_inodes=10"."""
    mount(folder, "-t", "tmpfs", "-o", f"mode=755,{limit}", "tmpfs")


def fill(folder: Path, leaving: int = 0) -> Path:
    """Fill the disk of a folder but for some bytes; return the file that does."""
    status = os.statvfs(folder)
    path = folder / "full"
    with path.open("wb", buffering=0) as file:
        left = status.f_bavail * status.f_frsize - leaving
        while left > 0:
            left -= file.write(bytes(min(left, 1 << 20)))
    return path
