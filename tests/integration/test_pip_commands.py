"""Every way in which pip looks things up, oldest and newest: online, then with a dead index and expired pages."""

from __future__ import annotations

import shutil
import sys
import venv
import zipapp
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Ran, Run
from tests.index import Index, sha256

CACHEDINDEX = (sys.executable, "-m", "cachedindex")
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
NEWEST = "pip==26.3"
pytestmark = pytest.mark.slow


@pytest.fixture
def below(run: Run, index: Index) -> Callable[..., Ran]:
    """Give a function that runs a command below `cachedindex run`."""

    def below(*command: object, **variables: str) -> Ran:
        settings = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0"}
        return run(*CACHEDINDEX, "run", "--", *command, **{**settings, **variables})

    return below


@pytest.fixture
def requirements(tmp_path: Path, distributions: Path) -> Path:
    """Give a file that pins `delta` and `epsilon` by their hashes."""
    file = tmp_path / "requirements.txt"
    pins = [(name, distributions / f"{name}-1.0-py3-none-any.whl") for name in ("delta", "epsilon")]
    file.write_text("".join(f"{name}==1.0 --hash=sha256:{sha256(path)}\n" for name, path in pins))
    return file


def twice(below: Callable[..., Ran], index: Index, *command: object, stale: int, **variables: str) -> Ran:
    """Run a command online and with a dead index, where `{}` is a new place each time; return the second."""
    first = below(*[str(word).replace("{}", "A") for word in command], **variables)
    assert first.code == 0, first.err
    assert first.ours == []
    index.close()
    second = below(*[str(word).replace("{}", "B") for word in command], **variables, **EXPIRED)
    assert second.code == 0, second.err
    assert second.ours, "nothing was served stale: the network was reached"
    assert f"served {stale} page" in second.ours[-1]
    assert first.out.replace("/A", "/B") == second.out
    return second


@pytest.mark.parametrize("version", ["22.3.1", "23.2.1", "24.0", "25.3", "26.3"])
def test_another_python(
    below: Callable[..., Ran], index: Index, python_with: Callable[..., Path], version: str, tmp_path: Path
) -> None:
    """`pip --python`, and in it an isolated build: three pips in a row."""
    venv.create(tmp_path / "other")
    command = (python_with(f"pip=={version}"), "-m", "pip", "--python", tmp_path / "other/bin/python", "install")
    twice(below, index, *command, "-q", "--target", "{}", "alpha", "source", stale=7)
    assert (tmp_path / "B/source.py").is_file()


@pytest.mark.parametrize("version", ["22.3.1", "26.3"])
@pytest.mark.parametrize(
    ("words", "stale"),
    [
        (["download", "-q", "-d", "{}", "alpha"], 5),
        (["wheel", "-q", "-w", "{}", "alpha", "source"], 7),
        (["index", "versions", "alpha"], 1),
        (["install", "-q", "--dry-run", "alpha"], 5),
        (["install", "-q", "--target", "{}", "--require-hashes", "-r", "requirements.txt"], 2),
        (["install", "-q", "--target", "{}", "--no-index", "--find-links", "{find_links}", "epsilon"], 1),
    ],
    ids=["download", "wheel", "index", "dry-run", "require-hashes", "find-links"],
)
def test_a_command(
    below: Callable[..., Ran],
    index: Index,
    python_with: Callable[..., Path],
    requirements: Path,
    version: str,
    words: list[str],
    stale: int,
) -> None:
    filled = [word.replace("{find_links}", f"{index.url}epsilon/") for word in words]
    variables = {"PIP_INDEX_URL": ""} if "--no-index" in words else {}
    twice(below, index, python_with(f"pip=={version}"), "-m", "pip", *filled, stale=stale, **variables)


@pytest.mark.parametrize("feature", ["venv-isolation", "inprocess-build-deps"])
def test_an_isolated_build_of_another_kind(
    below: Callable[..., Ran], index: Index, python_with: Callable[..., Path], feature: str
) -> None:
    command = (python_with(NEWEST), "-m", "pip", "install", "--use-feature", feature, "-q", "--target", "{}", "source")
    twice(below, index, *command, stale=2)


def test_the_zip_application(
    below: Callable[..., Ran], index: Index, python_with: Callable[..., Path], tmp_path: Path
) -> None:
    python = python_with(NEWEST)
    (site,) = (python.parent.parent / "lib").glob("*/site-packages")
    shutil.copytree(site / "pip", tmp_path / "app/pip", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "app/__main__.py").write_text("import runpy\nrunpy.run_module('pip', run_name='__main__')\n")
    zipapp.create_archive(tmp_path / "app", tmp_path / "pip.pyz")
    venv.create(tmp_path / "bare")
    command = (tmp_path / "bare/bin/python", tmp_path / "pip.pyz", "install", "-q", "--target", "{}", "source")
    twice(below, index, *command, stale=2)


def test_a_lock_file_made_and_installed(
    below: Callable[..., Ran], index: Index, python_with: Callable[..., Path], tmp_path: Path
) -> None:
    pip = (python_with(NEWEST), "-m", "pip")
    assert below(*pip, "lock", "-q", "-o", "pylock.toml", "alpha").code == 0
    assert below(*pip, "install", "-q", "--target", "A", "-r", "pylock.toml").code == 0
    index.close()
    assert below(*pip, "lock", "-q", "-o", "pylock.again.toml", "alpha", **EXPIRED).code == 0
    assert (tmp_path / "pylock.toml").read_text() == (tmp_path / "pylock.again.toml").read_text()
    second = below(*pip, "install", "-q", "--target", "B", "-r", "pylock.toml", **EXPIRED)
    assert second.code == 0, second.err
    assert sorted(path.name for path in (tmp_path / "A").glob("*.py")) == [
        path.name for path in sorted((tmp_path / "B").glob("*.py"))
    ]


def test_a_package_that_is_to_be_refreshed_is_asked_for(
    below: Callable[..., Ran], index: Index, python_with: Callable[..., Path]
) -> None:
    command = (python_with(NEWEST), "-m", "pip", "install", "-q", "--target")
    assert below(*command, "A", "delta").code == 0
    index.seen.clear()
    assert below(*command, "B", "--refresh-package", "delta", "delta").code == 0
    assert index.pages_seen() == ["/simple/delta/"]


def test_what_was_uploaded_before_a_day(
    below: Callable[..., Ran], index: Index, python_with: Callable[..., Path]
) -> None:
    pip = (python_with(NEWEST), "-m", "pip", "install", "-q", "--target", "{}", "--uploaded-prior-to")
    second = twice(below, index, *pip, "2025-01-01", "epsilon", stale=1)
    assert second.code == 0
    late = below(*[str(word).replace("{}", "C") for word in pip], "2023-01-01", "epsilon", **EXPIRED)
    assert late.code == 1


def test_an_extra_index(
    below: Callable[..., Ran], index: Index, python_with: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    packages.add_wheel(tmp_path / "more", "zeta", "1.0", ("epsilon",))
    with faults.serving(tmp_path / "more") as more:
        pip = (python_with(NEWEST), "-m", "pip", "install", "-q", "--target", "{}", "--extra-index-url", more.url)
        second = twice(below, index, *pip, "zeta", stale=1)
    assert index.url.rstrip("/").removesuffix("/simple") in second.ours[-1]


@pytest.mark.parametrize("version", ["23.2.1", "26.3"])
def test_through_a_proxy(
    below: Callable[..., Ran], index: Index, python_with: Callable[..., Path], version: str
) -> None:
    pip = (python_with(f"pip=={version}"), "-m", "pip", "install", "-q", "--target", "{}", "--proxy", index.origin)
    variables = {"PIP_INDEX_URL": "http://index.example/simple/", "PIP_TRUSTED_HOST": "index.example"}
    second = twice(below, index, *pip, "alpha", stale=5, **variables)
    assert "http://index.example: " in second.ours[-1]


def test_requirements_from_a_url_are_asked_for_each_time(
    below: Callable[..., Ran], index: Index, python_with: Callable[..., Path], requirements: Path, distributions: Path
) -> None:
    shutil.copy(requirements, distributions / "requirements.txt")
    pip = (python_with(NEWEST), "-m", "pip", "install", "-q", "-r", f"{index.origin}/files/requirements.txt")
    assert below(*pip, "--target", "A").code == 0
    index.seen.clear()
    assert below(*pip, "--target", "B").code == 0
    assert [seen.path for seen in index.seen] == ["/files/requirements.txt"]


@pytest.mark.parametrize("version", ["22.3.1", "26.3"])
def test_a_hash_that_does_not_match_is_refused(
    below: Callable[..., Ran], index: Index, python_with: Callable[..., Path], requirements: Path, version: str
) -> None:
    pip = (python_with(f"pip=={version}"), "-m", "pip", "install", "-q", "--target")
    index.fault(faults.body(b"another wheel", "application/octet-stream"), "/files/epsilon.*whl$")
    # 22.3 does not look at the hashes of a JSON page, and finds that this is no wheel.
    bare, by_index = (below(*pip, "A", "epsilon", **variables) for variables in ({"CACHEDINDEX_DISABLE": "true"}, {}))
    assert (by_index.code, "DO NOT MATCH" in by_index.err) == (1, "DO NOT MATCH" in bare.err), by_index.err
    index.heal()
    assert below(*pip, "B", "epsilon").code == 0, "what was refused is not kept"

    text = requirements.read_text()
    requirements.write_text(text.replace(text.rpartition("sha256:")[2].strip(), "0" * 64))
    for variables in ({}, EXPIRED):
        by_file = below(*pip, "C", "--require-hashes", "-r", requirements, **variables)
        assert (by_file.code, "DO NOT MATCH" in by_file.err) == (1, True)
        index.fault(faults.reset)
