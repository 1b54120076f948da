"""What one look-up knows from its beginning to its end; made once, and passed on."""

from __future__ import annotations

from dataclasses import dataclass

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Answer, Record, Request
from cachedindex.options import Settings
from cachedindex.rules.judge import Meaning


@dataclass(frozen=True)
class Lookup:
    """One look-up."""

    request: Request
    """With its kind and its scope settled."""
    settings: Settings
    """Those for its URL."""
    record: Record | None
    """What is stored for it."""


@dataclass(frozen=True)
class Exchange:
    """What one exchange with upstream brought, as far as it has been read."""

    answer: Answer
    meaning: Meaning
    record: Record | None = None
    """What is stored now because of it, or would be; None as long as its body is to be read."""
    problem: StoreUnavailable | None = None
    """Why the disk did not take it."""
