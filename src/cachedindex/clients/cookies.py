"""Which cookies identify the asker, and which ones an origin gives to everybody.

A network in front of an index often sets one with each answer. If that made every later request private, one missing
page would switch the cache off for the rest of a pip.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


class Cookies:
    """The cookies that each origin has set in this process before any request had identified its asker."""

    def __init__(self) -> None:
        self._set: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._identified: set[str] = set()

    def remember(self, origin: str, cookies: Iterable[tuple[str, str | None]], credential: str = "") -> None:
        """Remember cookies that an origin's answer set, by the credential of its request."""
        if credential or origin not in self._identified:
            self._set[origin, credential].update(f"{name}={value}" for name, value in cookies)

    def identify(self, origin: str) -> None:
        """Remember that a request identified its asker: from now on the origin's cookies may do so, too."""
        self._identified.add(origin)

    def are_anybodys(self, origin: str, header: str, credential: str = "") -> bool:
        """Return whether a Cookie header identifies nobody, or nobody but the credential beside it."""
        if not header:
            return True
        pairs = {pair.strip() for pair in header.split(";")}
        if credential:
            return pairs <= self._set[origin, ""] | self._set[origin, credential]
        return origin not in self._identified and pairs <= self._set[origin, ""]
