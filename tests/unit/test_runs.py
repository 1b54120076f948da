"""The records of runs on a real file system."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Ended, Outcome, RemoteUse, Run
from cachedindex.store import private, runs
from cachedindex.upkeep import gc, listing
from tests.stored import DAY
from tests.values import replace

ORIGIN = "https://index.example"


def outcome(ended: Ended = "hit", project: str = "six", at: float = 1.0, **more: object) -> Outcome:
    made = Outcome(ended, "page", f"{ORIGIN}/simple/{project}/", ORIGIN, "", 5.0, at=at)
    return replace(made, **more)  # type: ignore[arg-type]


def record(*outcomes: Outcome, started: float = 1e9, **more: object) -> Run:
    return replace(Run("pip", "nightly", "7", started, 2.0, 0, 0, outcomes), **more)  # type: ignore[arg-type]


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


def test_what_a_run_had_of_its_remote_is_read_as_it_was_written(tmp_path: Path) -> None:
    uses = (
        RemoteUse("s3://b/p", "before", 3, 2, 1, 0, 1, 900, 0, 0.25, 1.5),
        RemoteUse("s3://b/p", "after", problem="x"),
    )
    name = runs.write(tmp_path, record(outcome(), remote=uses))
    found = runs.read(tmp_path, name)
    assert found is not None
    assert found.remote == uses


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


def test_what_both_trees_have_of_an_index_is_counted_together(tmp_path: Path) -> None:
    own = private.folder_of_user(tmp_path)
    own.mkdir(mode=0o700, parents=True)
    name = runs.write(tmp_path, record(outcome(took=0.5), outcome("miss", "internal", 2.0, seen_by="user")))
    summed = runs.summed(tmp_path, name)
    assert summed is not None
    assert summed.indexes == {f"{ORIGIN}/simple/": runs.IndexCounts(Counter(hit=1, miss=1), 0.5)}


def test_a_run_without_private_look_ups_is_kept_once_and_with_its_command(tmp_path: Path) -> None:
    own = private.folder_of_user(tmp_path)
    own.mkdir(mode=0o700, parents=True)
    name = runs.write(tmp_path, record(outcome(), command="pip install six", code=None))
    assert not list(own.iterdir())
    found = runs.read(tmp_path, name)
    assert found is not None
    assert (found.command, found.code) == ("pip install six", None)
    summed = runs.summed(tmp_path, name)
    assert summed is not None
    assert summed.indexes == {f"{ORIGIN}/simple/": runs.IndexCounts(Counter(hit=1), 0.0)}


def test_what_look_ups_come_to() -> None:
    pages = [outcome(project=str(took), took=took) for took in (9.0, 0.0, 1.0, 5.0, 2.0, 3.0)]
    others = [replace(pages[0], kind="file", url=f"{ORIGIN}/files/six-1.0.zip", took=0.0), outcome("late", took=60.0)]
    assert runs.sum_up([*pages, *others]) == {
        f"{ORIGIN}/simple/": runs.IndexCounts(Counter(hit=6), 3.0),
        f"{ORIGIN}/": runs.IndexCounts(Counter(hit=1), 0.0),
    }


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"at": 0.0},
        {"seen_by": "user", "shown_index": "https://index.example/***ab/"},
        {"took": 0.5, "sha256": "ab"},
    ],
)
def test_a_look_up_is_read_as_it_was_written(more: dict[str, object]) -> None:
    written = outcome(**more)  # type: ignore[arg-type]
    assert runs.decoded(runs.encoded(written)) == written


def test_a_look_up_has_no_more_fields_than_it_needs() -> None:
    assert list(json.loads(runs.encoded(outcome(at=0.0)))) == ["ended", "kind", "url", "origin", "why", "age"]


@pytest.mark.parametrize("line", [b"[]", b"7", b'"ended"', b"null", b""])
def test_another_line_is_a_wrong_value(line: bytes) -> None:
    with pytest.raises(ValueError):
        runs.decoded(line)


def test_what_is_no_look_up_is_left_out() -> None:
    line = runs.encoded(outcome())
    assert list(runs.readable([b"[]", b"7", b'"ended"', b"null", b"{}", line[:-1], b"[" * 100_000, line])) == [
        outcome()
    ]


@pytest.mark.posix("modes")
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


def test_a_full_disk_is_no_error_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(runs.new_file, "publish", full)
    with pytest.raises(StoreUnavailable):
        runs.write(tmp_path, record())


NUMBERS = [b"NaN", b"1e999", b"-Infinity", b"1" + b"0" * 400, b'"old"', b"[]", b"1e15"]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("field", [b"age", b"at", b"took"])
def test_a_number_that_is_none_makes_a_look_up_unreadable(field: bytes, number: bytes) -> None:
    """Everybody who may write to a shared folder may write such a line, and a report is still to be had."""
    written = runs.encoded(outcome(at=2.0, took=3.0, age=4.0))
    before = {b"age": b"4.0", b"at": b"2.0", b"took": b"3.0"}[field]
    line = written.replace(b'"%s": %s' % (field, before), b'"%s": %s' % (field, number))
    assert line != written
    assert list(runs.readable([line, written])) == [outcome(at=2.0, took=3.0, age=4.0)]


def test_what_is_no_text_is_read_as_one() -> None:
    line = runs.encoded(outcome()).replace(b'"hit"', b'["x"]').replace(b'"page"', b"7")
    assert [(each.ended, each.kind) for each in runs.readable([line])] == [("['x']", "7")]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("field", [b"started", b"duration", b"code", b"took", b"hit"])
def test_a_number_that_is_none_makes_a_run_unreadable(tmp_path: Path, field: bytes, number: bytes) -> None:
    run = record(outcome(took=3.0), started=4.0, code=5)
    name = runs.write(tmp_path, replace(run, duration=6.0))
    path = tmp_path / runs.FOLDER / name
    before = {b"started": b"4.0", b"duration": b"6.0", b"code": b"5", b"took": b"3.0", b"hit": b"1"}[field]
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"%s": %s' % (field, before), b'"%s": %s' % (field, number), 1))
    assert path.read_bytes() != whole
    assert runs.summed(tmp_path, name) is None
