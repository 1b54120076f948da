"""`cachedindex rehearse` says "survives" exactly if the build then does, without an index, on a new node."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from cachedindex.run import newnode
from tests import packages
from tests.conftest import BUILDOUT, Ran, Run
from tests.index import Index

PIP = (sys.executable, "-m", "pip")
TARGET = ("--target", "target")


class Builds:
    """Builds in new folders and with new homes, on one cache."""

    def __init__(self, run: Run, index: Index, environment: Mapping[str, str], folder: Path) -> None:
        self._run = run
        self._index = index
        self._environment = environment
        self._folder = folder
        self.files: dict[str, str] = {}

    def make(self, prefix: Sequence[object], *command: object, **variables: str) -> Ran:
        """Run a command in a new folder with these files, on a node that has nothing but the cache."""
        node = self._folder / f"node-{len(list(self._folder.glob('node-*')))}"
        (node / "home").mkdir(parents=True)
        for name, text in self.files.items():
            (node / name).write_text(text)
        settings = {"HOME": str(node / "home"), "PIP_CACHE_DIR": str(node / "pip-cache"), "PIP_RETRIES": "1"}
        settings = {"PIP_INDEX_URL": self._index.url, **settings, **variables}
        return self._run(*prefix, *command, cwd=node, **settings)

    def online(self, *command: object, **variables: str) -> Ran:
        ran = self.make((sys.executable, "-m", "cachedindex", "run", "--"), *command, **variables)
        assert ran.code == 0, ran.err
        return ran

    def agree(self, *command: object, survive: bool, **variables: str) -> Ran:
        """Rehearse a build with a healthy index, and then make it in an outage; return the rehearsal."""
        cache = Path(self._environment["CACHEDINDEX_CACHE_DIR"])
        before, self._index.seen = snapshot(cache), []
        rehearsed = self.make((sys.executable, "-m", "cachedindex", "rehearse", "--"), *command, **variables)
        assert self._index.seen == []
        assert snapshot(cache) == before
        self._index.refuse()
        real = self.make((sys.executable, "-m", "cachedindex", "run", "--"), *command, **variables)
        self._index.heal()
        assert (rehearsed.code == 0, real.code == 0) == (survive, survive), rehearsed.out + rehearsed.err + real.err
        assert ("\nsurvives: " in f"\n{rehearsed.out}") == survive
        assert rehearsed.code in (0, 1)
        return rehearsed


def snapshot(cache: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in cache.rglob("*")}


@pytest.fixture
def builds(run: Run, index: Index, environment: Mapping[str, str], tmp_path: Path) -> Builds:
    return Builds(run, index, environment, tmp_path)


def missing(ran: Ran) -> list[str]:
    lines = [line.strip() for line in ran.out.splitlines()]
    return sorted(line.removeprefix("missing: ") for line in lines if line.startswith("missing: "))


def test_a_pip_of_which_all_is_stored(builds: Builds) -> None:
    builds.online(*PIP, "install", *TARGET, "alpha", "source")
    ran = builds.agree(*PIP, "install", *TARGET, "alpha", "source", survive=True)
    assert not missing(ran)


def test_a_pip_that_lacks_a_file(builds: Builds, index: Index, environment: Mapping[str, str]) -> None:
    builds.online(*PIP, "install", *TARGET, "alpha")
    for blob in Path(environment["CACHEDINDEX_CACHE_DIR"], "blobs-v1").rglob("*"):
        if blob.is_file() and blob.read_bytes().startswith(b"PK") and b"gamma" in blob.read_bytes()[:60]:
            blob.unlink()
    ran = builds.agree(*PIP, "install", *TARGET, "alpha", survive=False)
    assert f"the file of gamma, {index.origin}/files/gamma-1.0-py3-none-any.whl" in missing(ran)


def test_a_pip_that_lacks_a_page(builds: Builds, index: Index) -> None:
    builds.online(*PIP, "install", *TARGET, "beta")
    ran = builds.agree(*PIP, "install", *TARGET, "alpha", survive=False)
    assert missing(ran) == [f"the page of alpha, {index.url}alpha/"]


def test_a_pip_whose_cache_of_wheels_hides_an_sdist(builds: Builds, tmp_path: Path) -> None:
    """What built the sdist is not stored, as pip has had the wheel since before the cache was there."""
    shared = {"PIP_CACHE_DIR": str(tmp_path / "pip-cache")}
    assert builds.make((), *PIP, "install", *TARGET, "source", **shared).code == 0
    assert "Using cached" in builds.online(*PIP, "install", *TARGET, "source", **shared).out
    ran = builds.agree(*PIP, "install", *TARGET, "source", survive=False)
    assert any("tinybackend" in line for line in missing(ran))


def test_a_copy_that_is_too_old(builds: Builds) -> None:
    builds.online(*PIP, "install", *TARGET, "epsilon")
    builds.agree(
        *PIP, "install", *TARGET, "epsilon", survive=False, CACHEDINDEX_STALE_IF_ERROR="0", CACHEDINDEX_INDEX_TTL="0"
    )


def test_hashes_and_constraints(builds: Builds, distributions: Path) -> None:
    wheel = next(distributions.glob("epsilon-1.0*"))
    from tests.index import sha256

    builds.files = {"requirements.txt": f"epsilon==1.0 --hash=sha256:{sha256(wheel)}\n"}
    builds.online(*PIP, "install", *TARGET, "-r", "requirements.txt")
    builds.agree(*PIP, "install", *TARGET, "-r", "requirements.txt", survive=True)


def test_a_newer_release_that_is_only_on_the_page(builds: Builds, distributions: Path) -> None:
    packages.add_wheel(distributions, "epsilon", "1.1")
    builds.online(*PIP, "install", *TARGET, "epsilon==1.0")
    ran = builds.agree(*PIP, "install", *TARGET, "epsilon", survive=False)
    assert any("epsilon-1.1" in line for line in missing(ran))


def test_what_is_installed_already_hides_nothing(builds: Builds, tmp_path: Path) -> None:
    """A pip without --target installs into its own environment, which a rehearsal neither uses nor changes."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = (venv / "bin/python", "-m", "pip", "install")
    assert builds.make((), *pip, "epsilon").code == 0
    before = snapshot(venv)
    rehearse = (sys.executable, "-m", "cachedindex", "rehearse", "--")
    assert missing(builds.make(rehearse, *pip, "epsilon"))
    builds.online(*PIP, "install", *TARGET, "epsilon")
    assert "survives: " in builds.make(rehearse, *pip, "epsilon").out
    assert {path: seen for path, seen in snapshot(venv).items() if "__pycache__" not in str(path)} == {
        path: seen for path, seen in before.items() if "__pycache__" not in str(path)
    }


@pytest.fixture
def buildout(builds: Builds, python: Path, index: Index, recipe: str) -> Callable[..., object]:
    text = BUILDOUT.format(extensions="", index=index.url, recipe=recipe, options="")
    builds.files = {"buildout.cfg": text}
    return lambda work, **how: work(python.with_name("buildout"), **how)


def test_a_buildout_of_which_all_is_stored(builds: Builds, buildout: Callable[..., object]) -> None:
    buildout(builds.online)
    buildout(builds.agree, survive=True)


def test_a_buildout_that_lacks_a_file(
    builds: Builds, buildout: Callable[..., Ran], environment: Mapping[str, str]
) -> None:
    buildout(builds.online)
    for record in Path(environment["CACHEDINDEX_CACHE_DIR"], "records-v1").rglob("delta-1.0*"):
        record.unlink()
    assert any("delta-1.0" in line for line in missing(buildout(builds.agree, survive=False)))


def test_a_buildouts_own_folder_hides_nothing_and_stays_as_it_is(
    builds: Builds, buildout: Callable[..., Ran], environment: Mapping[str, str], python: Path, run: Run, tmp_path: Path
) -> None:
    buildout(builds.online)
    for record in Path(environment["CACHEDINDEX_CACHE_DIR"], "records-v1").rglob("delta-1.0*"):
        record.unlink()
    before = snapshot(tmp_path / "node-0")
    command = (sys.executable, "-m", "cachedindex", "rehearse", "--", python.with_name("buildout"))
    assert any("delta-1.0" in line for line in missing(run(*command, cwd=tmp_path / "node-0")))
    assert snapshot(tmp_path / "node-0") == before


@pytest.mark.slow
def test_a_tox(builds: Builds, python_with: Callable[..., Path]) -> None:
    tox = python_with("tox", "nox", "hatch", "pip-tools", "pip==26.3", ours=True).parent / "tox"
    builds.files = {
        "tox.ini": "[tox]\nskipsdist = true\n[testenv]\ndeps =\n    alpha\n    source\ncommands = python -c pass\n"
    }
    builds.online(tox, "-e", "py")
    builds.agree(tox, "-e", "py", survive=True)
    builds.files["tox.ini"] = builds.files["tox.ini"].replace("alpha", "alpha\n    nowhere")
    ran = builds.agree(tox, "-e", "py", survive=False)
    assert any("nowhere" in line for line in missing(ran))


def test_what_is_not_covered_is_said(builds: Builds) -> None:
    rehearse = (sys.executable, "-m", "cachedindex", "rehearse", "--")
    script = "import urllib.request; urllib.request.urlopen('http://index.invalid/health')"
    ran = builds.make(rehearse, sys.executable, "-c", script)
    assert ran.code == 1
    assert "no client asked for anything through the cache" in ran.out
    assert "Connection refused" in ran.err
    assert builds.make(rehearse, "sh", "-c", "kill -9 $$").code == -9
    assert builds.make(rehearse[:-1]).code == 2


def test_a_rehearsal_leaves_nothing(builds: Builds, tmp_path: Path) -> None:
    (scratch := tmp_path / "tmp").mkdir()
    builds.online(*PIP, "install", *TARGET, "epsilon")
    builds.agree(*PIP, "install", *TARGET, "epsilon", survive=True, TMPDIR=str(scratch))
    assert [path.name for path in scratch.iterdir() if path.name.startswith("cachedindex-")] == []


def test_a_pip_and_a_buildout_get_places_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project := tmp_path / "project").mkdir()
    (scratch := tmp_path / "scratch").mkdir()
    monkeypatch.chdir(project)
    (project / "bin").mkdir()
    (project / "bin/buildout").write_text("#!/bin/sh\n")

    def on_a_new_node(*words: str, **environ: str) -> list[str]:
        return newnode.command(words, scratch, environ)

    target = ["--ignore-installed", "--target", f"{scratch}/target"]
    assert on_a_new_node("pip3.11", "install", "six") == ["pip3.11", "install", *target, "six"]
    assert on_a_new_node("python", "-m", "pip", "-q", "install", "six")[4:] == ["install", *target, "six"]
    assert on_a_new_node("pip", "install", "--prefix=x", "six") == ["pip", "install", *target[:1], "--prefix=x", "six"]
    assert on_a_new_node("pip", "install", "six", PIP_PREFIX="x") == ["pip", "install", *target[:1], "six"]
    assert on_a_new_node("pip", "download", "six") == ["pip", "download", "six", "--dest", f"{scratch}/fetched"]
    assert on_a_new_node("pip", "list") == ["pip", "list"]
    assert on_a_new_node("make", "install") == ["make", "install"]
    assert on_a_new_node("bin/buildout", "-c", "x.cfg")[:2] == [
        f"{scratch}/bin/buildout",
        f"buildout:eggs-directory={scratch}/eggs",
    ]
    assert on_a_new_node("python", "other/buildout", "-N")[:2] == ["python", "other/buildout"]
