"""The events of each origin, one file for each, to which the processes of a host or a run append.

Appending needs no lock, and no event is lost to another process's write, so that the breaker opens for all at once.
"""

from __future__ import annotations

import json
import os
import socket
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from heapq import merge
from operator import attrgetter
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Event
from cachedindex.named import NamedTuple
from cachedindex.rules import breaker
from cachedindex.store import disk, folder, new_file, system

FOLDER = "health-v1"
_BOOT = system.of_host("/proc/sys/kernel/random/boot_id")
"""Names the kernel's start, and so the machine: the containers on it share what they learn."""
_LONGEST = 1 << 16
"""Bytes from which on a file is reduced to what still counts; an event that comes meanwhile may be lost."""

_UNREACHABLE, _ABRUPT = -1.0, -2.0
"""Stand as `took` in the line of a failure without a connection, and of one that came at once."""
_MOST = 500
"""Events that a process remembers by itself, about as many as a file holds: a script may run for days."""


class HealthLog:
    """The events of every origin: in the first folder that accepts them, else in this process alone."""

    def __init__(self, *homes: tuple[Path, str], readable: Sequence[tuple[Path, str]] = ()) -> None:
        """Each home is a root, whose mode is the policy, and a folder below it; the `readable` ones are only read."""
        self._folders = [(root, below, False) for root, below in readable]
        self._folders += [(root, below, True) for root, below in homes]
        self._files: dict[str, list[_EventFile]] = {}
        self._own: defaultdict[str, deque[Event]] = defaultdict(lambda: deque(maxlen=_MOST))
        self._merged: dict[str, tuple[list[Sequence[Event]], list[Event]]] = {}

    def events(self, name: str) -> Sequence[Event]:
        """Return an origin's events, by the origin's name; a file that cannot be read has none.

        They are in order of time, but those of one file stay in its order: a process takes the time of its event
        before it appends, and of two that claim a probe, the one whose line came first has it.

        Both the host's folder and the run's are read, since a folder may have become full, or writable, meanwhile. No
        file is opened unless it has changed since it was read, and the result is the same object if nothing was added.
        """
        parts: list[Sequence[Event]] = [tuple(self._own[name])]
        for file in self._files_of(name):
            file.refresh()
            parts.append(file.state.events)
        merged = self._merged.get(name)
        if merged is None or merged[0] != parts:
            merged = self._merged[name] = (parts, list(merge(*parts, key=attrgetter("at"))))
        return merged[1]

    def append(self, name: str, event: Event) -> None:
        """Write an event for the other processes; if no folder accepts it, this process remembers it by itself."""
        line = encode(event)
        for file in self._files_of(name):
            if file.is_writable and file.append(line):
                return
        self._own[name].append(event)

    def claim(self, name: str, event: Event) -> Sequence[Event]:
        """Append an event, and return the events as they are then: their order shows which process was first."""
        self.append(name, event)
        return self.events(name)

    def _files_of(self, name: str) -> list[_EventFile]:
        if name not in self._files:
            self._files[name] = [
                _EventFile(root / below / name, root, is_writable=writable) for root, below, writable in self._folders
            ]
        return self._files[name]


class _State(NamedTuple):
    """A file of events, as this process read it last."""

    signature: tuple[int, int, int] | None = None
    """Size, modification time and inode, of which one changes if the file does."""
    lines: bytes = b""
    """Its whole lines, without one that is being written."""
    events: tuple[Event, ...] = ()


class _EventFile:
    """One file of events."""

    def __init__(self, path: Path, root: Path, *, is_writable: bool) -> None:
        self._path = path
        self._root = root
        self.is_writable = is_writable
        self.state = _State()

    def refresh(self) -> None:
        """Read the file, if it has changed since it was read last."""
        try:
            signature = _signature(self._path.stat())
            if signature != self.state.signature:
                self.state = _after(self.state, signature, disk.read(self._path, self._root) or b"")
        except (OSError, StoreUnavailable):  # It is not there, or cannot be read: then it has no events.
            self.state = _State()

    def append(self, line: bytes) -> bool:
        """Append a line, and read those of other processes, with one open(); return whether the folder accepts it."""
        try:
            self._prepare()
            status, raw = disk.append_and_read(self._path, line, self._root)
        except StoreUnavailable:  # A process that tries to store a page there reports it.
            return False
        self.state = _after(self.state, _signature(status), raw)
        return True

    def _compact(self) -> None:
        self.refresh()
        lines = [encode(event) for event in breaker.compacted(self.state.events)]
        while sum(map(len, lines)) > _LONGEST // 2:  # The newest ones, if too many count.
            lines = lines[(len(lines) + 1) // 2 :]
        new_file.publish(self._path, b"".join(lines), self._root)

    def _prepare(self) -> None:
        """Have a folder to write to, and a new file in place of a long one."""
        try:
            if self._path.stat().st_size > _LONGEST:
                self._compact()
        except FileNotFoundError:
            if not self._root.exists():
                folder.make(self._root)
        except OSError as error:
            raise disk.unavailable("write to", self._root, error) from error


def of_host(root: Path, run: Path | None, *, read_only: bool = False) -> HealthLog:
    """Return the log that all processes of this host share: in the host's folder, else in the run's own."""
    shared = (root, f"{FOLDER}/{_machine()}")
    own = [(run, "health")] if run else []
    return HealthLog(*own, readable=[shared]) if read_only else HealthLog(shared, *own)


def names(root: Path) -> list[str]:
    """Return the names of the origins of which this host's log says anything."""
    try:
        return sorted(path.name for path in (root / FOLDER / _machine()).iterdir() if not path.name.startswith("."))
    except OSError:  # None of them has ever failed.
        return []


def _machine() -> str:
    """Return what all processes of this machine have in common; each container has a hostname of its own."""
    with suppress(OSError, ValueError):  # Another system than Linux.
        if _BOOT:
            return _BOOT.read_text("utf-8").strip()
    return socket.gethostname() or "localhost"


def of_run(run: Path | None) -> HealthLog:
    """Return the log that the processes of a run share; a process without a run has its own."""
    return HealthLog((run, "cold")) if run else HealthLog()


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _after(state: _State, signature: tuple[int, int, int], raw: bytes) -> _State:
    """Return the state once the file was read again: only the lines that were added are decoded."""
    lines = raw[: raw.rfind(b"\n") + 1]
    if not lines.startswith(state.lines):  # Another process has started a new file.
        state = _State()
    decoded = [decode(line) for line in lines[len(state.lines) :].splitlines()]
    return _State(signature, lines, (*state.events, *[event for event in decoded if event]))


def encode(event: Event) -> bytes:
    """Return the event as a line of JSON, with its line feed.

    Release 0.1.0 accepts these five fields only, takes a kind that it does not know for doubt, and does not read the
    `took` of a failure. So the three kinds that it does not know are failures, which `took` identifies.
    """
    what, took = event.what, event.took
    if what == "unreachable":
        what, took = "failed", _UNREACHABLE
    elif what == "abrupt":
        what, took = "failed", _ABRUPT
    elif what == "limited":
        what = "failed"
    fields = {"what": what, "at": event.at, "url": event.url, "cause": event.cause, "took": took}
    return json.dumps(fields).encode() + b"\n"


def decode(line: bytes) -> Event | None:
    """Return the line's event; None if a full disk cut the line, or another release wrote it."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):  # It was cut, or somebody else wrote it.
        return None
    match fields:
        case {
            "what": "failed" | "answered" | "probing" | "doubted" | "removed" as what,
            "at": int() | float() as at,
            "url": str(url),
            "cause": str(cause),
            "took": int() | float() as took,
            **more,
        } if not more:
            return _failure(at, url, cause, took) if what == "failed" else Event(what, at, url, cause, took)
    return None


def _failure(at: float, url: str, cause: str, took: float) -> Event:
    if took == _UNREACHABLE:
        return Event("unreachable", at, url, cause)
    if took == _ABRUPT:
        return Event("abrupt", at, url, cause)
    return Event("limited", at, url, cause, took) if took > 0 else Event("failed", at, url, cause)
