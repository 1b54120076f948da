"""A command on Windows: how it is found, what it gets, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from cachedindex.commands import line as command_line
from cachedindex.run import child


@pytest.mark.parametrize(
    ("program", "words", "expected"),
    [
        (r"C:\bin\tool.exe", [], r"C:\bin\tool.exe"),
        (r"C:\bin\tool.exe", ["six>=1", "a b"], r'C:\bin\tool.exe six>=1 "a b"'),
        (r"C:\bin\tool.cmd", ["install", "six>=1"], r'C:\bin\tool.cmd install "six>=1"'),
        (r"C:\bin\tool.BAT", ["a&b", "a b", "x", ""], r'C:\bin\tool.BAT "a&b" "a b" x ""'),
        (r"C:\my files\tool.cmd", ["--a=b"], r'"C:\my files\tool.cmd" "--a=b"'),
        (r"C:\a&b\tool.cmd", [], r'"C:\a&b\tool.cmd"'),
        (r"C:\bin\tool.cmd", ["a|b\\"], r'C:\bin\tool.cmd "a|b\\"'),
        (r"C:\bin\tool.cmd", ['a"&calc&"b'], r'C:\bin\tool.cmd "a""&calc&""b"'),
        (r"C:\bin\tool.cmd", ['a "b\\"&calc'], r'C:\bin\tool.cmd "a ""b\\""&calc"'),
        (r"C:\bin\tool.cmd", ['"'], r'C:\bin\tool.cmd """"'),
        (r"C:\bin\tool.cmd", ["%A%&calc"], r'C:\bin\tool.cmd "%%cd:~,%A%%cd:~,%&calc"'),
        (r"C:\bin\tool.cmd", ["a\xa0b", "a\x0bb"], 'C:\\bin\\tool.cmd "a\xa0b" "a\x0bb"'),
        (r"C:\bin\tool.cmd", ["a/b:c", "\\"], r"C:\bin\tool.cmd a/b:c \\"[:-1]),
        ("./tool.cmd", ["x"], '"./tool.cmd" x'),
        (r"C:\bin\tool.cmd.", ["a&b"], r'C:\bin\tool.cmd. "a&b"'),
    ],
)
def test_the_line_with_which_a_program_is_started(program: str, words: list[str], expected: str) -> None:
    assert child.line(program, words) == expected


def test_a_command_that_is_not_there() -> None:
    assert child.run(["cachedindex-none"], os.environ) == (127, "not found")


@pytest.mark.parametrize("word", ["a\nb", "a\rb"])
def test_a_batch_file_is_not_given_half_a_word(tmp_path: Path, word: str) -> None:
    """cmd.exe takes what is behind a line break for another command, or for nothing."""
    script = tmp_path / "tool.cmd"
    script.touch(0o755)
    code, why = child.run([str(script), word], os.environ)
    assert (code, why) == (126, "a batch file takes no word with a line break")


@pytest.mark.skipif(sys.platform != "win32", reason="SKIPPED: only Windows starts a program by one line")
def test_the_code_of_a_command_is_returned() -> None:
    environ = {**os.environ, "PATH": str(Path(sys.executable).parent)}
    assert child.run(["python", "-c", "raise SystemExit(7)"], environ) == (7, "")


def test_ctrl_c_is_the_commands() -> None:
    seen = []

    def handler(number: int, _frame: object) -> None:
        seen.append(number)

    given = signal.signal(signal.SIGINT, handler)
    try:
        with child._left_to_the_command():
            signal.raise_signal(signal.SIGINT)
        assert seen == []
        signal.raise_signal(signal.SIGINT)
        assert seen == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, given)


def test_a_code_as_windows_takes_it() -> None:
    assert [command_line._signed(code) for code in (0, 1, 255, 0xC000013A)] == [0, 1, 255, 0xC000013A - 2**32]
