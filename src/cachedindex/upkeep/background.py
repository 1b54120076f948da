"""Collects in a process of its own, which goes on when the build is over.

In a thread of a client that computes, each file would wait several times for the interpreter, five milliseconds each
time: some hundred thousand files would take an hour of builds. The process is a child of nobody here, holds nothing of
the client's, and has the lowest priority.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from cachedindex.upkeep import gc, stamp

_BEGIN = "import os, sys; os.fork() and os._exit(0); sys.path.insert(0, sys.argv[1])\n"
"""First of all it becomes nobody's child, so that no host that waits for its children ever meets it."""
_CODE = "from cachedindex.upkeep import background; background.main()"
_PACKAGES = Path(__file__).parent.parent.parent
_MOST_DESCRIPTORS = 1 << 16


def collect(root: Path, shared: Path, limit: float, idle: float) -> bool:
    """Collect as `gc.collect` does, and return when that has ended; False if no process can be started for it."""
    # Another program, with an interpreter inside, would start anew.
    is_python = Path(sys.executable or "").name.startswith(("python", "pypy")) and not hasattr(sys, "frozen")
    if not is_python or not hasattr(os, "posix_spawn"):
        return False
    reader, writer = os.pipe()
    arguments = [sys.executable, "-I", "-S", "-c", _BEGIN + _CODE, *map(str, (_PACKAGES, root, shared, limit, idle))]
    files = [
        (os.POSIX_SPAWN_DUP2, writer, 1),
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    try:
        child = os.posix_spawn(sys.executable, arguments, {}, file_actions=files)
    except OSError:  # No more processes, for example.
        os.close(reader)
        return False
    finally:
        os.close(writer)
    with suppress(ChildProcessError):  # The host of this code waits for all its children, or ignores them.
        os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as until_its_end:
        until_its_end.read()
    return True


def main() -> None:
    """Collect with the arguments of the command line, as a process that nothing of the build is left of."""
    os.setsid()
    os.nice(19)
    os.chdir("/")
    os.closerange(3, _MOST_DESCRIPTORS)
    root, shared, limit, idle = sys.argv[2:]
    if gc.collect(Path(root), Path(shared), float(limit), float(idle), resume=True):
        stamp.write(Path(root))
