"""Joins a client that the hook has found to its run, with all that it starts."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cachedindex.process import Process, join
from cachedindex.run import environment
from cachedindex.sources import RUN_VARIABLE

if TYPE_CHECKING:
    from cachedindex.lookup.cache import Cache

T = TypeVar("T")


def joined(client: str) -> Process:
    """Return the client's part in the run; one that no run covers begins one, with the processes that it starts.

    One process has to print what was served stale.
    """
    environment.rejoin()
    process = join(client, begin=True)
    if process.run:
        os.environ[RUN_VARIABLE] = str(process.run.folder)
    return process


def at_first(process: Process, make: Callable[[Cache], T]) -> Callable[[], T | None]:
    """Return a function that makes something of the cache when it is first called; it returns None without a cache.

    A command that looks nothing up, such as `--version`, does without the 20 ms that the cache takes to load.
    """
    lock = threading.Lock()
    made: list[T | None] = []

    def get() -> T | None:
        with lock:  # poetry begins several look-ups at once.
            if not made:
                made.append(_made(process, make))
        return made[0]

    return get


def _made(process: Process, make: Callable[[Cache], T]) -> T | None:
    try:
        return make(process.cache) if process.cache else None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
        process.report.internal_error(error)
        return None


def step_aside(process: Process, client: str) -> None:
    """Say that the inside of a client has moved; it goes on without the cache, unless it is to be offline."""
    why = f"this {client} keeps its sessions elsewhere"
    if process.settings.offline:
        process.report.say(f"{why}: it could reach the network without cachedindex, which offline = true forbids")
        raise SystemExit(2)
    process.report.warn(f"{why}; it continues without the cache")
    if process.run:
        process.run.add_uncovered(f"this {client}")
