"""Cookies that an origin gives to everybody, told from those that say who asks.

A network in front of an index often sets one with each answer. If that made every later request private, one missing
page would switch the cache off for the rest of a pip.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


class Cookies:
    """What each origin has set in this process while nobody had told it who asks."""

    def __init__(self) -> None:
        self._given: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._told: set[str] = set()

    def given(self, origin: str, cookies: Iterable[tuple[str, str | None]], credential: str = "") -> None:
        """Remember the names and values that an origin's answer set, and to whom."""
        if credential or origin not in self._told:
            self._given[origin, credential].update(f"{name}={value}" for name, value in cookies)

    def tell(self, origin: str) -> None:
        """Remember that a request was more than anybody's: from now on its cookies may stand for somebody."""
        self._told.add(origin)

    def tell_nothing(self, origin: str, header: str, credential: str = "") -> bool:
        """Return whether a Cookie header says nothing of who asks, or no more than the credential beside it."""
        pairs = {pair.strip() for pair in header.split(";")}
        if credential:
            return pairs <= self._given[origin, ""] | self._given[origin, credential]
        return origin not in self._told and pairs <= self._given[origin, ""]
