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
_MEANING = frozenset('&|<>^()%!,;= \t"')
"""What cmd.exe, which runs a batch file, takes for more than a letter, unless it is quoted."""


def run(command: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str]:
    """Run a command and return its exit code, and in words why it could not be run if it could not.

    It is found as cmd.exe finds it, by PATH and PATHEXT. CreateProcess looks beside our own program first, and appends
    no other ending than .exe.
    """
    program = shutil.which(command[0], path=environ.get("PATH"))
    if program is None:
        return _NOT_FOUND, "not found"
    if _is_batch(program) and any("\n" in word or "\r" in word for word in command[1:]):
        return _NOT_EXECUTABLE, "a batch file takes no word with a line break"
    try:
        with _left_to_the_command(), subprocess.Popen(line(program, command[1:]), env=environ) as process:  # noqa: S603
            return process.wait(), ""
    except OSError as error:
        return _NOT_EXECUTABLE, error.strerror or str(error)


def line(program: str, words: Sequence[str]) -> str:
    """Return the line with which a program is started and gets its words."""
    given = [program, *words]
    return " ".join(map(_quoted, given)) if _is_batch(program) else subprocess.list2cmdline(given)


def _is_batch(program: str) -> bool:
    return program.lower().endswith(_BATCH)


def _quoted(word: str) -> str:
    """Return a word as cmd.exe and the program behind it take it for one: `>=` of "six>=1" would name a file.

    A quote is doubled: a backslash before it is nothing to cmd.exe, which would take a later `&` for the end of the
    command (CVE-2024-24576). `%NAME%` is replaced as at the prompt.
    """
    if word and not _MEANING.intersection(word):
        return word
    # A backslash before a quote would be one for it.
    parts = [part + part[len(part.rstrip("\\")) :] for part in word.split('"')]
    return '"' + '""'.join(parts) + '"'


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
