"""One look-up from request to answer: joins the store, the rules and the client's own way of asking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import TYPE_CHECKING

from cachedindex.errors import CopyLost, NotAsked, Shortage, UpstreamFailed, assert_never
from cachedindex.lookup import metadata
from cachedindex.lookup.answers import Answers
from cachedindex.lookup.attempts import Attempts
from cachedindex.lookup.context import Begun, Exchange, Lookup
from cachedindex.lookup.copies import Copies
from cachedindex.lookup.given import GivenPages
from cachedindex.lookup.promises import Promises
from cachedindex.lookup.single_flight import SingleFlight
from cachedindex.lookup.tee import Continued
from cachedindex.lookup.turns import Turns
from cachedindex.lookup.upstream import Upstream
from cachedindex.model import Answer, Keyring, Otherwise, Record, Request, Send
from cachedindex.options import Settings
from cachedindex.rules import pages, urls
from cachedindex.rules.decide import (
    AskOpenly,
    AskOrChallenge,
    Challenge,
    Decision,
    Fetch,
    Pass,
    Refuse,
    Revalidate,
    Serve,
    TryOnce,
    choose,
    decide,
    is_absent,
    is_at_hand,
)
from cachedindex.run.report import Report
from cachedindex.store.store import Store

if TYPE_CHECKING:
    from cachedindex.lookup.ahead import Ahead
    from cachedindex.lookup.beginnings import Beginnings
    from cachedindex.lookup.elsewhere import Elsewhere
    from cachedindex.lookup.standins import StandIns

_LONG = 1.0
"""Seconds from which on a look into the store shows that its folder may not answer any more."""
_unsatisfying: ContextVar[frozenset[str]] = ContextVar("cachedindex_unsatisfying", default=frozenset())
"""The URLs of pages in which this thread's client has found nothing that fits."""


class Cache:
    """The cache, as every client asks it; one for each process."""

    def __init__(
        self,
        store: Store,
        upstream: Upstream,
        settings: Settings,
        report: Report,
        clock: Callable[[], float] = time.time,
        single_flight: SingleFlight | None = None,
        why_lost: Callable[[], str | None] = lambda: None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """`clock` returns seconds since the epoch. Without `single_flight`, no process waits for another.

        `elsewhere` are the places that are read if the store has nothing that will do.
        `why_lost` returns why the folder cannot be used any more; it is called if looking into the store took long.
        """
        self.report = report
        self._upstream = upstream
        self._settings = settings
        self._clock = clock
        self._single_flight = single_flight
        self._looks_elsewhere = elsewhere is not None
        self._copies = Copies(store, report, elsewhere)
        self._given = GivenPages()
        self._promises = Promises(self._given, self._copies.find)
        self._answers = Answers(self._copies, self._given, report, clock)
        self._attempts = Attempts(upstream, report, self._answers.came_late, clock)
        self._turns = Turns(single_flight, self._copies, self._answers, self._decided, clock) if single_flight else None
        self._stand_ins = self._made_stand_ins(store)
        self._displaced: set[str] = set()
        """The URLs of copies in whose place the client was given an answer that is not stored."""
        self._why_lost = why_lost
        self._lost: str | None = None
        """Why the store is not used any more."""
        self.ahead: Ahead | None = None
        """The look-ups that are begun before the client makes them; None if none are."""

    def _made_stand_ins(self, store: Store) -> StandIns | None:
        """Return what stands in for an index; most nodes have nothing."""
        settings, mirrors, distant = self._settings, None, None
        if any("mirrors" in own for _, own in settings.indexes):
            from cachedindex.lookup.mirrors import Mirrors  # noqa: PLC0415

            mirrors = Mirrors(settings, self._copies, self._promises, self._attempts, self._clock)
        if settings.remote and self.report.run and not store.read_only:
            from cachedindex.lookup.distant import Distant  # noqa: PLC0415

            distant = Distant(
                settings, store.root, self.report, self._copies, self._answers, self._decided, self._clock
            )
        if mirrors is None and distant is None:
            return None
        from cachedindex.lookup.standins import StandIns  # noqa: PLC0415

        return StandIns(mirrors, distant, self._answers)

    def look_ahead(self, most: int) -> Ahead:
        """Have look-ups begun before the client makes them, so many at once at most."""
        from cachedindex.lookup.ahead import Ahead  # noqa: PLC0415 - most clients never do so

        self.ahead = Ahead(self._beginnings, self._promises.applied, most)
        return self.ahead

    def _beginnings(self) -> Beginnings:
        from cachedindex.lookup.beginnings import Beginnings  # noqa: PLC0415 - nor does a pip with fresh copies

        return Beginnings(self._begun, self._decided, self._copies, self._attempts, self._single_flight)

    def answer(
        self, request: Request, send: Send, keyring: Keyring | None = None, otherwise: Otherwise | None = None
    ) -> Answer | Pass:
        """Return the answer to a request, or Pass if the client is to ask by itself.

        `keyring` is where the client gets credentials for it after a 401, if anywhere; `otherwise` are its ways to ask
        a mirror. Raises UpstreamFailed if `send` does and no copy can stand in; IndexMissing if that is to end the
        build; and Shortage if the client could not ask either, for want of something on this machine.
        """
        begun = self.ahead.take(request) if self.ahead and not self._is_unfit(request) else None
        lookup = None if self._lost else begun.lookup if begun else self._begun(request)
        if lookup is None or self._lost:
            return Pass(self._lost or "")
        lookup = lookup._replace(keyring=keyring, otherwise=otherwise)
        try:
            try:
                if begun:
                    return self._taken(begun._replace(lookup=lookup))
                return self._carried_out(lookup, self._decided(lookup), send)
            except CopyLost:  # A miss: the next decision is one without a copy.
                lookup = lookup._replace(record=None, newest=None)
                return self._carried_out(lookup, self._decided(lookup), send)
        except Shortage as shortage:
            self._answers.passed(lookup, str(shortage))
            raise

    def considered(self, request: Request) -> tuple[Lookup, Decision]:
        """Return the look-up of a request and what would be done about it now, and do nothing."""
        lookup = self._begun(request)
        return lookup, self._decided(lookup)

    @contextmanager
    def refreshing(self, *projects: str) -> Iterator[None]:
        """Have upstream asked openly in this thread for the pages of these projects that the client has unasked.

        Once: then they no longer count as unasked, so that a client that backtracks does not ask again and again.
        """
        unasked = frozenset[str]().union(*map(self._given.take_unasked, projects))
        token = _unsatisfying.set(_unsatisfying.get() | unasked)
        try:
            yield
        finally:
            _unsatisfying.reset(token)

    def has_unasked(self, project: str) -> bool:
        """Return whether upstream may have more of a project than the client was given."""
        return bool(self._given.unasked(project))

    def outdated(self) -> Sequence[str]:
        """Return the projects of which a file is gone or another one, if upstream may have more of them."""
        return self._given.outdated()

    def explain(self, project: str) -> None:
        """Say why a client has found nothing of a project, if its index has quarantined it (PEP 792)."""
        for request in self._given.pages_of(project):
            _, records = self._copies.found(request)
            if any(pages.stored(record).status == "quarantined" for record in records):
                name, index = urls.normalized(project), urls.repository(request.url)
                self.report.warn(f"{index} has quarantined {name}, and offers none of its files until it is cleared")

    def reinstate(self, *projects: str) -> bool:
        """Have the copies of these projects stand again; return whether answers that are not stored had their place."""
        names = {urls.normalized(project) for project in projects}
        own = {url for url in self._displaced if urls.project(url) in names}
        self._displaced -= own
        return bool(own)

    def _begun(
        self, asked: Request, request: Request | None = None, promised: Callable[[Request], Request] | None = None
    ) -> Lookup:
        """Return the look-up: the request with its kind and scope, its settings, and the record.

        `request` is as `promised` returns it, by default by the pages that the client was given.
        """
        promised = promised or self._promises.applied
        if request is None:
            request = promised(asked) if asked.kind != "page" or asked.identity.credential else asked
        settings = self._settings.for_url(request.url) if self._settings.indexes else self._settings
        if self._settings.indexes or self._settings.refresh:
            self.report.note_need(request, self._settings)
        began = time.monotonic()
        request, forms = self._find(request, settings)
        if time.monotonic() - began > _LONG:
            self._look_after_folder()
        if len(forms) > 1:
            return Lookup(request, settings, *choose(request, forms, settings, self._clock()))
        if not forms and request.kind == "file" and asked.url.endswith(metadata.SUFFIX):
            return Lookup(request, settings, self._metadata(request, promised(metadata.wheel_of(asked)), settings))
        absence = None if forms or request.kind != "page" else self._copies.absence(request)
        counts = absence is not None and is_absent(absence, settings, self._clock())
        return Lookup(request, settings, next(iter(forms), None), absence=absence if counts else None)

    def _find(self, request: Request, settings: Settings) -> tuple[Request, Sequence[Record]]:
        """Return the request with its scope, and its records: the store's, if one will do, or the latest of any place.

        So a hit looks no further than into the store.
        """
        request, forms = self._copies.find(request, settings.share, private=settings.private)
        if self._looks_elsewhere and not is_at_hand(request, forms, settings, self._clock()):
            forms = self._copies.found_elsewhere(request, forms)
        return request, forms

    def _metadata(self, request: Request, wheel: Request, settings: Settings) -> Record | None:
        if wheel.kind != "file":
            return None
        return metadata.of_stored(request, *self._find(wheel, settings), self._copies)

    def _look_after_folder(self) -> None:
        """Do without the store from the next look-up on if its folder does not answer any more."""
        self._lost = self._why_lost()
        if self._lost:
            self.report.warn(f"{self._lost}; the build continues without the cache")

    def _decided(self, lookup: Lookup) -> Decision:
        request, keyring = lookup.request, lookup.keyring
        return decide(
            request,
            lookup.record,
            lookup.settings,
            self._clock(),
            lambda: self._upstream.origin(request).memory(),
            lambda: keyring is not None and self._copies.has_private(request) and keyring.is_there(),
            absence=lookup.absence,
            unsatisfied=self._is_unfit(request),
        )

    def _is_unfit(self, request: Request) -> bool:
        """Return whether nothing fits in the page that the client was given without hearing upstream."""
        return request.url in _unsatisfying.get() or request.url in self._displaced

    def _taken(self, begun: Begun) -> Answer:
        """Return the answer to a look-up that was begun ahead, as if the client had only now made it."""
        lookup, exchange, failure = begun.lookup, begun.exchange, begun.failure
        if failure:
            self._attempts.failed(lookup, failure)
            self._raise_final(lookup, failure)
            return self._without_answer(lookup, _why(lookup, failure))
        if exchange is None:
            raise CopyLost(f"{lookup.request.url}: nothing has come")
        answer = self._answers.of_exchange(lookup, exchange)
        return answer._replace(body=Continued(begun.beginning, answer.body)) if begun.beginning else answer

    def _carried_out(  # noqa: PLR0911 - one for each decision
        self, lookup: Lookup, decision: Decision, send: Send
    ) -> Answer | Pass:
        match decision:
            case Serve(why, stale):
                return self._answers.of_copy(lookup, "stale" if stale else "hit", why)
            case Revalidate(validators):
                return self._revalidated(lookup, validators, send)
            case Fetch(validators):
                return self._fetched_in_turn(lookup, validators, send)
            case TryOnce(failed):
                return self._tried_once(lookup, failed, send)
            case AskOpenly(validators):
                return self._asked_openly(lookup, validators, send)
            case AskOrChallenge():
                return self._asked_or_challenged(lookup, send)
            case Challenge(why):
                return self._challenged(lookup, why, send)
            case Refuse(status, why):
                is_down = status == HTTPStatus.GATEWAY_TIMEOUT
                return (is_down and self._instead(lookup, why)) or self._answers.refusal(lookup, decision)
            case Pass(why):
                self._answers.passed(lookup, why)
                return decision
            case _:
                return assert_never(decision)

    def _revalidated(self, lookup: Lookup, validators: Mapping[str, str], send: Send) -> Answer:
        """Ask under the deadline, and serve the copy unless a sound answer comes in time."""
        if self.ahead:
            self.ahead.rest()
        try:
            exchange = self._attempts.admitted(lookup, validators, send)
        except (NotAsked, UpstreamFailed) as reason:
            self._raise_final(lookup, reason)
            return self._without_answer(lookup, _why(lookup, reason))
        return self._answers.of_exchange(lookup, exchange)

    def _asked_or_challenged(self, lookup: Lookup, send: Send) -> Answer | Pass:
        try:
            exchange = self._attempts.admitted(lookup, {}, send)
        except (NotAsked, UpstreamFailed) as reason:
            return self._challenged(lookup, _why(lookup, reason), send)
        if exchange.meaning.is_down:
            exchange.answer.body.close()
            return self._challenged(lookup, exchange.meaning.why, send)
        return self._answers.of_exchange(lookup, exchange)

    def _challenged(self, lookup: Lookup, why: str, send: Send) -> Answer | Pass:
        """Ask the client for credentials if its keyring has them; else go on as without any copy."""
        if lookup.keyring and lookup.keyring.has(lookup.request.url):
            return self._answers.challenge(lookup, why)
        lookup = lookup._replace(keyring=None)
        return self._carried_out(lookup, self._decided(lookup), send)

    def _tried_once(self, lookup: Lookup, failed: str, send: Send) -> Answer:
        """Ask under the deadline without a copy: this run has waited for the origin in vain before."""
        if answer := self._hurried(lookup, send):
            return answer
        try:
            exchange = self._attempts.tried(lookup, send)
        except NotAsked:
            return self._answers.refusal(lookup, Refuse(504, failed))
        except UpstreamFailed as failure:
            return self._without_answer(lookup, _why(lookup, failure))
        return self._heard(lookup, exchange)

    def _asked_openly(self, lookup: Lookup, validators: Mapping[str, str], send: Send) -> Answer:
        """Ask past the breaker; only if there is no answer, serve the copy, or the error made here."""
        try:
            exchange = self._attempts.openly(lookup, validators, send)
        except (NotAsked, UpstreamFailed) as reason:
            self._raise_final(lookup, reason)
            return self._without_answer(lookup, _why(lookup, reason))
        if lookup.record and exchange.meaning.give == "answer" and exchange.meaning.store == "nothing":
            self._displaced.add(lookup.request.url)
        return self._heard(lookup, exchange)

    def _without_answer(self, lookup: Lookup, why: str) -> Answer:
        """Return what stands if upstream is not heard: the copy, or that it did not have the page, or an error."""
        if lookup.record:
            return self._answers.of_copy(lookup, "stale", why)
        if lookup.absence:
            return self._answers.absent(lookup, lookup.absence, why)
        return self._instead(lookup, why) or self._answers.refusal(lookup, Refuse(504, why))

    def _heard(self, lookup: Lookup, exchange: Exchange) -> Answer:
        """Return the answer after an exchange without a copy: of a mirror, if upstream's is none."""
        is_none = exchange.meaning.is_down and exchange.meaning.give == "answer"
        is_none = is_none and lookup.absence is None
        mirrored = self._instead(lookup, exchange.meaning.why, has_connected=True) if is_none else None
        if mirrored:
            exchange.answer.body.close()
        return mirrored or self._answers.of_exchange(lookup, exchange)

    def _fetched_in_turn(self, lookup: Lookup, validators: Mapping[str, str], send: Send) -> Answer:
        if self._turns is None or lookup.request.kind == "other":  # Every process asks for it in any case.
            return self._fetched(lookup, validators, send)
        return self._turns.answer(lookup, lambda: self._fetched(lookup, validators, send))

    def _instead(self, lookup: Lookup, why: str, *, has_connected: bool = False) -> Answer | None:
        """Return what stands in for an index that is not heard, if anything does."""
        return self._stand_ins.answer(lookup, why, has_connected=has_connected) if self._stand_ins else None

    def _hurried(self, lookup: Lookup, send: Send, *, anyway: bool = False) -> Answer | None:
        """Return the answer if something may stand in, and upstream has failed lately: it is asked under the deadline.

        By the circuit breaker, or `anyway`. None if nothing stands in: then upstream gets its usual time.
        """
        # What may stand in is looked for last: it may take a look into files, which a healthy look-up does not need.
        if not (self._stand_ins and self._upstream.origin(lookup.request).has_failed()):
            return None
        if not self._stand_ins.may_help(lookup):
            return None
        lookup = lookup._replace(record=None, newest=None)
        try:
            exchange = self._attempts.tried(lookup, send) if anyway else self._attempts.admitted(lookup, {}, send)
        except (NotAsked, UpstreamFailed) as reason:
            self._raise_final(lookup, reason)
            has_connected = isinstance(reason, UpstreamFailed) and reason.connected
            return self._instead(lookup, _why(lookup, reason), has_connected=has_connected)
        if exchange.meaning.is_down:
            exchange.answer.body.close()
            return self._instead(lookup, exchange.meaning.why, has_connected=True)
        return self._answers.of_exchange(lookup, exchange)

    def _fetched(self, lookup: Lookup, validators: Mapping[str, str], send: Send) -> Answer:
        """Ask in the client's thread, with its retries; the client gets the answer or error as it would without us."""
        # A page of the index itself is worth a try in each run, as that of a mirror decides what is installed.
        if answer := self._hurried(lookup, send, anyway=lookup.request.kind == "page"):
            return answer
        origin = self._upstream.origin(lookup.request)
        if self.ahead:
            self.ahead.rest()
        try:
            exchange = self._upstream.ask(
                origin, lookup.record, validators, send, patient=True, store=lookup.settings.store
            )
        except UpstreamFailed as failure:
            origin.failed(failure, with_copy=False)
            why = _why(lookup, failure)
            if not failure.final and (answer := self._instead(lookup, why, has_connected=failure.connected)):
                return answer
            self._answers.failed(lookup, why)
            raise
        return self._heard(lookup, exchange)

    def _raise_final(self, lookup: Lookup, reason: NotAsked | UpstreamFailed) -> None:
        """Raise a failure that is upstream's answer to this client, whether there is a copy or not."""
        if isinstance(reason, UpstreamFailed) and reason.final:
            self._answers.failed(lookup._replace(record=None), _why(lookup, reason))  # The copy is barred by now.
            raise reason


def _why(lookup: Lookup, reason: NotAsked | UpstreamFailed) -> str:
    """Return what to say of upstream, which is not always where the look-up began."""
    if isinstance(reason, NotAsked):
        return str(reason)
    return urls.blamed(lookup.request.url, reason.url, reason.cause)
