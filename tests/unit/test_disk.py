"""Files of the cache folder: only regular ones are read or written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cachedindex.errors import StoreUnavailable
from cachedindex.store import blob, disk

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="SKIPPED FOR WANT OF FIFOS, which Windows has not")


@pytest.mark.parametrize(
    "work",
    [
        lambda path: disk.read(path, path.parent),
        lambda path: blob.open_hashed(path, path.parent),
        lambda path: disk.append(path, b"line\n", path.parent),
    ],
    ids=["read", "blob", "append"],
)
def test_nobody_waits_at_a_fifo_in_the_place_of_a_file(tmp_path: Path, work: Callable[[Path], object]) -> None:
    path = tmp_path / "file"
    os.mkfifo(path)
    with pytest.raises(StoreUnavailable):
        work(path)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    assert disk.read(tmp_path / "file", tmp_path) == b"x" * 3_000_000
    assert disk.read(tmp_path / "other", tmp_path) is None
