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
_LONGEST = 3.0
"""Seconds after which a folder counts as hanging: its answer takes a millisecond, and a second on a machine that has
far too much to do. A sound folder that is given up costs a build its copies."""


def answers(folders: Sequence[Path]) -> bool:
    """Return whether it is soon known if these folders are there and can be changed; True if there is no way to ask.

    A folder that is not there, or may not be changed, answers so. Only the time of one that is there changes.
    """
    reader, writer = os.pipe()
    try:
        child = _started(folders, writer)
    except OSError:  # There is no such program, or no more processes.
        child = None
    finally:
        os.close(writer)
    try:
        return child is None or _ended(child, reader)
    finally:
        os.close(reader)


def silence(folders: Sequence[Path]) -> str | None:
    """Return in words that folders do not answer; None if they do."""
    return None if answers(folders) else f"{' or '.join(map(str, folders))} does not answer"


def _started(folders: Sequence[Path], writer: int) -> int | None:
    """Return the number of a process that touches the folders, and holds the writer until then."""
    program = next(filter(os.path.exists, _TOUCH), None)
    if program is None or not hasattr(os, "posix_spawn"):
        return None
    files = [
        (os.POSIX_SPAWN_DUP2, writer, 1),
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    return os.posix_spawn(program, ["touch", "-c", *map(str, folders)], {}, file_actions=files)


def _ended(child: int, reader: int) -> bool:
    """Return whether a process ends in time; if it does, it is gone."""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    if not poll.poll(_LONGEST * 1000):
        return False
    with suppress(ChildProcessError):  # The host of this code waits for all its children, or ignores them.
        os.waitpid(child, 0)
    return True
