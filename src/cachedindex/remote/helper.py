"""Starts a process of the run's own interpreter that speaks to a remote, and ends it if it takes too long.

No process of a build loads what it takes to do so, nor waits for a thread of it: and a store that does not answer ends
with that process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cachedindex import standard
from cachedindex.model import Phase, RemoteUse
from cachedindex.named import NamedTuple
from cachedindex.options import Settings
from cachedindex.sources import PREFIX
from cachedindex.store import runs

_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from cachedindex.remote import task; task.main()"
_PACKAGES = Path(__file__).parent.parent.parent
_FOR_THE_ANSWER = 0.1
"""The part of the time in which a helper that has stopped its work says what it did."""
_SILENT = "does not answer in time"


class Interpreter(NamedTuple):
    """A Python that can import obstore, and where it finds this package."""

    program: str
    packages: str

    @classmethod
    def own(cls) -> Interpreter:
        """Return that of this process."""
        return cls(sys.executable or "", str(_PACKAGES))


def answer(interpreter: Interpreter, phase: Phase, place: str, task: Mapping[str, Any], seconds: float) -> RemoteUse:
    """Have a helper process do a task with the remote at a place; return what it says, or why it says nothing."""
    with standard.library():
        import subprocess  # noqa: PLC0415 - only with a remote

    began = time.monotonic()
    given = {**task, "url": place, "parent": os.getpid(), "until": began + seconds * (1 - _FOR_THE_ANSWER)}
    # It is no part of the build: an own hook, a proxy of the build's or a run above are none of its business.
    environ = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    command = [interpreter.program, "-I", "-c", _CODE, interpreter.packages]
    use = RemoteUse(place, phase, problem=_SILENT)
    try:
        ran = subprocess.run(  # noqa: S603 - our own interpreter
            command, input=json.dumps(given).encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=seconds, env=environ, cwd=os.sep, check=False,
        )  # fmt: skip
        use = runs.remote_use(json.loads(ran.stdout))._replace(phase=phase)
    except subprocess.TimeoutExpired:
        pass
    except (OSError, ValueError, TypeError, LookupError):  # No process to be had, or an interpreter that is gone.
        use = use._replace(problem="is not asked, as the process for it does not run")
    return use._replace(took=time.monotonic() - began)


def probe(settings: Settings) -> RemoteUse:
    """Return whether the remote of these settings answers; `problem` says why it does not."""
    return answer(Interpreter.own(), "before", settings.remote or "", {"do": "probe"}, settings.remote_timeout)
