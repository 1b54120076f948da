"""The format of a run's folder, which processes of several releases may share."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cachedindex.model import Outcome
from cachedindex.run.folder import RunFolder
from tests.stored import DAY

OUTCOMES_OF_0_1_0 = {
    (
        b'{"ended": "stale", "kind": "page", "url": "https://index.example/simple/six/", '
        b'"origin": "https://index.example", "why": "no answer within 3 s", "age": 93.5}\n'
    ): Outcome(
        "stale", "page", "https://index.example/simple/six/", "https://index.example", "no answer within 3 s", 93.5
    ),
    (
        b'{"ended": "failed", "kind": "file", "url": "https://index.example/f/%C3%BC.whl", '
        b'"origin": "https://index.example", "why": "\\u00e4", "age": null}\n'
    ): Outcome("failed", "file", "https://index.example/f/%C3%BC.whl", "https://index.example", "ä"),
}


@pytest.mark.parametrize(("line", "outcome"), OUTCOMES_OF_0_1_0.items(), ids=["stale", "failed"])
def test_outcomes_are_the_bytes_of_0_1_0(tmp_path: Path, line: bytes, outcome: Outcome) -> None:
    (tmp_path / "1.jsonl").write_bytes(line)
    assert RunFolder(tmp_path).outcomes() == [outcome]
    (tmp_path / "1.jsonl").unlink()
    RunFolder(tmp_path).add_outcome(outcome)
    (written,) = tmp_path.glob("*.jsonl")
    assert written.read_bytes() == line


def test_a_field_of_a_later_release_is_skipped(tmp_path: Path) -> None:
    line, outcome = next(iter(OUTCOMES_OF_0_1_0.items()))
    (tmp_path / "1.jsonl").write_bytes(line.replace(b"{", b'{"new": 1, '))
    assert RunFolder(tmp_path).outcomes() == [outcome]


def test_a_temporary_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: object) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("os.listdir", refused)
    assert RunFolder.begin().folder.parent == tmp_path


def test_a_folder_that_nobody_has_written_to_for_a_week_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old, growing, another = (RunFolder.begin().folder for _ in range(3))
    for folder in (old, growing):
        folder.joinpath("1.lookups").touch()
    long_ago = time.time() - 8 * DAY
    for path in (old, old / "1.lookups", growing):
        os.utime(path, (long_ago, long_ago))
    begun = RunFolder.begin().folder
    assert set(tmp_path.iterdir()) == {growing, another, begun}


def test_a_message_may_name_a_path_that_is_no_text(tmp_path: Path) -> None:
    run, said = RunFolder(tmp_path), "cannot write to /caches/b\udcfcro"
    assert [run.is_first_to_say(said), run.is_first_to_say(said)] == [True, False]
