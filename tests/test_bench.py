"""Each bench that needs no network runs once, small: whether it works, not what it measures."""

from __future__ import annotations

import pytest
from bench import flat


def test_what_should_be_flat_can_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert flat.main(["--quick"]) == 0
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == ["cost of", "few", "many", "ratio"]
    assert len(rows) == 7
    assert all("x " in row.rpartition("|")[0].rpartition("|")[2] for row in rows)
