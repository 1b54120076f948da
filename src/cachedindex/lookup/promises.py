"""The hashes that pages promise for files; only a page that the client was given may promise one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

from cachedindex.lookup.given import GivenPage, GivenPages
from cachedindex.model import Record, Request
from cachedindex.rules import pages, privacy


class Promises:
    """Hashes by file; a page is only read when the client asks for a file that it may list."""

    def __init__(self, given: GivenPages, find: Callable[[Request], tuple[Request, Record | None]]) -> None:
        """`find` returns a page's request with its scope, and its record."""
        self._given = given
        self._find = find
        self._promised: dict[str, tuple[Request, str]] = {}
        """For each file, by its unquoted URL: the page that lists it, and the sha256 that it promises."""
        self._listed: dict[str, list[str]] = {}
        """For each page that was read, by its URL: its files."""

    def applied(self, request: Request) -> Request:
        """Return the request as one for a file, if a page promises its hash."""
        if request.kind != "other":
            return request
        for page in self._given.take_unread(request.url):
            self._read(page)
        page_request, sha256 = self._promised.get(unquote(request.url), (request, ""))
        return replace(privacy.inherited(page_request, request), kind="file", sha256=sha256) if sha256 else request

    def _read(self, page: GivenPage) -> None:
        """Replace what a page promised before; it promises nothing if the store has another version of it.

        That version may list a file with the hash from before it was published anew.
        """
        for file in self._listed.pop(page.request.url, ()):
            if file in self._promised and self._promised[file][0].url == page.request.url:
                del self._promised[file]
        request, record = self._find(page.request)
        if record and record.sha256 == page.digest:
            promised = {unquote(file): (request, sha256) for file, sha256 in pages.promises(record).items()}
            self._promised.update(promised)
            self._listed[page.request.url] = list(promised)
