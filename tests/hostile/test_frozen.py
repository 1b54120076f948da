"""A cache folder that does not answer, as on a mount whose server is gone, costs a build a second or two."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cachedindex.store.store import Store
from tests.conftest import Run
from tests.index import Index
from tests.mounts import Mount, needed
from tests.stored import put_page

CLIENT = """
import sys
import requests, cachedindex

url, cache = sys.argv[1:]
session = requests.Session()
session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir=cache))
for name in ("alpha", "beta"):
    print(session.get(f"{url}{name}/").status_code)
"""


@pytest.fixture
def disk(mount: Mount, tmp_path: Path) -> Path:
    """Give a folder on a disk of its own, which can be frozen."""
    needed("fsfreeze of util-linux", "mkfs.ext4 of e2fsprogs")
    image, folder = tmp_path / "disk", tmp_path / "mounted"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    mount(folder, "-o", "loop", image)
    folder.chmod(0o755)
    return folder


@contextmanager
def frozen(disk: Path) -> Iterator[None]:
    subprocess.run(["fsfreeze", "--freeze", disk], check=True)
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", disk], check=True)


def test_a_build_on_a_frozen_disk_goes_on_without_us(disk: Path, index: Index) -> None:
    def build() -> tuple[str, str]:
        command = [sys.executable, "-c", CLIENT, index.url, str(disk / "cache")]
        built = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return built.stdout, built.stderr

    assert build() == ("200\n200\n", "")
    with frozen(disk):
        out, err = build()
    assert out == "200\n200\n"
    assert err == f"cachedindex: {disk / 'cache'} does not answer; the build continues without the cache\n"
    asked = len(index.seen)
    assert build() == ("200\n200\n", "")
    assert len(index.seen) == asked, "the copies are there"


def test_each_command_says_that_a_disk_is_frozen(disk: Path, run: Run) -> None:
    put_page(Store(disk / "cache"), "six")
    for command in ("doctor", "gc", "status", "ls"):
        with frozen(disk):
            ran = run(sys.executable, "-m", "cachedindex", command, CACHEDINDEX_CACHE_DIR=disk / "cache")
        assert ran.code, command
        assert f"{disk / 'cache'} does not answer" in ran.out + ran.err, command
