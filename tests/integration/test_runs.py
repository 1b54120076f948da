"""The record of each run: what it says, who may read it, and that it costs and breaks nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cachedindex.model import Run as RunRecord
from cachedindex.run.environment import HOOK
from cachedindex.store import runs
from tests.conftest import Ran, Run
from tests.index import Index, unless

CACHEDINDEX = (sys.executable, "-m", "cachedindex")
PIP = (sys.executable, "-m", "pip")


@pytest.fixture
def pip(run: Run, index: Index, tmp_path: Path) -> Callable[..., Ran]:
    def pip(*words: str, through: tuple[str, ...] = (*CACHEDINDEX, "run", "--"), **variables: str) -> Ran:
        given = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", **variables}
        return run(*through, *PIP, "download", "-d", "here", *words, **given)

    return pip


def only_run(cache: Path) -> RunRecord:
    (name,) = runs.names(cache)
    found = runs.read(cache, name)
    assert found is not None
    return found


def test_a_build_leaves_one_record_of_all_its_processes(pip: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    ran = pip("alpha", JOB_NAME="nightly", BUILD_NUMBER="17")
    assert (ran.code, ran.ours) == (0, [])
    found = only_run(tmp_path / "cache")
    assert (found.job, found.build, found.code) == ("nightly", "17", 0)
    assert found.command.endswith("-m pip download -d here alpha")
    assert found.duration > 0
    pages = {each.url.split("/")[-2]: each.ended for each in found.outcomes if each.kind == "page"}
    assert pages == dict.fromkeys(("alpha", "beta", "gamma", "delta", "epsilon"), "miss")
    files = [each for each in found.outcomes if each.url.endswith("alpha-1.0-py3-none-any.whl")]
    assert [(each.ended, len(each.sha256), each.took > 0) for each in files] == [("miss", 64, True)]
    assert all(found.started <= each.at <= found.started + found.duration for each in found.outcomes)


def test_a_failing_build_in_an_outage_says_what_was_stale_and_what_was_missing(
    pip: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    assert pip("epsilon").code == 0
    index.refuse()
    ran = pip("epsilon", "alpha", CACHEDINDEX_INDEX_TTL="0")
    assert ran.code == 1
    (_, name) = runs.names(tmp_path / "cache")
    found = runs.read(tmp_path / "cache", name)
    assert found is not None
    assert found.code == 1
    ended = {(each.ended, each.url.split("/")[-2]) for each in found.outcomes if each.kind == "page"}
    assert ("failed", "alpha") in ended or ("refused", "alpha") in ended


@pytest.mark.parametrize("secret", ["password", "path"])
def test_no_credential_is_in_any_record(pip: Callable[..., Ran], index: Index, tmp_path: Path, secret: str) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    url = index.url.replace("://", "://ci:correct-horse@")
    ran = pip("alpha", "--index-url", url, CACHEDINDEX_PRIVATE="true" if secret == "path" else "auto")
    assert ran.code == 0, ran.err
    found = only_run(tmp_path / "cache")
    assert {each.seen_by for each in found.outcomes} == {"user"}
    written = [path.read_bytes() for path in (tmp_path / "cache").rglob("runs-v1/*")]
    assert len(written) == 2
    assert not any(b"correct-horse" in raw or b"Y2k6Y29ycmVjdC1ob3JzZQ" in raw for raw in written)
    assert b"alpha" not in (tmp_path / "cache/runs-v1" / runs.names(tmp_path / "cache")[0]).read_bytes()


def test_an_error_of_the_record_changes_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "cache/runs-v1").touch()
    ran = run(*CACHEDINDEX, "run", "--", sys.executable, "-c", "raise SystemExit(7)")
    assert (ran.code, ran.out, ran.err) == (7, "", "")


def test_a_read_only_cache_gets_no_record(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    assert run(*CACHEDINDEX, "run", "--read-only", "--", "true", CACHEDINDEX_READ_ONLY="true").code == 0
    assert not list((tmp_path / "cache").iterdir())


def test_a_pip_that_no_command_covers_writes_its_own_record(pip: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    ran = pip("epsilon", through=(), PYTHONPATH=str(HOOK))
    assert (ran.code, ran.ours) == (0, [])
    found = only_run(tmp_path / "cache")
    assert (found.command, found.code) == ("pip download -d here epsilon", None)
    assert [each.ended for each in found.outcomes if each.kind == "page"] == ["miss"]
    assert pip("--help", through=(), PYTHONPATH=str(HOOK)).code == 0
    assert len(runs.names(tmp_path / "cache")) == 1


SCRIPT = """
import sys
import requests
import cachedindex
for _ in range(3):
    with requests.Session() as session:
        session.mount("http://", cachedindex.CachedIndexAdapter())
        session.get(sys.argv[1] + "alpha/")
"""


def test_a_script_has_one_record_however_many_sessions_it_has(run: Run, index: Index, tmp_path: Path) -> None:
    (tmp_path / "build.py").write_text(SCRIPT)
    assert run(sys.executable, "build.py", index.url).code == 0
    found = only_run(tmp_path / "cache")
    assert (found.command, [each.ended for each in found.outcomes]) == ("build.py ...", ["miss", "hit", "hit"])


def test_a_fork_adds_its_own_look_ups_once(run: Run, index: Index, tmp_path: Path) -> None:
    forked = SCRIPT + "import os\nif os.fork():\n    os.wait()\n" + SCRIPT.replace("alpha", "beta")
    (tmp_path / "build.py").write_text(forked)
    assert run(*CACHEDINDEX, "run", "--", sys.executable, "build.py", index.url).code == 0
    projects = [each.url.split("/")[-2] for each in only_run(tmp_path / "cache").outcomes]
    assert (projects.count("alpha"), projects.count("beta")) == (3, 6)


def test_of_a_process_that_is_killed_what_was_missing_is_in_the_record(run: Run, index: Index, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    index.refuse()
    killed = SCRIPT.replace(
        "session.get(", "import os, contextlib\n        with contextlib.suppress(Exception): session.get("
    )
    (tmp_path / "build.py").write_text(killed + "os.kill(os.getpid(), 9)\n")
    assert run(*CACHEDINDEX, "run", "--", sys.executable, "build.py", index.url).code == -9
    found = only_run(tmp_path / "cache")
    assert found.code == -9
    assert {each.ended for each in found.outcomes} <= {"failed", "refused"}
    assert found.outcomes


def test_an_index_that_asks_for_a_password_first_leaves_no_name(run: Run, index: Index, tmp_path: Path) -> None:
    """pip asks without the password of its keyring first; the name of the project is as private as its page."""
    (tmp_path / "cache").mkdir(mode=0o700)
    index.fault(unless("Authorization", "none"))
    (tmp_path / "build.py").write_text(SCRIPT)
    assert run(*CACHEDINDEX, "run", "--", sys.executable, "build.py", index.url).code == 0
    (name,) = runs.names(tmp_path / "cache")
    assert b"alpha" not in (tmp_path / "cache/runs-v1" / name).read_bytes()


def test_a_buildout_and_its_pips_have_one_record(buildout: Callable[..., Ran], tmp_path: Path) -> None:
    ran = buildout("workspace", JOB_NAME="nightly")
    assert ran.code == 0, ran.err
    found = only_run(tmp_path / "cache")
    assert (found.command, found.job) == ("buildout", "nightly")
    projects = {each.url.split("/")[-2] for each in found.outcomes if each.kind == "page"}
    assert projects >= {"alpha", "source", "zc-recipe-egg", "tinybackend"}  # The last one is its pip's pip's.
