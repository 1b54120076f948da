"""`cachedindex run -- bin/buildout`: covered from before its first read, without anything in buildout's environment."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Ran, Run
from tests.index import Index, serving
from tests.integration.conftest import eggs

RUN = (sys.executable, "-m", "cachedindex", "run")
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}

BASE = """
[buildout]
index = {index.url}
extensions = other
parts = eggs tool
versions = versions
allow-picked-versions = false

[versions]
zc.recipe.egg = {recipe}
other = 1.0
trial = 1.0
epsilon = 1.0
source = 2.0

[eggs]
recipe = zc.recipe.egg
eggs = epsilon
       source
interpreter = py

[tool]
recipe = trial
do =
    from zc.buildout.download import Download
    path, _ = Download(buildout["buildout"])("{index.origin}/files/tool.tar.gz", "{md5}")
    print("tool", open(path).read())
"""


@pytest.fixture
def release(distributions: Path, recipe_egg: Callable[..., str]) -> str:
    """Put into the index what the configuration needs, an extension and a recipe among it."""
    packages.add_trial(distributions)
    packages.add_extension(distributions, "other", "print('other extension')")
    (distributions / "tool.tar.gz").write_text("a tool")
    return recipe_egg()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Index]:
    """Give the host of the `extends` file, which is not the index."""
    folder = tmp_path / "configurations"
    folder.mkdir()
    with serving(folder) as host:
        yield host


@pytest.fixture
def buildout(run: Run, bare_buildout: Path, index: Index, host: Index, release: str, tmp_path: Path) -> Buildout:
    """Give a function that runs a buildout whose configuration is on another host."""
    md5 = hashlib.md5(b"a tool").hexdigest()
    (host.folder / "base.cfg").write_text(BASE.format(index=index, recipe=release, md5=md5))

    def buildout(folder: str, *arguments: str, own: str = "", python: Path = bare_buildout, **variables: str) -> Ran:
        workspace = tmp_path / folder
        workspace.mkdir()
        (workspace / "buildout.cfg").write_text(f"[buildout]\nextends = {host.origin}/files/base.cfg\n{own}")
        command = (*RUN, "--", python.with_name("buildout"), *arguments)
        return run(*command, cwd=workspace, PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1", **variables)

    return buildout


Buildout = Callable[..., Ran]


def test_everything_is_dead(buildout: Buildout, index: Index, host: Index, tmp_path: Path) -> None:
    first = buildout("A")
    assert first.code == 0, first.err
    assert first.ours == []
    index.close()
    host.close()

    second = buildout("B", **EXPIRED)

    assert second.code == 0, second.err
    assert "other extension\n" in second.out
    assert "tool a tool\n" in second.out
    assert eggs(tmp_path / "A") == eggs(tmp_path / "B")
    (line,) = second.ours
    assert "served 6 pages and 2 downloads stale" in line


def test_a_configuration_of_its_own_may_be_remote(
    run: Run, buildout: Buildout, bare_buildout: Path, index: Index, host: Index, tmp_path: Path
) -> None:
    variables = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1"}
    for folder in ("A", "B"):
        (tmp_path / folder).mkdir()
        command = (*RUN, "--", bare_buildout.with_name("buildout"), "-c", f"{host.origin}/files/base.cfg")
        directory = f"buildout:directory={tmp_path / folder}"
        ran = run(*command, directory, cwd=tmp_path / folder, **variables)
        assert ran.code == 0, ran.err
        index.close()
        host.close()
    assert eggs(tmp_path / "A") == eggs(tmp_path / "B")


def test_a_configuration_whose_host_hangs_is_not_waited_for(buildout: Buildout, host: Index) -> None:
    assert buildout("A").code == 0
    host.fault(faults.hang)
    second = buildout("B", CACHEDINDEX_TIMEOUT="0.2")
    assert second.code == 0, second.err
    (line,) = second.ours
    assert "served 1 download stale" in line
    assert f"{host.origin}: no answer within 0.2 s" in line


def test_the_extension_besides_changes_nothing_but_the_options(
    buildout: Buildout, with_buildout: Callable[..., Path], index: Index, host: Index
) -> None:
    own = "extensions += cachedindex\n[cachedindex]\nindex-ttl = 0"
    assert buildout("A", own=own, python=with_buildout()).code == 0
    index.close()
    second = buildout("B", own=own, python=with_buildout())
    assert second.code == 0, second.err
    (line,) = second.ours
    # That of the other extension was fresh, as the section was not yet known.
    assert "served 5 pages and 1 download stale" in line


def test_the_options_of_run_win(buildout: Buildout, with_buildout: Callable[..., Path], index: Index) -> None:
    own = "extensions += cachedindex\n[cachedindex]\nindex-ttl = 0"
    python = with_buildout()
    assert buildout("A", own=own, python=python, CACHEDINDEX_INDEX_TTL="1 h").code == 0
    index.seen.clear()
    assert buildout("B", own=own, python=python, CACHEDINDEX_INDEX_TTL="1 h").code == 0
    assert index.pages_seen() == []


def test_an_extension_that_is_disabled_switches_it_off(
    buildout: Buildout, with_buildout: Callable[..., Path], index: Index
) -> None:
    own = "extensions += cachedindex\n[cachedindex]\ndisable = true"
    python = with_buildout()
    assert buildout("A", own=own, python=python).code == 0
    index.seen.clear()
    assert buildout("B", own=own, python=python).code == 0
    assert "/simple/epsilon/" in index.pages_seen()
    assert "/simple/tinybackend/" in index.pages_seen(), "by a pip"


def test_a_failed_build_is_one(buildout: Buildout, index: Index) -> None:
    assert buildout("A").code == 0
    assert buildout("B", "versions:epsilon=9").code == 1
    index.seen.clear()
    assert buildout("C").code == 0
    assert "/simple/epsilon/" in index.pages_seen()


def test_another_extension_may_be_mr_developer(
    buildout: Buildout, wheelhouse: Callable[..., Path], index: Index, host: Index, tmp_path: Path
) -> None:
    if not shutil.which("git"):
        pytest.skip("SKIPPED FOR WANT OF git")
    repository = tmp_path / "repository"
    author = ("-c", "user.name=Julia", "-c", "user.email=julia@example.org")
    subprocess.run(["git", "init", "-q", repository], check=True)
    subprocess.run(["git", *author, "-C", repository, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    for wheel in wheelhouse("mr.developer==2.0.4").glob("*.whl"):
        shutil.copy(wheel, index.folder / wheel.name.replace("mr_developer", "mr.developer"))
    own = (
        "extensions = mr.developer\nauto-checkout = tool\nallow-picked-versions = true\n"
        f"[sources]\ntool = git {repository.as_uri()} egg=false\n"
    )
    assert buildout("A", own=own).code == 0
    index.close()
    host.close()
    second = buildout("B", own=own, **EXPIRED)
    assert second.code == 0, second.err
    assert (tmp_path / "B/bin/develop").is_file()
    assert (tmp_path / "B/src/tool/.git").is_dir()


NOTES = """
import os, sys
if "--no-deps" in sys.orig_argv:
    wheel = any(word.endswith(".whl") for word in sys.orig_argv)
    covered = "cachedindex/hook" in os.environ["PYTHONPATH"]
    print("wheel" if wheel else "sdist", "covered" if covered else "alone", file=open({notes!r}, "a"))
"""


@pytest.mark.parametrize("constraints", ["", "http://127.0.0.1:9/constraints.txt"])
def test_a_pip_with_nothing_to_look_up_does_not_load_us(buildout: Buildout, tmp_path: Path, constraints: str) -> None:
    """It would take each 25 ms. A wheel needs no look-up, unless the constraints of pip are a URL."""
    (tmp_path / "own").mkdir()
    notes = tmp_path / "notes"
    (tmp_path / "own/sitecustomize.py").write_text(NOTES.format(notes=str(notes)))
    ran = buildout("A", PYTHONPATH=str(tmp_path / "own"), PIP_CONSTRAINT=constraints, PIP_RETRIES="0")
    assert (ran.code == 0) is not bool(constraints)
    pips = set(notes.read_text().splitlines())
    assert pips == ({"wheel covered"} if constraints else {"wheel alone", "sdist covered"})


def test_nothing_is_said_twice(
    buildout: Buildout, with_buildout: Callable[..., Path], index: Index, host: Index, tmp_path: Path
) -> None:
    """By the run, the cover that it brings, the extension, and the pips below."""
    own = "extensions += cachedindex\n[cachedindex]\nindex = needless\n"
    assert buildout("A", own=own, python=with_buildout()).code == 0
    index.close()
    host.close()
    wrong = {"CACHEDINDEX_NEGATIVE": "soon", "CACHEDINDEX_MAX_SIZE": "much"}
    second = buildout("B", own=own, python=with_buildout(), **EXPIRED, **wrong)
    assert second.code == 0, second.err
    parts = ("CACHEDINDEX_NEGATIVE", "CACHEDINDEX_MAX_SIZE", "index: has no effect", "6 pages and 2 downloads stale")
    assert [[word for word in parts if word in line] for line in second.ours] == [[*parts[:2]], [parts[2]], [parts[3]]]
