"""The places beside the own folder where a copy may be; they are asked in an order, if that has none that will do.

A place answers "this record" or "these bytes", and nothing else. What comes from one is verified as it is read, and is
stored in the own folder if that can be written: so all that follows is as if it had been there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Record, Request
from cachedindex.named import NamedTuple
from cachedindex.options import CLOCK_SKEW
from cachedindex.rules import privacy
from cachedindex.run.report import Report
from cachedindex.store import others
from cachedindex.store.store import Store

T = TypeVar("T")

_CHUNK = 1 << 20
_LONG = 1.0
"""Seconds from which on a look into a place shows that it may not answer any more."""


class Place(Protocol):
    """Where a copy may be that everybody may read. None of its methods raises anything."""

    def forms(self, request: Request) -> Sequence[Record]:
        """Return the verified records that can serve a request which has no scope, one for each form."""
        ...

    def absence(self, request: Request) -> Record | None:
        """Return the record that the index did not have the page of such a request."""
        ...

    def open_blob(self, stored: Record) -> BinaryIO | None:
        """Return a record's open blob, with every byte verified; None if it is not there."""
        ...


class Taken(NamedTuple):
    """The records of a request, wherever they were found."""

    forms: Sequence[Record]
    problem: StoreUnavailable | None = None
    """Why they could not be stored in the own folder."""


class Elsewhere:
    """The other cache folders that a process reads; they are opened when the first of them is needed."""

    def __init__(
        self, own: Store, folders: Sequence[Path], report: Report, clock: Callable[[], float] = time.time
    ) -> None:
        """`report` is of the run, in which a folder that does not answer is tried once; `clock` returns a time."""
        self._own = own
        self._folders = folders
        self._report = report
        self._clock = clock
        self._guard = threading.Lock()
        self._opened: dict[Path, Place] | None = None

    def taken(self, request: Request, forms: Sequence[Record]) -> Taken:
        """Return the records of a request, each the one that was asked for last; `forms` are those of the own folder.

        What is barred in the own folder, or was asked for before the index did not have it, as far as any of them
        knows, is taken from nowhere.
        """
        if not privacy.is_everybodys(request) or self._own.is_barred(request):
            return Taken(forms)
        known = {each.form: each for each in forms if request.sha256 in (None, each.sha256)}
        absence, newer = self._own.absence(request), dict[str, Place]()
        for place, found in self._each(lambda place: place.forms(request)):
            for each in found:
                before = known.get(each.form, absence)
                if request.sha256 in (None, each.sha256) and (before is None or self._is_later(each, before)):
                    known[each.form], newer[each.form] = each, place
        gone, problem = self.absence(request) if newer and request.kind == "page" else None, None
        for form, place in newer.items():
            if gone is None or self._is_later(known[form], gone):
                problem = self._kept(place, request, known[form]) or problem
        return Taken(self._own.forms(request) if request.kind == "page" else [*known.values()], problem)

    def absence(self, request: Request) -> Record | None:
        """Return the latest record that the index did not have the page of a request."""
        if not privacy.is_everybodys(request) or self._own.is_barred(request):
            return None
        found = [each for _, each in self._each(lambda place: place.absence(request)) if each]
        return max(found, key=lambda each: each.asked, default=None)

    def open_blob(self, request: Request, stored: Record) -> BinaryIO | None:
        """Return a record's open blob from the first place that has it, with every byte verified."""
        if not privacy.is_everybodys(request):
            return None
        return next((blob for _, blob in self._each(lambda place: place.open_blob(stored)) if blob), None)

    def _is_later(self, found: Record, before: Record) -> bool:
        """Return whether a record was asked for after another one, and not by a clock that is wrong."""
        return before.asked < found.asked <= self._clock() + CLOCK_SKEW

    def _kept(self, place: Place, request: Request, found: Record) -> StoreUnavailable | None:
        """Store a record in the own folder, and its blob before it; return why that failed, or None."""
        try:
            if found.page is not None or self._own.read_only or self._copied(place, request, found):
                self._own.put(request, found)
        except StoreUnavailable as problem:
            self._own.hold(request, found)
            return problem
        return None

    def _copied(self, place: Place, request: Request, found: Record) -> bool:
        """Copy a blob into the own folder, and return whether it is there."""
        source = place.open_blob(found)
        if source is None:
            return False
        with closing(source):
            new = self._own.new_blob(request)
            try:
                while data := source.read(_CHUNK):
                    new.write(data)
                if new.sha256 != found.sha256:  # It changed meanwhile.
                    return False
                new.commit()
            except OSError:  # Of a place on a network, which does not answer any more.
                return False
            finally:
                new.abandon()
        return True

    def _each(self, ask: Callable[[Place], T]) -> Iterator[tuple[Place, T]]:
        """Yield what each place answers; one that takes long is left out from then on if it does not answer at all."""
        for root, place in list(self._places().items()):
            began = time.monotonic()
            answer = ask(place)
            if time.monotonic() - began > _LONG and self._opened and self._why_not(root):
                self._opened.pop(root, None)
            yield place, answer

    def _places(self) -> dict[Path, Place]:
        with self._guard:
            if self._opened is None:
                self._opened = {root: others.OtherFolder(root) for root in self._folders if self._why_not(root) is None}
            return self._opened

    def _why_not(self, root: Path) -> str | None:
        """Return why a folder is not read, and say so; a process of this run may have found it out before."""
        run = self._report.run
        with suppress(OSError):  # The folder of the run is gone.
            if run and root in run.given_up():
                return "it is known"
        why = others.problem(root)
        if why:
            self._report.warn(f"also-read: {why}; the build goes on without what lies there")
            with suppress(StoreUnavailable):  # Then the next process waits for it, too.
                if run:
                    run.give_up(root)
        return why
