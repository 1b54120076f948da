"""The hashes that pages promise for files; only a page that the client was given may promise one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import unquote

from cachedindex.lookup.given import GivenPage, GivenPages
from cachedindex.model import Record, Request
from cachedindex.rules import pages, privacy, urls


class Promise(NamedTuple):
    """What a page promises for a file."""

    page: Request
    """The request for the page."""
    sha256: str
    linked: bool = False
    """Whether the link has a user or a password."""


class Promises:
    """Hashes by file; a page is only read when the client asks for a file that it may list."""

    def __init__(self, given: GivenPages, find: Callable[[Request], tuple[Request, Sequence[Record]]]) -> None:
        """`find` returns a page's request with its scope, and its records."""
        self._given = given
        self._find = find
        self._promised: defaultdict[str, dict[str, Promise]] = defaultdict(dict)
        """By the file's URL as it may be shown, and then by its URL without credentials, both unquoted."""
        self._listed: dict[str, list[tuple[str, str]]] = {}
        """For each page that was read, by its URL: its files, by both URLs."""

    def applied(self, request: Request) -> Request:
        """Return the request as one for a file, under the URL for its digest, if a page promises that digest."""
        for page in self._given.take_unread(request.url):
            self._read(page)
        found = self._found(request)
        if found is None:
            return request
        request = replace(request, kind="file", sha256=found.sha256, url=urls.of_file(request.url, found.sha256))
        return privacy.inherited(found.page, request, linked=found.linked)

    def _found(self, request: Request) -> Promise | None:
        """Return the promise for a file; if its query is another one, all that differ in it must promise the same."""
        shown, bare = _names(request.url)
        known = self._promised.get(shown, {})
        same = {name: each for name, each in known.items() if request.sha256 in (None, each.sha256)}
        if bare in same:
            return same[bare]
        return next(iter(same.values())) if len({each.sha256 for each in same.values()}) == 1 else None

    def _read(self, page: GivenPage) -> None:
        """Replace what a page promised before; it promises nothing if the store has another version of it.

        That version may list a file with the hash from before it was published anew.
        """
        for shown, bare in self._listed.pop(page.request.url, ()):
            same = self._promised[shown]
            if bare in same and same[bare].page.url == page.request.url:
                del same[bare]
        request, forms = self._find(page.request)
        record = next((form for form in forms if form.sha256 == page.digest), None)
        if record:
            files = self._listed[page.request.url] = []
            for url, sha256 in pages.promises(record).items():
                shown, bare = _names(url)
                self._promised[shown][bare] = Promise(request, sha256, "@" in url and urls.bare(url) != url)
                files.append((shown, bare))


def _names(url: str) -> tuple[str, str]:
    """Return a file's URL as it may be shown, and without credentials."""
    bare = urls.bare(url) if "@" in url else url
    return unquote(urls.public(bare) if "?" in bare else bare), unquote(bare)
