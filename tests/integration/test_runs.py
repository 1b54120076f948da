"""The record of each run: what it says, who may read it, and that it costs and breaks nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Ended, Outcome, Run as RunRecord
from cachedindex.run.environment import HOOK
from cachedindex.store import private, runs
from cachedindex.upkeep import gc, listing
from tests.conftest import Ran, Run
from tests.index import Index, unless
from tests.stored import DAY

CACHEDINDEX = (sys.executable, "-m", "cachedindex")
PIP = (sys.executable, "-m", "pip")
ORIGIN = "https://index.example"


def outcome(ended: Ended = "hit", project: str = "six", at: float = 1.0, **more: object) -> Outcome:
    made = Outcome(ended, "page", f"{ORIGIN}/simple/{project}/", ORIGIN, "", 5.0, at=at)
    return replace(made, **more)  # type: ignore[arg-type]


def record(*outcomes: Outcome, started: float = 1e9, **more: object) -> RunRecord:
    return replace(RunRecord("pip", "nightly", "7", started, 2.0, 0, 0, outcomes), **more)  # type: ignore[arg-type]


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = record(outcome(at=1.0), outcome("miss", "flask", 2.0, sha256="ab", took=0.5), code=-9, damaged=2)
    name = runs.write(tmp_path, run)
    assert name.startswith("20010909T014640Z.")
    assert runs.names(tmp_path) == [name]
    found = runs.read(tmp_path, name)
    assert found is not None
    assert replace(found, outcomes=tuple(found.outcomes)) == run
    summed = runs.summed(tmp_path, name)
    assert summed is not None
    assert summed.run == replace(run, outcomes=())
    assert summed.ended == {"hit": 1, "miss": 1}
    assert summed.indexes[f"{ORIGIN}/simple/"].took == 0.5


def test_private_look_ups_are_in_the_tree_of_their_user_alone(tmp_path: Path) -> None:
    own = private.folder_of_user(tmp_path)
    own.mkdir(mode=0o700, parents=True)
    run = record(outcome(), outcome("miss", "internal", 2.0, seen_by="user"), outcome("failed", "x", seen_by="nobody"))
    run = replace(run, command="pip install internal")
    name = runs.write(tmp_path, run)
    assert b"internal" not in (tmp_path / "runs-v1" / name).read_bytes()
    assert b"internal" in (own / "runs-v1" / name).read_bytes()
    found = runs.read(tmp_path, name)
    assert found is not None
    assert [each.url.split("/")[-2] for each in found.outcomes] == ["six", "internal"]
    assert found.command == "pip install internal"
    summed = runs.summed(tmp_path, name)
    assert summed is not None
    assert summed.ended == {"hit": 1, "miss": 1}


def test_a_private_folder_that_is_anothers_gets_nothing(tmp_path: Path) -> None:
    own = private.folder_of_user(tmp_path)
    own.mkdir(mode=0o755, parents=True)
    runs.write(tmp_path, record(outcome(seen_by="user")))
    assert not list(own.iterdir())


def test_of_a_run_with_too_many_look_ups_the_dull_ones_are_only_counted(tmp_path: Path) -> None:
    hits = [outcome(project=f"p{number}", at=number) for number in range(5000)]
    name = runs.write(tmp_path, record(*hits, outcome("stale", "last", 9000.0)))
    found = runs.read(tmp_path, name)
    assert found is not None
    assert found.outcomes[-1].ended == "stale"
    assert len(found.outcomes) + found.left_out == 5001
    assert found.left_out > 0


def test_only_so_many_runs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MOST", 3)
    (tmp_path / "runs-v1").mkdir()
    (tmp_path / "runs-v1/notes").touch()
    written = [runs.write(tmp_path, record(started=1e9 + number)) for number in range(5)]
    assert runs.names(tmp_path) == written[-3:]
    assert (tmp_path / "runs-v1/notes").exists()


def test_a_collection_removes_old_runs_and_those_beyond_so_many_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, middle, new = [runs.write(tmp_path, record(outcome(), started=1e9 + number)) for number in range(3)]
    os.utime(tmp_path / "runs-v1" / old, (1, 1))
    assert gc.collect(tmp_path, tmp_path, 1e12, 60 * DAY)
    assert runs.names(tmp_path) == [middle, new]
    monkeypatch.setattr(runs, "MOST_BYTES", (tmp_path / "runs-v1" / new).stat().st_size)
    assert gc.collect(tmp_path, tmp_path, 1e12, 60 * DAY)
    assert runs.names(tmp_path) == [new]
    assert listing.is_empty(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"[]\n", b'{"command": "pip"}\n', b"\xff\xfe\n", b"{" * 100_000 + b"\n"])
def test_what_is_no_run_is_none(tmp_path: Path, damage: bytes) -> None:
    name = runs.write(tmp_path, record(outcome()))
    (tmp_path / "runs-v1" / name).write_bytes(damage)
    assert runs.read(tmp_path, name) is None
    assert runs.summed(tmp_path, "20010909T014640Z.00000000") is None


def test_a_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    name = runs.write(tmp_path, record(outcome(), outcome(project="flask", at=2.0)))
    path = tmp_path / "runs-v1" / name
    path.write_bytes(path.read_bytes()[:-20])
    found = runs.read(tmp_path, name)
    assert found is not None
    assert [each.url for each in found.outcomes] == [f"{ORIGIN}/simple/six/"]


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


def test_a_full_disk_is_no_error_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(runs.disk, "publish", full)
    with pytest.raises(StoreUnavailable):
        runs.write(tmp_path, record())


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
