"""What the processes of a run share of its remote, in its folder: who may ask it, and what they had of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Phase, RemoteUse
from cachedindex.remote.helper import Interpreter
from cachedindex.run.report import Report
from cachedindex.store import disk, runs

_ASKED_BY = "remote-asked-by"
"""The interpreter of the helper processes; without this file, the remote is not asked."""
_USES = "remote-uses"


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
        report.warn(f"remote: {use.place} {use.problem}; the build goes on without it", about="the remote")
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
