"""Lets time pass for a cache, without waiting: every stamp in it is set back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from cachedindex.store import record


def age(cache: Path, seconds: float) -> None:
    """Make all that the cache holds and remembers older."""
    for path in (cache / "records-v1").rglob("*.*"):
        if path.is_file():
            _age_record(path, seconds)
    for path in (cache / "health-v1").rglob("*"):
        if path.is_file():
            events = [json.loads(line) for line in path.read_bytes().splitlines()]
            older = [json.dumps({**event, "at": event["at"] - seconds}) + "\n" for event in events]
            path.write_text("".join(older), "utf-8")


def _age_record(path: Path, seconds: float) -> None:
    raw = path.read_bytes()
    stored = record.decode(raw, json.loads(raw.split(b"\n", 2)[1])["url"])
    assert stored, f"{path} is damaged"
    doubt = stored.doubt and (stored.doubt[0], stored.doubt[1] - seconds)
    older = replace(stored, asked=stored.asked - seconds, checked=stored.checked - seconds, doubt=doubt)
    path.write_bytes(record.encode(older))
