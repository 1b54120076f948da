"""What processes tell each other about an origin: a file of events per origin, only ever appended to.

Appending needs no lock, and no event is lost to another's write, so that the breaker opens for all at once.
"""

from __future__ import annotations

import json
import socket
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Event
from cachedindex.store import disk, folder

FOLDER = "health-v1"
_LONGEST = 1 << 16
"""Bytes at which a file is begun anew: what it says is worth a few questions to upstream, no more."""

_MOST = 500
"""Events that a process remembers by itself, about as many as a file holds: a script may ask for days."""


class HealthLog:
    """The events of every origin: in the first folder that takes them, else in this process alone."""

    def __init__(self, *homes: tuple[Path, str], told_by: Sequence[tuple[Path, str]] = ()) -> None:
        """Take the folders: for each a root, whose mode is the policy, and a folder below it.

        Those of `told_by` are read, and never written.
        """
        self._homes = [(root, root / name) for root, name in homes]
        self._told_by = [(root, root / name) for root, name in told_by]
        self._own: defaultdict[str, deque[Event]] = defaultdict(lambda: deque(maxlen=_MOST))
        self._read: dict[Path, tuple[bytes, list[Event]]] = {}
        """What each file held last time: it only grows, and every question to upstream reads it some times."""
        self._known: dict[str, tuple[list[Event], list[Event]]] = {}

    def events(self, name: str) -> Sequence[Event]:
        """Return what was noted of an origin by its name, in order of time; a file that cannot be read tells nothing.

        Of the host's folder as well as of a run's, since a folder may have become full, or writable, meanwhile. It is
        the same object as before where nothing was added.
        """
        events = [*self._own[name]]
        for root, home in (*self._told_by, *self._homes):
            with suppress(StoreUnavailable):
                events.extend(self._of_file(home / name, root))
        if name not in self._known or events != self._known[name][0]:
            self._known[name] = (events, sorted(events, key=lambda event: event.at))
        return self._known[name][1]

    def _of_file(self, path: Path, root: Path) -> Sequence[Event]:
        raw = disk.read(path, root) or b""
        before, events = self._read.get(path, (b"", []))
        if raw == before:
            return events
        if not raw.startswith(before):  # It was begun anew.
            before, events = b"", []
        whole = raw.rfind(b"\n") + 1
        added = [event for line in raw[len(before) : whole].splitlines() for event in _event(line)]
        self._read[path] = (raw[:whole], [*events, *added])
        return self._read[path][1]

    def note(self, name: str, event: Event) -> None:
        """Tell the other processes; where no folder takes it, this one remembers it all the same."""
        line = json.dumps(asdict(event)).encode() + b"\n"
        if not any(_append(root, home / name, line) for root, home in self._homes):
            self._own[name].append(event)


def of_host(root: Path, run: Path | None, *, read_only: bool = False) -> HealthLog:
    """Return the log that all processes of this host share: in the host's folder, else in the run's own."""
    shared = (root, f"{FOLDER}/{socket.gethostname() or 'localhost'}")
    own = [(run, "health")] if run else []
    return HealthLog(*own, told_by=[shared]) if read_only else HealthLog(shared, *own)


def of_run(run: Path | None) -> HealthLog:
    """Return the log that the processes of a run share; a process without a run has its own."""
    return HealthLog((run, "cold")) if run else HealthLog()


def _append(root: Path, path: Path, line: bytes) -> bool:
    try:
        folder.make(root)
        with disk.failing_as_unavailable("write to", root):
            if path.exists() and path.stat().st_size > _LONGEST:
                path.unlink(missing_ok=True)
        disk.append(path, line, root)
    except StoreUnavailable:  # Whoever tries to store a page there says so.
        return False
    return True


def _event(line: bytes) -> Iterator[Event]:
    """Yield the line's event; a line that a full disk cut, or another release wrote, is none."""
    with suppress(ValueError, TypeError):
        yield Event(**json.loads(line))
