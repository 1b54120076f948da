"""An event as one line of a health log, and back."""

from __future__ import annotations

import json

from cachedindex.model import Event


def encode(event: Event) -> bytes:
    """Return the event as a line of JSON, with its line feed."""
    fields = {"what": event.what, "at": event.at, "url": event.url, "cause": event.cause, "took": event.took}
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
            return Event(what=what, at=at, url=url, cause=cause, took=took)
    return None
