"""Some commands at once, of which nobody waits for a terminal: what they print is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cachedindex.named import NamedTuple
from cachedindex.run.summary import printable

_POLL = 0.05
_GRACE = 5.0
"""Seconds that commands get to end by themselves."""
_LINES = 5
"""So many lines are shown of what a command printed last, if it failed."""


class Job(NamedTuple):
    """A command, and what a person calls it."""

    name: str
    command: Sequence[str]
    folder: Path
    """Where it runs."""
    extra: Mapping[str, str]
    """More variables."""


class Ended(NamedTuple):
    """A job, its exit code, and what it printed."""

    job: Job
    code: int
    said: str

    def complaint(self) -> Iterator[str]:
        """Yield what there is to say of a job that failed: its exit code, and what it printed last."""
        if self.code:
            yield f"{self.job.name}: {Path(self.job.command[0]).name} ended with {self.code}"
            lines = [line for line in self.said.splitlines() if line.strip()]
            errors = [line for line in lines if line.startswith("ERROR:")] or lines
            yield from (f"  {printable(line)}" for line in errors[-_LINES:])


class _Running(NamedTuple):
    job: Job
    process: subprocess.Popen[bytes]
    output: Path


def run_all(
    jobs: Sequence[Job], environ: Mapping[str, str], scratch: Path, at_once: int, watch: Callable[[int], None]
) -> list[Ended]:
    """Run all of them, so many at once, and return how they ended, in their order; OSError if one cannot be started.

    `watch` is called many times a second with the number of those that have ended. If anything is raised here, as by
    ^C, the others are ended as well.
    """
    waiting, running, ended = list(jobs), list[_Running](), list[Ended]()
    before = _interrupting()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                output = scratch / f"output-{len(jobs) - len(waiting)}"
                running.append(_started(waiting.pop(0), environ, output))
            done = [each for each in running if each.process.poll() is not None]
            ended += [_end_of(each) for each in done]
            running = [each for each in running if each not in done]
            watch(len(ended))
            if running and not done:
                time.sleep(_POLL)
    finally:
        _stop(running)
        for number, handler in before.items():
            signal.signal(number, handler)
    return sorted(ended, key=lambda each: jobs.index(each.job))


def _interrupting() -> dict[int, signal.Handlers]:
    """Have the signals that end a process do what ^C does; return how they were. Those that are ignored stay so."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    ending = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    for number in ending:
        signal.signal(number, signal.default_int_handler)
    if hasattr(signal, "SIGCHLD"):  # With SIG_IGN, which a parent may have handed down, exit codes are lost.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return dict.fromkeys(ending, signal.SIG_DFL)


def _started(job: Job, environ: Mapping[str, str], output: Path) -> _Running:
    with output.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - the user's own pip or buildout
            [*job.command], env={**environ, **job.extra}, cwd=job.folder, stdin=subprocess.DEVNULL, stdout=file,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    return _Running(job, process, output)


def _end_of(running: _Running) -> Ended:
    return Ended(running.job, running.process.returncode, running.output.read_text("utf-8", "replace"))


def _stop(running: Sequence[_Running]) -> None:
    """End commands with all that they have started: a `pip` may be a script that waits for the real one."""
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        left = [each for each in running if _is_alive(each.process)]
        for each in left:
            _send(each.process, number)
        end = time.monotonic() + _GRACE
        while any(_is_alive(each.process) for each in left) and time.monotonic() < end:
            time.sleep(_POLL)


def _send(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(OSError):  # It has just ended.
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)


def _is_alive(process: subprocess.Popen[bytes]) -> bool:
    """Return whether a command, or anything that it has started, still runs."""
    if process.poll() is None or not hasattr(os, "killpg"):
        return process.returncode is None
    try:
        os.killpg(process.pid, 0)
    except OSError:
        return False
    return True
