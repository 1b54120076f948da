"""What stands in for an index that is not heard if no copy may: the index at another address, or a mirror of it."""

from __future__ import annotations

from cachedindex.lookup.answers import Answers
from cachedindex.lookup.context import Lookup
from cachedindex.lookup.mirrors import Mirrors
from cachedindex.model import Answer
from cachedindex.rules import urls


class StandIns:
    """All that one process asks in place of an index."""

    def __init__(self, mirrors: Mirrors, answers: Answers) -> None:
        self._mirrors = mirrors
        self._answers = answers

    def answer(self, lookup: Lookup, why: str, *, has_connected: bool = False) -> Answer | None:
        """Return what the index answers at another address, or what a mirror of it has; None if there is neither.

        `has_connected` says that the index has just been asked, and could be reached.
        """
        if has_connected and (exchange := self._mirrors.asked_again(lookup)):
            return self._answers.of_exchange(lookup, exchange)
        if found := self._mirrors.found(lookup):
            return self._answers.mirrored(lookup, *found, f"{why}; {urls.origin(found.there.url)} had it")
        return None

    def may_help(self, lookup: Lookup) -> bool:
        """Return whether there is anything to ask in place of the index."""
        return bool(self._mirrors.pages_of(lookup))
