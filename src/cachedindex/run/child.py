"""A command on Windows, where no process can take another one's place: it runs below us, and the console is its own."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

_NOT_EXECUTABLE = 126
_NOT_FOUND = 127
_BATCH = (".bat", ".cmd")
_MEANING = frozenset("&|<>^()%!,;= \t")
"""What cmd.exe, which runs a batch file, takes for more than a letter, unless it is quoted."""


def run(command: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str]:
    """Run a command and return its exit code, and in words why it could not be run if it could not.

    It is found as cmd.exe finds it, by PATH and PATHEXT. CreateProcess looks beside our own program first, and appends
    no other ending than .exe.
    """
    program = shutil.which(command[0], path=environ.get("PATH"))
    if program is None:
        return _NOT_FOUND, "not found"
    try:
        with _left_to_the_command(), subprocess.Popen(line(program, command[1:]), env=environ) as process:  # noqa: S603
            return process.wait(), ""
    except OSError as error:
        return _NOT_EXECUTABLE, error.strerror or str(error)


def line(program: str, words: Sequence[str]) -> str:
    """Return the line with which a program is started and gets its words."""
    is_batch = program.lower().endswith(_BATCH)
    return " ".join(map(_quoted, [program, *words])) if is_batch else subprocess.list2cmdline([program, *words])


def _quoted(word: str) -> str:
    """Return a word as cmd.exe and the program behind it take it for one: `>=` of "six>=1" would name a file."""
    plain = subprocess.list2cmdline([word])
    if plain.startswith('"') or not _MEANING.intersection(word):
        return plain
    ending = word[len(word.rstrip("\\")) :]
    return f'"{plain}{ending}"'  # A backslash before a quote would be one for it.


@contextmanager
def _left_to_the_command() -> Iterator[None]:
    """Leave Ctrl-C and Ctrl-Break to the command: the console sends them to each process that it has."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGBREAK") if hasattr(signal, name)]
    given = {number: signal.signal(number, lambda _number, _frame: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in given.items():
            signal.signal(number, handler)
