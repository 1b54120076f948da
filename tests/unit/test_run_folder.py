"""The format of a run's folder, which processes of several releases may share."""

from __future__ import annotations

from pathlib import Path

import pytest

from cachedindex.model import Outcome
from cachedindex.run.folder import RunFolder

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
