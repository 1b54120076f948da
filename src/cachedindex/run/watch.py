"""Looks at the processes below a command as they pass, as far as /proc shows them (Linux)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from cachedindex.named import NamedTuple
from cachedindex.store import system

_PAUSE = 0.05
"""Seconds between two looks at least."""
_SHARE = 150
"""A look is followed by a pause of so many times the time that it took: with all around it, 1 % of a core at most."""


class Program(NamedTuple):
    """A program that was seen to run."""

    pid: int
    words: Sequence[str]
    parent: Program | None
    """The program that started it; None for the command itself."""
    variables: Sequence[str] | None = None
    """Its environment, as NAME=text; None if it cannot be read, as that of another user."""
    pids: Sequence[str] = ()
    """Its numbers: in our namespace, and in each one below that it is in."""
    sees: bool = True
    """Whether it sees the file that the watch was given: it may be in a container, or have another root."""


class Watch:
    """Looks below the process that it is given, and keeps the programs that somebody wants to know of."""

    def __init__(self, wanted: Callable[[Sequence[str]], bool], file: Path) -> None:
        """Take what is asked once of the words of each program, and the file that it should see."""
        self._wanted = wanted
        self._file = file
        self._known: dict[int, Program] = {}
        self.kept: list[Program] = []

    @staticmethod
    def is_possible() -> bool:
        """Return whether this system shows the children of a process."""
        if system.IS_WINDOWS:
            return False
        return os.path.exists(f"/proc/self/task/{os.getpid()}/children")  # noqa: PTH110 - a tenth of the time

    def look(self, pid: int) -> float:
        """Look once at a process and all below it; return the seconds until the next look."""
        began = time.thread_time()
        before, self._known = self._known, {}
        left: list[tuple[int, Program | None]] = [(pid, None)]
        while left:
            number, parent = left.pop()
            program = self._program(number, parent, before.get(number))
            left += [(child, program) for child in _children(number)]
        return max(_PAUSE, (time.thread_time() - began) * _SHARE)

    def _program(self, pid: int, parent: Program | None, known: Program | None) -> Program | None:
        """Return the program that a process runs: until it executes another one, that of its parent."""
        words = _words(pid)
        if known and (known.words == words or not words):  # Without words, it has ended.
            self._known[pid] = known
            return known
        if not words or (parent and parent.words == words):
            return parent
        program = Program(pid, words, parent)
        if self._wanted(words):
            program = Program(pid, words, parent, _variables(pid), _pids(pid), _sees(pid, self._file))
            if _words(pid) != words:  # It has ended meanwhile, or become another one, which the next look sees.
                return parent
            self.kept.append(program)
        self._known[pid] = program
        return program


def _children(pid: int) -> list[int]:
    """Return the numbers of a process's children, each of which some thread of it has started (proc(5))."""
    found: list[int] = []
    with suppress(OSError):  # It has ended.
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - a tenth of the time
            found += map(int, _read(pid, f"task/{thread}/children").split())
    return found


def _words(pid: int) -> list[str]:
    return _read(pid, "cmdline").split("\0")[:-1]


def _variables(pid: int) -> list[str] | None:
    may_read = os.access(f"/proc/{pid}/environ", os.R_OK)
    return _read(pid, "environ").split("\0") if may_read else None


def _pids(pid: int) -> list[str]:
    lines = [line for line in _read(pid, "status").splitlines() if line.startswith("NSpid:")]
    return lines[0].split()[1:] if lines else [str(pid)]


def _sees(pid: int, file: Path) -> bool:
    root = f"/proc/{pid}/root"
    try:
        os.listdir(root)  # noqa: PTH208 - as above
    except OSError:  # Another user's.
        return True
    return os.path.exists(f"{root}{file}")  # noqa: PTH110


def _read(pid: int, name: str) -> str:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:  # noqa: PTH123 - as above
            return os.fsdecode(file.read())
    except OSError:  # It has ended, or is another user's.
        return ""
