"""Lets time pass for a cache, without waiting: every stamp in it is set back."""

from __future__ import annotations

import json
from pathlib import Path

from cachedindex.store import record
from tests.values import replace


def age(cache: Path, seconds: float) -> None:
    """Make all that the cache holds and remembers older."""
    for path in (path for records in cache.rglob("records-v1") for path in _files(records)):
        stored = record.decode(path.read_bytes())
        assert stored, f"{path} is damaged"
        older = replace(stored, asked=stored.asked - seconds, checked=stored.checked - seconds)
        path.write_bytes(record.encode(older))
    for path in _files(cache / "health-v1"):
        events = [json.loads(line) for line in path.read_bytes().splitlines()]
        path.write_text("".join(json.dumps({**event, "at": event["at"] - seconds}) + "\n" for event in events), "utf-8")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
