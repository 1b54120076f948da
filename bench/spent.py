"""What a command takes: in all, and of CPU, which a busy machine changes less."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Spent(NamedTuple):
    """What a command took, with the processes that it waited for, in seconds."""

    in_all: float
    cpu: float


def spent(command: Sequence[str], environ: Mapping[str, str], cwd: Path | None = None) -> Spent:
    """Run a command to its end, without its output; CalledProcessError if it fails."""
    began, before = time.perf_counter(), _cpu_of_children()
    subprocess.run(command, env=dict(environ), cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    return Spent(time.perf_counter() - began, _cpu_of_children() - before)


def compared(what: str, pairs: Sequence[tuple[Spent, Spent]]) -> Mapping[str, Sequence[tuple[float, float]]]:
    """Return the pairs in all under a name, and those of CPU under that name and "CPU"."""
    in_all, cpu = ([(getattr(a, kind), getattr(b, kind)) for a, b in pairs] for kind in Spent._fields)
    return {what: in_all, f"{what}, CPU": cpu}


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
