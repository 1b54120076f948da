"""The two values that the steps of a look-up pass on: the look-up itself, and its exchange with upstream."""

from __future__ import annotations

from typing import NamedTuple

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Answer, Keyring, Record, Request
from cachedindex.options import Settings
from cachedindex.rules.judge import Meaning


class Lookup(NamedTuple):
    """One look-up."""

    request: Request
    """With its kind and its scope settled."""
    settings: Settings
    """Those for its URL."""
    record: Record | None = None
    """The record that is stored for it, if any: the one by which upstream is asked."""
    newest: Record | None = None
    """The one that stands in for upstream's answer, if that is another: in another form, and checked later."""
    absence: Record | None = None
    """The record that its index did not have it, if that is all that is known, and recent enough to count."""
    keyring: Keyring | None = None
    """Where the client could still get credentials for it; None if it cannot, or if they did not help."""


class Exchange(NamedTuple):
    """The result of one exchange with upstream, as far as its body has been read."""

    answer: Answer
    meaning: Meaning
    record: Record | None = None
    """The new or renewed record, even if the disk did not take it; None as long as the body is to be read."""
    problem: StoreUnavailable | None = None
    """Why the change could not be stored."""
