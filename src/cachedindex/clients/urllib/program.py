"""Covers a program below a run that reads configuration, or an index, by urllib's global opener, as mxdev does.

Everything else that a program asks is its own: whether a server is up is not known from a copy. So only what has the
name of a configuration, of a distribution or of an index page is looked up, always at upstream first, and once in a
process: a program that asks again waits for something to change.
"""

from __future__ import annotations

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


class Readings:
    """Stands between the opener of a program and the cache."""

    ahead: Ahead | None = None
    """Nobody knows what a program asks for next."""

    def __init__(self, cache: Cache) -> None:
        """Begin with nothing read."""
        self._cache = cache
        self._read: set[str] = set()

    @property
    def report(self) -> Report:
        """The report of the process."""
        return self._cache.report

    def answer(
        self, request: Request, send: Send, keyring: None = None, otherwise: Otherwise | None = None
    ) -> Answer | Pass:
        """Return the cache's answer to what is read for the first time."""
        if request.url in self._read or not downloads.is_reading(request.url):
            return Pass("it is the program's own")
        self._read.add(request.url)
        return self._cache.answer(insisting(request), send, keyring, otherwise)


def insisting(request: Request) -> Request:
    """Return a request for which upstream is asked, though its copy may be fresh for others."""
    return request._replace(headers={**request.headers, "cache-control": "max-age=0"})


def attach() -> None:
    """Put the cache before urllib's global opener, and every one that is installed later."""
    process = join(_CLIENT)
    if process.cache is not None:
        opener.install(Readings(process.cache))
