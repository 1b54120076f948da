"""Covers a program below a run that reads configuration, or an index, by urllib's global opener, as mxdev does.

Everything else that a program asks is its own: whether a server is up is not known from a copy. So only what has the
name of a configuration, of a distribution or of an index page is looked up, always at upstream first, and until
upstream has answered once in a process: a program that asks again then waits for something to change.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from cachedindex.clients.urllib import opener
from cachedindex.lookup.cache import Cache
from cachedindex.model import Answer, Otherwise, Request, Send
from cachedindex.process import join
from cachedindex.rules import downloads
from cachedindex.rules.decide import Pass
from cachedindex.run.report import Report

if TYPE_CHECKING:
    from cachedindex.lookup.ahead import Ahead

_CLIENT = "urllib"
_AGAIN = 10.0
"""Seconds for which a copy is served again: a program may as well wait for a server to end."""


class Readings:
    """Stands between the opener of a program and the cache."""

    ahead: Ahead | None = None
    """Nobody knows what a program asks for next."""

    def __init__(self, cache: Cache, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing read; `clock` returns seconds."""
        self._cache = cache
        self._clock = clock
        self._until: dict[str, float] = {}
        """By URL, the time from which on it is left to the program."""

    @property
    def report(self) -> Report:
        """The report of the process."""
        return self._cache.report

    def answer(
        self, request: Request, send: Send, keyring: None = None, otherwise: Otherwise | None = None
    ) -> Answer | Pass:
        """Return the cache's answer to what upstream has not answered or refused in this process.

        What was served stale is served so again for a while: mxdev reads a file once for each one that names it.
        """
        url, now = request.url, self._clock()
        until = self._until.setdefault(url, now + _AGAIN) if downloads.is_reading(url) else now
        if now >= until:
            return Pass("it is the program's own")
        self._until[url] = now
        answer = self._cache.answer(insisting(request), send, keyring, otherwise)
        if isinstance(answer, Answer) and answer.headers.get("cache-status", "").startswith("cachedindex; hit"):
            self._until[url] = until
        return answer


def insisting(request: Request) -> Request:
    """Return a request for which upstream is asked, though its copy may be fresh for others."""
    return request._replace(headers={**request.headers, "cache-control": "max-age=0"})


def attach() -> None:
    """Put the cache before urllib's global opener, and every one that is installed later."""
    process = join(_CLIENT)
    if process.cache is not None:
        opener.install(Readings(process.cache))
