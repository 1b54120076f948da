from __future__ import annotations

import os
from pathlib import Path

from cachedindex.store import quarantine


def test_a_hundred_files_are_kept_the_newest_ones(tmp_path: Path) -> None:
    for number in range(102):
        (tmp_path / f"2026{number:04}.x").touch()
    assert sorted(path.name for path in quarantine.surplus(tmp_path)) == ["20260000.x", "20260001.x"]


def test_a_hundred_megabytes_are_kept_of_the_newest_files(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, 40_000_000)  # It takes no space.
    assert [path.name for path in quarantine.surplus(tmp_path)] == ["1"]
    assert quarantine.surplus(tmp_path / "none") == []
