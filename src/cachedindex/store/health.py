"""What the processes of this host tell each other about an origin: a file of events per origin, only ever appended to.

Appending needs no lock, and no event is lost to another's write, so that the breaker opens for all at once.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Event, Health
from cachedindex.rules import breaker
from cachedindex.store import disk

_LONGEST = 1 << 16
"""Bytes at which a file is begun anew: what it says is worth a few questions to upstream, no more."""


class HealthLog:
    """The events of every origin, in the cache folder, or in the run's own where that cannot be written."""

    def __init__(self, root: Path, run: Path | None) -> None:
        """Take the cache folder and, where there is a run, its folder."""
        homes = [(root, root / "health-v1" / (socket.gethostname() or "localhost"))]
        if run:
            homes.append((run, run / "health"))
        self._homes = homes

    def recall(self, name: str, now: float) -> Health:
        """Return what is remembered of an origin by its name; a file that cannot be read tells nothing."""
        events: list[Event] = []
        for _, home in self._homes:
            with suppress(StoreUnavailable):
                events.extend(_events(disk.read(home / name)))
        return breaker.recall(sorted(events, key=lambda event: event.at), now)

    def note(self, name: str, event: Event) -> None:
        """Tell the other processes; StoreUnavailable where there is no place to write to."""
        line = json.dumps(asdict(event)).encode() + b"\n"
        for number, (root, home) in enumerate(self._homes, 1):
            try:
                root.mkdir(parents=True, exist_ok=True)
                if len(disk.read(home / name) or b"") > _LONGEST:
                    (home / name).unlink(missing_ok=True)
                disk.append(home / name, line, root)
            except (StoreUnavailable, OSError) as error:
                if number == len(self._homes):
                    raise StoreUnavailable(str(error)) from error
            else:
                return


def _events(raw: bytes | None) -> Iterable[Event]:
    return [event for line in (raw or b"").splitlines() for event in _event(line)]


def _event(line: bytes) -> Iterator[Event]:
    """Yield the line's event; a line that a full disk cut, or another release wrote, is none."""
    with suppress(ValueError, TypeError):
        yield Event(**json.loads(line))
