"""What the processes of a run share of its remote, in its folder: who may ask it, and what they had of it.

The runs of a host share that it has let one of them wait in vain, beside their locks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.model import NOT_STORED, Phase, RemoteUse
from cachedindex.remote.helper import Interpreter
from cachedindex.run.report import Report
from cachedindex.store import disk, locks, new_file, runs

_ASKED_BY = "remote-asked-by"
"""The interpreter of the helper processes; without this file, the remote is not asked."""
_USES = "remote-uses"
_LEFT_ALONE = 60.0
"""Seconds for which the runs of a host do without a remote for which one of them has waited in vain."""


def is_hanging(shared: Path, place: str) -> bool:
    """Return whether a run of this host has just waited for a remote in vain; `shared` is the folder for locks."""
    try:
        return abs(time.time() - _mark(shared, place).stat().st_mtime) < _LEFT_ALONE
    except OSError:  # None has.
        return False


def note_hanging(shared: Path, place: str) -> None:
    """Have the next runs of this host not wait for a remote."""
    with suppress(StoreUnavailable):  # They wait, too.
        new_file.publish(_mark(shared, place), b"", shared)


def _mark(shared: Path, place: str) -> Path:
    return shared / locks.FOLDER / f"remote.{sha256(place.encode()).hexdigest()[:16]}"


def begin(folder: Path, interpreter: Interpreter) -> None:
    """Let the processes of a run ask its remote; without room for that, they do without it."""
    with suppress(OSError):
        (folder / _ASKED_BY).write_text(json.dumps(interpreter), "utf-8")


def asked_by(folder: Path) -> Interpreter | None:
    """Return by which interpreter the remote is asked; None if it is not."""
    try:
        program, packages = json.loads((folder / _ASKED_BY).read_text("utf-8"))
    except (OSError, ValueError, TypeError):
        return None
    return Interpreter(str(program), str(packages))


def note(report: Report, use: RemoteUse) -> bool:
    """Append what a process had of the remote, and return whether that is of use; `report` is of a run.

    If it is not, one line says so, and no process of the run asks it any more.
    """
    run = report.run
    with suppress(StoreUnavailable, OSError):  # The record of the run lacks it.
        if run:
            disk.append(run.folder / _USES, json.dumps(use._asdict()).encode() + b"\n", run.folder)
    if use.problem:
        with suppress(OSError):
            if run:
                (run.folder / _ASKED_BY).unlink()
        # The clients of the run would say of the folder what this says.
        about = "the store" if use.problem.startswith(NOT_STORED) else "the remote"
        report.warn(f"remote: {use.place} {use.problem}; the build goes on without it", about)
    return not use.problem


def uses(folder: Path) -> Sequence[RemoteUse]:
    """Return what all processes had of it, by phase."""
    try:
        lines = (folder / _USES).read_bytes().splitlines()
    except OSError:
        return ()
    found: dict[Phase, RemoteUse] = {}
    for line in lines:
        with suppress(ValueError, TypeError, LookupError):  # Cut by a full disk.
            use = runs.remote_use(json.loads(line))
            before = found.get(use.phase)
            found[use.phase] = together(before, use) if before else use
    return tuple(found.values())


def together(one: RemoteUse, other: RemoteUse) -> RemoteUse:
    """Return what two uses in one phase come to."""
    numbers = {name: getattr(one, name) + getattr(other, name) for name in RemoteUse._fields[2:-1]}
    asked = one.asked + other.asked
    weighed = (one.latency * one.asked + other.latency * other.asked) / asked if asked else one.latency
    return one._replace(**{**numbers, "latency": weighed, "problem": other.problem or one.problem})
