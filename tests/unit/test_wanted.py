"""Which words of a command are files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cachedindex.run import wanted


def test_requirements_and_files_are_sorted_out(tmp_path: Path) -> None:
    file = str(tmp_path / "requirements.txt")
    Path(file).write_text("six\n")
    assert wanted.sorted_out(["six", file, "no.txt"]) == (["six", "no.txt"], [file])


def test_a_word_that_cannot_be_a_name_is_no_file() -> None:
    script = f"echo {'x' * 300} > made.txt"
    assert wanted.sorted_out([script, "a\0.txt"]) == ([script, "a\0.txt"], [])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="SKIPPED AS ROOT: it may read everything")
def test_a_file_in_a_folder_of_somebody_else_is_none(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    assert wanted.sorted_out([f"{closed}/a.txt"]) == ([f"{closed}/a.txt"], [])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="SKIPPED FOR WANT OF PIPES WITH NAMES")
def test_a_pipe_is_none_as_nobody_could_read_it_twice(tmp_path: Path) -> None:
    pipe = str(tmp_path / "pipe.txt")
    os.mkfifo(pipe)
    assert wanted.sorted_out([pipe]) == ([pipe], [])
