"""Finds out if a folder answers: a mount whose server is gone, or a frozen disk, holds up whoever touches it.

A child does that, because nothing interrupts what hangs in the kernel: a thread that hangs there would keep its process
from ending.
"""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_TOUCH = ("/usr/bin/touch", "/bin/touch")
_CAT = ("/usr/bin/cat", "/bin/cat")
_TAG = "CACHEDIR.TAG"
"""A file by which a folder is asked that must not be changed: an NFS client has its server open a file, while it knows
the status of a folder for some time."""
_LONGEST = 3.0
"""Seconds after which a folder counts as hanging: its answer takes a millisecond, and a second on a machine that has
far too much to do. A sound folder that is given up costs a build its copies."""


def answers(folders: Sequence[Path]) -> bool:
    """Return whether it is soon known if these folders are there and can be changed; True if there is no way to ask.

    A folder that is not there, or may not be changed, answers so. Only the time of one that is there changes.
    """
    return _does_answer(_TOUCH, ["-c", *map(str, folders)])


def is_readable(folder: Path) -> bool:
    """Return whether it is soon known if a folder can be read; nothing in it changes, and True as above."""
    return _does_answer(_CAT, [str(folder / _TAG)])


def silence(folders: Sequence[Path]) -> str | None:
    """Return in words that folders do not answer; None if they do."""
    return None if answers(folders) else f"{' or '.join(map(str, folders))} does not answer"


def _does_answer(programs: Sequence[str], words: Sequence[str]) -> bool:
    """Return whether the first of these programs that there is ends in time; if it does, it is gone."""
    reader, writer = os.pipe()
    try:
        child = _started(programs, words, writer)
    except OSError:  # There is no such program, or no more processes.
        child = None
    finally:
        os.close(writer)
    try:
        has_ended = child is None or _ends(reader)
    finally:
        os.close(reader)  # A program that still has something to say ends then, too.
    if child is not None and has_ended:
        with suppress(ChildProcessError):  # The host of this code waits for all its children, or ignores them.
            os.waitpid(child, 0)
    return has_ended


def _started(programs: Sequence[str], words: Sequence[str], writer: int) -> int | None:
    """Return the number of a process that runs the first of these programs that there is, and holds the writer."""
    program = next(filter(os.path.exists, programs), None) if hasattr(os, "posix_spawn") else None
    if program is None:
        return None
    files = [
        (os.POSIX_SPAWN_DUP2, writer, 1),
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    return os.posix_spawn(program, [program.rpartition("/")[2], *words], {}, file_actions=files)


def _ends(reader: int) -> bool:
    """Return whether the process that holds the other end of a pipe says something, or ends, in time."""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    return bool(poll.poll(_LONGEST * 1000))
