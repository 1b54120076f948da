"""A folder that does not take what is to be stored: builds end as they do without us, and one line says why."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import Ran, Run
from tests.index import Handler, Index
from tests.mounts import Mount, fill, needed, small_disk

STRANGER = 54321
POWERLESS = ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown", "--")
"""Root, whom other users' modes hold back."""


@pytest.fixture
def run(run: Run) -> Run:
    needed("setpriv of util-linux")
    return partial(run, *POWERLESS)


@pytest.fixture
def distributions(distributions: Path) -> Path:
    """Have one that is larger than a small disk."""
    with zipfile.ZipFile(distributions / "epsilon-1.0-py3-none-any.whl", "a") as wheel:
        wheel.writestr("payload", os.urandom(3 << 20))
    return distributions


def two_megabytes(folder: Path, mount: Mount, _: Index) -> None:
    small_disk(mount, folder, "size=2m")


def ten_inodes(folder: Path, mount: Mount, _: Index) -> None:
    small_disk(mount, folder, "nr_inodes=10")


def no_space_at_all(folder: Path, mount: Mount, _: Index) -> None:
    small_disk(mount, folder, "size=64k")
    fill(folder)


def read_only_in_mid_run(folder: Path, mount: Mount, index: Index) -> None:
    needed("mkfs.ext4 of e2fsprogs")
    image = folder.with_suffix(".ext4")
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    mount(folder, "-o", "loop", image)

    aborted: list[Path] = []

    def abort(_: Handler) -> bool:
        # Once something is stored there: in our first build, not in the bare one before.
        if (folder / "records-v1").exists() and not aborted:
            aborted.append(folder)
            # As ext4 does after an error, whatever is open; a mere remount is refused while somebody holds a lock.
            subprocess.run(["mount", "-o", "remount,abort", folder], check=True)
        return True

    index.fault(abort, "/simple/gamma/")


def read_only(folder: Path, mount: Mount, _: Index) -> None:
    mount(folder, "-t", "tmpfs", "-o", "mode=755,ro", "tmpfs")


def immutable(folder: Path, mount: Mount, _: Index) -> None:
    needed("chattr of e2fsprogs")
    folder.mkdir()
    done = subprocess.run(["chattr", "+i", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"SKIPPED FOR WANT OF A FILE SYSTEM WITH FLAGS below {folder}: {done.stderr.strip()}")


def a_strangers(folder: Path, mount: Mount, _: Index, mode: int = 0o755) -> None:
    folder.mkdir(mode=mode)
    os.chown(folder, STRANGER, STRANGER)


def a_strangers_own(folder: Path, mount: Mount, index: Index) -> None:
    a_strangers(folder, mount, index, 0o700)


SOME = (two_megabytes, ten_inodes, read_only_in_mid_run, immutable, a_strangers_own)
WAYS = (*SOME, no_space_at_all, read_only, a_strangers)
MAY_BE_MEANT = (immutable, read_only, a_strangers)
"""A folder that can be read and not written from the outset may be how a host means it: a line is allowed, not due."""


@pytest.fixture
def unwritable(request: pytest.FixtureRequest, mount: Mount, index: Index, tmp_path: Path) -> Iterator[bool]:
    """Make a cache folder that is refused to us in the way that the test is given; give whether a line is due."""
    request.param(tmp_path / "cache", mount, index)
    yield request.param not in MAY_BE_MEANT
    if request.param is immutable:
        subprocess.run(["chattr", "-i", tmp_path / "cache"], check=True)


def in_each(ways: Iterable[Callable[[Path, Mount, Index], None]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("unwritable", ways, ids=lambda way: way.__name__, indirect=True)


def told(ran: Ran, folder: str) -> tuple[int, str]:
    """Return a build's code and what it printed, without our line, and with what differs from run to run taken out."""
    lines = [line for line in (ran.out + ran.err).splitlines() if not line.startswith("cachedindex: ")]
    text = "\n".join(lines).replace(f"/{folder}", "/X").replace("Using cached", "Downloading")
    return ran.code, re.sub(r"/\S*(tmp|pip)-?\S+|(size|sha256)=\w+|\d+\.\d+ [kM]B/s|0x[0-9a-f]+", "…", text)


def tree(folder: Path) -> dict[str, bytes]:
    """Return what a build left, by path, without what holds a time or where a temporary folder was."""

    def content(path: Path) -> bytes:
        found = path.read_bytes().replace(bytes(folder), b"X")
        # In the list of files only: in megabytes of random payload the search takes ten seconds.
        return re.sub(rb".*(\.pyc|/direct_url\.json),.*\r?\n", b"", found) if path.name == "RECORD" else found

    return {
        str(path.relative_to(folder)): content(path)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".whl", ".cfg") and path.name != "direct_url.json"
    }


def as_without_us(build: Callable[..., Ran], tmp_path: Path, *, told_why: bool) -> None:
    """Build without us, with a folder that takes nothing, and once more; hold the three against each other."""
    bare = build("bare", ours=False)
    assert bare.code == 0, bare.err
    for folder in ("first", "second"):
        ran = build(folder)
        assert told(ran, folder) == told(bare, "bare")
        assert tree(tmp_path / folder) == tree(tmp_path / "bare") != {}
        assert "cachedindex: " not in ran.out
        assert len(ran.ours) <= 1
        assert ran.ours or folder == "second" or not told_why
        for line in ran.ours:
            assert f"{tmp_path}/cache" in line
            assert re.search("the build (goes on|continues)", line.lower())


@pytest.mark.slow
@in_each(WAYS)
def test_pip_builds_as_without_us(
    unwritable: bool,
    run: Run,
    python_with: Callable[..., Path],
    index: Index,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    # Else the first to notice may be the pip that makes the environment of a build, whose output pip hides.
    ahead = "0" if "mid_run" in request.node.name else "16"
    pip = (python_with("pip==26.3"), "-m", "pip", "install", "--progress-bar=off", "alpha", "source", "--target")

    def build(folder: str, *, ours: bool = True) -> Ran:
        hooked = (sys.executable, "-m", "cachedindex", "run", "--") if ours else ()
        variables = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", "CACHEDINDEX_INDEX_TTL": "0"}
        variables["CACHEDINDEX_AHEAD"] = ahead
        return run(*hooked, *pip, tmp_path / folder, **variables)

    as_without_us(build, tmp_path, told_why=unwritable)


@pytest.mark.slow
@in_each(SOME)
def test_buildout_builds_as_without_us(unwritable: bool, buildout: Callable[..., Ran], tmp_path: Path) -> None:
    def build(folder: str, *, ours: bool = True) -> Ran:
        return buildout(folder, extensions="cachedindex" if ours else "", CACHEDINDEX_INDEX_TTL="0")

    as_without_us(build, tmp_path, told_why=unwritable)
