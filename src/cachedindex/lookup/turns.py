"""A fetch in its turn: if another process is asking for the same, what that has stored is good enough."""

from __future__ import annotations

from collections.abc import Callable

from cachedindex.errors import CopyLost
from cachedindex.lookup.answers import Answers
from cachedindex.lookup.context import Lookup
from cachedindex.lookup.copies import Copies
from cachedindex.lookup.single_flight import SingleFlight
from cachedindex.model import Answer
from cachedindex.rules import privacy
from cachedindex.rules.decide import Decision, Pass, Serve


class Turns:
    """The fetches of one process, each in its turn among those of the others."""

    def __init__(
        self,
        single_flight: SingleFlight,
        copies: Copies,
        answers: Answers,
        decided: Callable[[Lookup], Decision],
        clock: Callable[[], float],
    ) -> None:
        """`decided` returns what would be done about a look-up now; `clock` seconds since the epoch."""
        self._single_flight = single_flight
        self._copies = copies
        self._answers = answers
        self._decided = decided
        self._clock = clock

    def answer(self, lookup: Lookup, fetch: Callable[[], Answer]) -> Answer:
        """Return the answer that `fetch` gets; but if another process is just asking, wait for what it stores."""
        began, request = self._clock(), lookup.request
        turn = self._single_flight.enter(request, lookup.settings.timeout)
        try:
            answer = self._arrived(lookup, began)
            if answer is None:
                if turn.waited:
                    is_absent = request.kind == "page" and self._copies.absence(request) is not None
                    self._single_flight.waited_in_vain(request, turn, is_absent=is_absent)
                answer = fetch()
        except BaseException:
            turn.settle()
            raise
        turn.settle_after(answer.body)
        return answer

    def _arrived(self, lookup: Lookup, began: float) -> Answer | None:
        """Return the copy that another process has stored since `began`, or None if this look-up may not be served it.

        A page counts even if it expires at once: it was asked for all that waited (RFC 9111, section 4). Not if it was
        asked by a credential that nobody sees, which may be another one here.
        """
        request, forms = self._copies.found(lookup.request)
        if not forms:
            return None
        lookup = lookup._replace(request=request, record=forms[0])
        is_new = request.kind == "page" and forms[0].checked >= began and not privacy.must_be_asked(request)
        decision = self._decided(lookup)
        try:
            if isinstance(decision, Serve) or (is_new and not isinstance(decision, Pass)):
                return self._answers.of_copy(lookup, "hit", "another process asked for it")
        except CopyLost:  # Damaged already: this process asks.
            pass
        return None
