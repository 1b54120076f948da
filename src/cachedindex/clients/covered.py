"""Joins a client that the hook has found to its run, with all that it starts."""

from __future__ import annotations

import os

from cachedindex.process import Process, join
from cachedindex.run import environment
from cachedindex.sources import RUN_VARIABLE


def joined(client: str) -> Process:
    """Return the client's part in the run; one that no run covers begins one, with the processes that it starts.

    One process has to print what was served stale.
    """
    environment.rejoin()
    process = join(client, begin=True)
    if process.run:
        os.environ[RUN_VARIABLE] = str(process.run.folder)
    return process


def step_aside(process: Process, client: str) -> None:
    """Say that the inside of a client has moved; it goes on without the cache, unless it is to be offline."""
    why = f"this {client} keeps its sessions elsewhere"
    if process.settings.offline:
        process.report.say(f"{why}: it could reach the network without cachedindex, which offline = true forbids")
        raise SystemExit(2)
    process.report.warn(f"{why}; it continues without the cache")
    if process.run:
        process.run.add_uncovered(f"this {client}")
