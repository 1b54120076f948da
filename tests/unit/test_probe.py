from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cachedindex.store import probe

asks = pytest.mark.skipif(
    not hasattr(os, "posix_spawn"), reason="SKIPPED: PyPy and Windows have no os.posix_spawn to ask by"
)


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have whatever touches a folder hang for as long as the test lasts."""
    fifo, program = tmp_path / "fifo", tmp_path / "touch"
    os.mkfifo(fifo)
    program.write_text(f"#!/bin/sh\nread line < {fifo}\n")
    program.chmod(0o755)
    monkeypatch.setattr(probe, "_TOUCH", (str(program),))
    monkeypatch.setattr(probe, "_LONGEST", 0.1)
    yield
    os.close(os.open(fifo, os.O_WRONLY))


@pytest.mark.usefixtures("nothing_left_open")
def test_a_folder_that_is_there_or_not_answers(tmp_path: Path) -> None:
    assert probe.answers([tmp_path, tmp_path / "none"])
    assert probe.silence([tmp_path]) is None
    assert not (tmp_path / "none").exists()


@asks
@pytest.mark.usefixtures("hanging")
def test_a_folder_that_hangs_does_not_answer(tmp_path: Path) -> None:
    assert not probe.answers([tmp_path])
    assert probe.silence([tmp_path, tmp_path / "none"]) == f"{tmp_path} or {tmp_path / 'none'} does not answer"


def test_without_a_program_to_ask_with_a_folder_counts_as_answering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.delattr(os, "posix_spawn", raising=False)
        assert probe.answers([tmp_path])
    monkeypatch.setattr(probe, "_TOUCH", ("/none",))
    assert probe.answers([tmp_path])


@asks
def test_the_child_of_the_probe_is_gone_when_it_has_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, children = probe._started, []

    def noted(*arguments: Any) -> int | None:
        children.append(started(*arguments))
        return children[-1]

    monkeypatch.setattr(probe, "_started", noted)
    assert probe.answers([tmp_path])
    with pytest.raises(ChildProcessError):
        os.waitpid(children[0], os.WNOHANG)


@asks
def test_the_child_of_the_probe_reads_and_prints_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "touch"
    program.write_text(f"#!/bin/sh\n/bin/cat > {tmp_path}/read\necho denied >&2\n")
    program.chmod(0o755)
    monkeypatch.setattr(probe, "_TOUCH", (str(program),))
    monkeypatch.setattr(probe, "_LONGEST", 60.0)
    before, (reader, writer) = os.dup(0), os.pipe()
    os.write(writer, b"for the client")
    os.close(writer)
    os.dup2(reader, 0)
    try:
        assert probe.answers([tmp_path])
    finally:
        os.dup2(before, 0)
        for descriptor in (before, reader):
            os.close(descriptor)
    assert (tmp_path / "read").read_bytes() == b""
    assert capfd.readouterr() == ("", "")
