"""Runs with a remote that is a folder."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.index import Index
from tests.mounts import Mount, fill, small_disk
from tests.nodes import Node

pytest.importorskip("obstore", reason="SKIPPED FOR WANT OF obstore: pip install --editable .[remote]")

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
LOADED = "import sys; print(*sys.modules)"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Give the URL of a remote that is a folder."""
    return f"file://{tmp_path}/remote"


@pytest.fixture
def node(run: Run, index: Index, folder: str, python_with: Callable[..., Path], tmp_path: Path) -> Callable[..., Node]:
    """Give a function that makes a new node."""
    pip = python_with("pip==26.3")

    def node(name: str, remote: str = folder, job: str = "nightly") -> Node:
        options = {"CACHEDINDEX_REMOTE": remote, "CACHEDINDEX_JOB": job, "CACHEDINDEX_REMOTE_TIMEOUT": "30 s"}
        return Node(tmp_path / name, run, pip, {"PIP_INDEX_URL": index.url, **options})

    return node


def test_a_folder_may_be_the_remote(node: Callable[..., Node], index: Index) -> None:
    assert node("one").installs("alpha", "source").ours == []
    index.refuse()
    two = node("two")
    assert two.installs("alpha", "source", **EXPIRED).code == 0
    assert len(two.installed) == 6


def no_byte(mount: Mount, folder: Path) -> None:
    small_disk(mount, folder, "size=64k")
    fill(folder)


FULL: dict[str, Callable[[Mount, Path], None]] = {
    "less than a file": lambda mount, folder: small_disk(mount, folder, "size=2m"),
    "ten files": lambda mount, folder: small_disk(mount, folder, "nr_inodes=10"),
    "nothing": no_byte,
}


@pytest.mark.linux("a small disk to mount")
@pytest.mark.parametrize("room", FULL)
def test_a_full_disk_here_keeps_no_build_from_beginning(
    node: Callable[..., Node], mount: Mount, distributions: Path, room: str
) -> None:
    with zipfile.ZipFile(distributions / "epsilon-1.0-py3-none-any.whl", "a") as wheel:
        wheel.writestr("payload", os.urandom(3 << 20))
    assert node("one").installs("alpha").ours == []
    two = node("two")
    FULL[room](mount, two.cache)
    ran = two.installs("alpha")
    assert ran.code == 0, ran.err
    assert len(two.installed) == 5
    (line,) = ran.ours
    assert "cannot be stored here" in line
    assert "No space left on device" in line
    assert list(two.cache.rglob("*.tmp")) == []
    blobs = [path for path in two.cache.glob("blobs-v1/*/*") if path.is_file()]
    assert all(sha256(path.read_bytes()).hexdigest() == path.name for path in blobs)


def test_neither_the_run_nor_its_command_loads_obstore(node: Callable[..., Node], folder: str, run: Run) -> None:
    one = node("one")
    code = f"""
import sys
sys.argv = ["cachedindex", "run", "--", {sys.executable!r}, "-c", {LOADED!r}]
import atexit
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
from cachedindex.__main__ import command_line
command_line()
"""
    ran = run(sys.executable, "-c", code, **one.environ)
    assert ran.code == 0, ran.err
    assert "cachedindex.remote.around" in ran.err.split()
    assert "obstore" not in ran.out.split() + ran.err.split()


def test_without_obstore_the_build_goes_on(
    run: Run, python_with: Callable[..., Path], index: Index, folder: str, tmp_path: Path
) -> None:
    python = python_with("pip==26.3", ours=True)
    command = (
        python,
        "-m",
        "cachedindex",
        "run",
        "--",
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--target",
        tmp_path / "x",
    )
    ran = run(*command, "alpha", PIP_INDEX_URL=index.url, CACHEDINDEX_REMOTE=folder)
    assert ran.code == 0, ran.err
    assert ran.ours == [
        f"cachedindex: remote: {folder} needs obstore: pip install 'cachedindex[remote]'; the build goes on without it"
    ]


@pytest.mark.parametrize("value", ["bucket", "s3://key:secret@bucket"])
def test_a_wrong_remote_is_one_line(node: Callable[..., Node], value: str) -> None:
    ran = node("one", remote=value).installs("alpha")
    assert ran.code == 0
    (line,) = ran.ours
    assert "CACHEDINDEX_REMOTE" in line
    assert "(ignored)" in line
    assert "secret" not in line


def test_without_a_job_the_requirements_are_it(node: Callable[..., Node], folder: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        each = node(name)
        del each.environ["CACHEDINDEX_JOB"]
        (each.folder / "requirements.txt").write_text("alpha\n")
        assert each.installs("-r", "requirements.txt").ours == []
    assert each.uses()["before"].found > 0
    assert len(list((tmp_path / "remote/jobs-v1").iterdir())) == 1


def test_a_command_may_have_any_words(node: Callable[..., Node], run: Run) -> None:
    """Without a job, its files stand for it: this word has the ending of one, and is longer than any name."""
    one = node("one")
    del one.environ["CACHEDINDEX_JOB"]
    script = f"echo {'x' * 300} > made.txt"
    ran = run(sys.executable, "-m", "cachedindex", "run", "--", "sh", "-c", script, cwd=one.folder, **one.environ)
    assert (ran.code, ran.ours) == (0, [])
    assert (one.folder / "made.txt").exists()
