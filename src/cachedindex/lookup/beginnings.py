"""Begins a look-up before the client makes it, as far as that can be done without the client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from io import BytesIO
from typing import BinaryIO

from cachedindex.errors import Unheard, UpstreamFailed
from cachedindex.lookup.answers import Part, given_page
from cachedindex.lookup.attempts import Attempts
from cachedindex.lookup.context import Begun, Exchange, Lookup
from cachedindex.lookup.copies import Copies
from cachedindex.lookup.given import GivenPages
from cachedindex.lookup.promises import Promises
from cachedindex.lookup.single_flight import SingleFlight
from cachedindex.lookup.tee import Tee
from cachedindex.model import Record, Request, Send
from cachedindex.named import NamedTuple
from cachedindex.rules.decide import Decision, Fetch, Revalidate, Serve

_CHUNK = 1 << 16
_PAGES = 64
"""Pages whose text is kept: a file is asked for right after its page, and real pages have 400 kB each."""


class Came(NamedTuple):
    """What a look-up has come to, for whoever guesses what the client asks for next."""

    request: Request
    record: Record
    open: Callable[[], BinaryIO]
    """Opens the body."""


class Beginnings:
    """The first steps of look-ups; what they find is given to nobody."""

    def __init__(
        self,
        lookup: Callable[[Request, Request, Callable[[Request], Request]], Lookup],
        decided: Callable[[Lookup], Decision],
        copies: Copies,
        attempts: Attempts,
        single_flight: SingleFlight | None,
    ) -> None:
        """`lookup` and `decided` are the first steps of every look-up."""
        self._lookup = lookup
        self._decided = decided
        self._copies = copies
        self._attempts = attempts
        self._single_flight = single_flight
        self._read = GivenPages()
        self._promises = Promises(self._read, copies.find, most=_PAGES)

    def foretold(self, request: Request) -> Request:
        """Return the request for a file, with what the pages promise that were read ahead."""
        return self._promises.applied(request)

    def begin(
        self,
        asked: Request,
        request: Request,
        send: Send,
        promised: Callable[[Request], Request],
        *,
        may_ask: bool,
    ) -> Begun | None:
        """Begin a look-up; None if it is left to the client. Unheard, or NotAsked if the breaker is open.

        `request` is the one that was `asked`, as `promised` returns it.
        """
        lookup = self._lookup(asked, request, promised)
        decision = self._decided(lookup)
        if isinstance(decision, Serve):
            return Begun(lookup)
        if not isinstance(decision, (Revalidate, Fetch)) or request.kind == "other":
            return None
        if request.kind == "file" and self._copies.is_read_only:  # Nothing could take it until the client asks.
            return None
        if not may_ask:
            raise Unheard
        may_stand = isinstance(decision, Revalidate)
        ask = self._attempted if may_stand else self._in_turn
        try:
            return ask(lookup, decision.validators, send)
        except UpstreamFailed as failure:
            return Begun(lookup, failure=failure, may_stand=may_stand)

    def came(self, begun: Begun) -> Came | None:
        """Return what a look-up has come to, if that is stored; a page is remembered for what it promises."""
        lookup, exchange = begun.lookup, begun.exchange
        record = exchange.record if exchange else lookup.record
        if record is None or begun.failure or (exchange and exchange.meaning.give == "copy"):
            return None
        if lookup.request.kind == "page":
            self._read.recent.append(record)
            self._read.latest.append(given_page(lookup.request, record))
        return Came(lookup.request, record, lambda: self._copies.body(lookup.request, record))

    def received(self, begun: Begun, goes_on: Callable[[], bool]) -> Begun | None:
        """Read a file into the store as long as `goes_on` says so; then it is the client that reads on.

        Return None if it is not stored after all: so many open answers that nobody reads would break off.
        """
        exchange = begun.exchange
        if exchange is None or not isinstance(exchange.answer.body, Tee):
            return begun if exchange is None or _is_in_memory(begun.lookup, exchange) else None
        body, size, beginning = exchange.answer.body, 0, exchange.answer.body.reopened()
        while (beginning is None or goes_on()) and body.problem is None and (data := body.read(_CHUNK)):
            size += len(data)
        if beginning and not body.closed and body.record is None and body.problem is None:
            return begun._replace(beginning=Part(beginning, size))
        exchange.answer.body.close()
        if beginning:
            beginning.close()
        if body.record is None:
            return None
        stored = exchange.meaning._replace(give="record")
        return begun._replace(exchange=exchange._replace(meaning=stored, record=body.record))

    def _attempted(self, lookup: Lookup, validators: Mapping[str, str], send: Send) -> Begun:
        return Begun(lookup, self._attempts.ahead(lookup, validators, send, patient=False))

    def _in_turn(self, lookup: Lookup, validators: Mapping[str, str], send: Send) -> Begun | None:
        """Ask unless another process is just doing so: then it is the client that waits, and no longer than alone."""
        if self._single_flight is None:
            return Begun(lookup, self._attempts.ahead(lookup, validators, send, patient=True), may_stand=False)
        turn = self._single_flight.enter(lookup.request, timeout=0.0)
        try:
            if turn.waited:
                turn.settle()
                return None
            exchange = self._attempts.ahead(lookup, validators, send, patient=True)
        except BaseException:
            turn.settle()
            raise
        turn.settle_after(exchange.answer.body)
        return Begun(lookup, exchange, may_stand=False)


def _is_in_memory(lookup: Lookup, exchange: Exchange) -> bool:
    """Return whether an answer has been read, or is the short one that there is no such file."""
    is_read = lookup.request.kind == "page" or isinstance(exchange.answer.body, BytesIO)
    return is_read or exchange.answer.status != HTTPStatus.OK
