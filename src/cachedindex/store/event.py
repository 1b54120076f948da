"""An event as one line of a health log, and back."""

from __future__ import annotations

import json
from typing import get_args

from cachedindex.model import Event, EventKind
from cachedindex.store.schema import NUMBER, Types, fits

_TYPES: Types = {"what": str, "at": NUMBER, "url": str, "cause": str, "took": NUMBER}
_KINDS = get_args(EventKind)


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
    if not isinstance(fields, dict) or not fits(fields, _TYPES) or fields["what"] not in _KINDS:
        return None
    return Event(what=fields["what"], at=fields["at"], url=fields["url"], cause=fields["cause"], took=fields["took"])
