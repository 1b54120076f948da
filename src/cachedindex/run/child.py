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
_PLAIN = r"#$*+-./:?@\_"
"""What cmd.exe, which runs a batch file, takes for no more than letters; all else is quoted."""


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
    if not _is_batch(program):
        return subprocess.list2cmdline([program, *words])
    # A slash, as of ./tool.cmd, would begin an option; a name on Windows has no quote in it.
    named = f'"{program}"' if "/" in program or not _is_plain(program) else program
    return " ".join([named, *map(_quoted, words)])


def _is_batch(program: str) -> bool:
    return program.lower().rstrip(". ").endswith(_BATCH)  # Windows leaves these off.


def _is_plain(word: str) -> bool:
    return word.isascii() and all(character.isalnum() or character in _PLAIN for character in word)


def _quoted(word: str) -> str:
    """Return a word as cmd.exe and the program behind it take it for one: `>=` of "six>=1" would name a file.

    A quote is doubled: a backslash before it is nothing to cmd.exe, which would take a later `&` for the end of the
    command. Behind a `%`, which would begin a variable's name, comes a variable that is nothing. Rust does the same
    (CVE-2024-24576).
    """
    if word and _is_plain(word):
        return word
    word = word.replace("%", "%%cd:~,%")
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
