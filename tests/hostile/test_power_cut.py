"""The power fails while builds write: what the disk has then verifies or is a miss, and heals.

A copy of a disk image that shares its blocks is what the disk had at one moment; what was in memory only is not in it.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from cachedindex import CachedIndexAdapter
from tests.conftest import CHECKOUT
from tests.hostile import selfdescribing
from tests.index import Index
from tests.mounts import Mount, needed

WRITERS = 3
CUTS = 8
LOOK_UPS = 60
Recorded = Callable[[str, object], None]
PATHS = [
    path
    for project in selfdescribing.PROJECTS
    for path in (selfdescribing.page_path(project), *selfdescribing.file_paths(project))
]


@pytest.fixture
def disks(tmp_path: Path, mount: Mount) -> Path:
    """Give a folder whose files can be copied in one moment."""
    needed("mkfs.xfs of xfsprogs", "mkfs.ext4 of e2fsprogs", "setpriv of util-linux")
    image = tmp_path / "xfs.img"
    made(image, 1 << 30, "mkfs.xfs", "-q", "-m", "reflink=1", image)
    mount(tmp_path / "disks", "-o", "loop", image)
    return tmp_path / "disks"


def made(image: Path, size: int, *command: object) -> None:
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


@contextmanager
def writing(origin: str, folder: Path, environment: dict[str, str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Have some processes store and evict, until the block ends; each tells a line for every look-up."""
    command = [sys.executable, "-m", "tests.hostile.worker"]
    processes = [
        subprocess.Popen(
            [*command, role, origin, folder, str(seed)],
            cwd=CHECKOUT,
            env={**environment, "CACHEDINDEX_CACHE_DIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if role == "evictor" else subprocess.PIPE,
        )
        for seed, role in enumerate(["writer"] * WRITERS + ["evictor"])
    ]
    try:
        yield processes[:WRITERS]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def heard(writers: Iterable[subprocess.Popen[bytes]]) -> None:
    """Wait until each has written some more."""
    for writer in writers:
        assert writer.stdout
        assert all(writer.stdout.readline() for _ in range(LOOK_UPS))


def look_up_all(session: requests.Session, origin: str) -> Counter[str]:
    """Look everything up, verify it, and return how often it came from where."""
    ended: Counter[str] = Counter()
    for path in PATHS:
        response = session.get(origin + path)
        if response.status_code == requests.codes.gateway_timeout:
            ended["refused"] += 1
            continue
        assert response.ok
        assert selfdescribing.is_whole(path, response.content), f"{path}: {response.content[:100]!r}"
        ended["stored" if "Cache-Status" in response.headers else "asked"] += 1
    return ended


def opened(folder: Path, **options: object) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", CachedIndexAdapter(cache_dir=folder, trust_env=False, **options))
    return session


@pytest.mark.slow
def test_what_survives_a_power_cut_verifies_or_is_a_miss(
    environment: dict[str, str],
    index: Index,
    disks: Path,
    mount: Mount,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    index.fault(selfdescribing.answers())
    image = disks / "ext4.img"
    made(image, 200 << 20, "mkfs.ext4", "-q", "-F", image)
    mount(tmp_path / "disk", "-o", "loop,commit=1", image)
    with writing(index.origin, tmp_path / "disk/cache", environment) as writers:
        heard(writers)
        subprocess.run(["sync", "--file-system", tmp_path / "disk"], check=True)
        for cut in range(CUTS):
            heard(writers)
            subprocess.run(["cp", "--reflink=always", image, disks / f"cut-{cut}.img"], check=True)

    total: Counter[str] = Counter()
    for cut in range(CUTS):
        mount(tmp_path / f"cut-{cut}", "-o", "loop", disks / f"cut-{cut}.img")
        folder = tmp_path / f"cut-{cut}/cache"
        with opened(folder, offline=True) as session:
            total += look_up_all(session, index.origin)
        with opened(folder, index_ttl="1 h") as session:
            look_up_all(session, index.origin)
        with opened(folder, offline=True, timeout=1) as session:
            assert look_up_all(session, index.origin) == {"stored": len(PATHS)}, "not healed"
    assert total["stored"] + total["refused"] == CUTS * len(PATHS)
    assert total["stored"], "nothing reached the disk before the cuts; it shows nothing"
    record_property("result", f"{CUTS} cuts, {dict(total)}")
