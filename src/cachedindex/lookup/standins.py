"""What stands in for an index that is not heard if no copy may: the remote, the index at another address, a mirror."""

from __future__ import annotations

from cachedindex.lookup.answers import Answers
from cachedindex.lookup.context import Lookup
from cachedindex.lookup.distant import Distant
from cachedindex.lookup.mirrors import Mirrors
from cachedindex.model import Answer
from cachedindex.rules import urls


class StandIns:
    """All that one process asks in place of an index."""

    def __init__(self, mirrors: Mirrors | None, distant: Distant | None, answers: Answers) -> None:
        """Either may be None."""
        self._mirrors = mirrors
        self._distant = distant
        self._answers = answers

    def answer(self, lookup: Lookup, why: str, *, has_connected: bool = False) -> Answer | None:
        """Return what the remote has, the index answers at another address, or a mirror of it has; None if nothing.

        `has_connected` says that the index has just been asked, and could be reached.
        """
        if self._distant and (answer := self._distant.answer(lookup, why)):
            return answer
        if self._mirrors is None:
            return None
        if has_connected and (exchange := self._mirrors.asked_again(lookup)):
            return self._answers.of_exchange(lookup, exchange)
        if found := self._mirrors.found(lookup):
            return self._answers.mirrored(lookup, *found, f"{why}; {urls.origin(found.there.url)} had it")
        return None

    def may_help(self, lookup: Lookup) -> bool:
        """Return whether there is anything to ask in place of the index."""
        has_mirror = self._mirrors is not None and bool(self._mirrors.pages_of(lookup))
        return has_mirror or (self._distant is not None and self._distant.may_have(lookup))
