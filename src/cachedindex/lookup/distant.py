"""A page or file of the run's remote, for a look-up that has no copy, and that its index does not answer.

It is asked for by a process of the interpreter that began the run, which stores it in the own folder: so what follows
is as if it had been there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cachedindex.lookup.answers import Answers
from cachedindex.lookup.context import Lookup
from cachedindex.lookup.copies import Copies
from cachedindex.lookup.mirrors import as_promised
from cachedindex.model import Answer, Request
from cachedindex.options import Settings
from cachedindex.remote import helper, memory
from cachedindex.rules import layout, privacy, urls
from cachedindex.rules.decide import Decision, Revalidate, Serve, is_absent
from cachedindex.run.report import Report
from cachedindex.store.store import RECORDS


class Distant:
    """The remote, as the look-ups of one process ask it: for everybody's, and for each URL once."""

    def __init__(
        self,
        settings: Settings,
        root: Path,
        report: Report,
        copies: Copies,
        answers: Answers,
        decided: Callable[[Lookup], Decision],
        clock: Callable[[], float],
    ) -> None:
        """`root` is the cache folder, and `report` that of a run.

        `decided` returns what to do about a look-up, `clock` seconds since the epoch.
        """
        self._settings = settings
        self._root = root
        self._report = report
        self._copies = copies
        self._answers = answers
        self._decided = decided
        self._clock = clock
        self._asked: set[str] = set()
        self._is_given_up = False
        """Whether this run does without the remote, for good: nothing is read any more to know that."""

    def may_have(self, lookup: Lookup) -> bool:
        """Return whether the remote is worth asking for a look-up."""
        request = lookup.request
        is_known = request.kind == "page" or (request.kind == "file" and request.sha256 is not None)
        is_free = is_known and request.method == "GET" and request.url not in self._asked
        return is_free and not lookup.settings.offline and self._interpreter() is not None and self._is_for_all(request)

    def answer(self, lookup: Lookup, why: str) -> Answer | None:
        """Return what the remote has, served as the copy that it is now; None if it has nothing that will do.

        `why` says what is wrong with upstream.
        """
        interpreter = self._interpreter() if self.may_have(lookup) else None
        if interpreter is None:
            return None
        request, settings = lookup.request, self._settings
        self._asked.add(request.url)
        seconds = min(lookup.settings.timeout, settings.remote_timeout)
        use = helper.answer(interpreter, "outage", settings.remote or "", self._task(request), seconds)
        if not memory.note(self._report, use) or not use.found:
            return None
        if request.sha256:
            self._copies.keep_beside(request, request, as_promised(request, use.received, self._clock()))
        return self._served(lookup, why)

    def _interpreter(self) -> helper.Interpreter | None:
        run = self._report.run
        found = memory.asked_by(run.folder) if run and not self._is_given_up else None
        self._is_given_up = found is None
        return found

    def _is_for_all(self, request: Request) -> bool:
        # A page's path is in the name of its object: with what may be a token in it, nobody has sent one.
        is_named = request.kind != "page" or urls.without_tokens(request.url) == request.url
        return is_named and privacy.is_everybodys(request) and not self._copies.is_barred(request)

    def _task(self, request: Request) -> dict[str, Any]:
        task = {"do": "ask", "root": str(self._root), "most": self._settings.max_size}
        if request.sha256:
            return {**task, "digest": request.sha256}
        paths = [*layout.record_paths(request), layout.record_path(request, layout.ABSENT)]
        return {**task, "page": request.url, "names": ["/".join((RECORDS, *path)) for path in paths]}

    def _served(self, lookup: Lookup, why: str) -> Answer | None:
        request, forms = self._copies.found(lookup.request)
        if not forms:
            absence = self._copies.absence(request) if request.kind == "page" else None
            counts = absence is not None and is_absent(absence, lookup.settings, self._clock())
            return self._answers.absent(lookup, absence, why) if absence and counts else None
        lookup = lookup._replace(request=request, record=forms[0])
        match self._decided(lookup):
            case Serve(_, stale):
                return self._answers.of_copy(lookup, "stale" if stale else "hit", why)
            case Revalidate():
                return self._answers.of_copy(lookup, "stale", why)
        return None
