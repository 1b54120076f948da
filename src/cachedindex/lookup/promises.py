"""The hashes that pages promise for files; only a page that the client was given may promise one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from cachedindex.lookup.given import GivenPage, GivenPages
from cachedindex.model import Record, Request
from cachedindex.rules import pages, privacy, promised, urls


class Promise(NamedTuple):
    """What a page promises for a file."""

    page: Request
    """The request for the page."""
    sha256: str
    linked: bool = False
    """Whether the link has a user or a password."""


class Promises:
    """Hashes by file; a page is only searched when the client asks for a file that it may list."""

    def __init__(self, given: GivenPages, find: Callable[[Request], tuple[Request, Sequence[Record]]]) -> None:
        """`find` returns a page's request with its scope, and its records."""
        self._given = given
        self._find = find
        self._listings: defaultdict[str, dict[str, tuple[Request, promised.Listing]]] = defaultdict(dict)
        """By the pages' group, and then by their URL: the request and the text of each page."""

    def applied(self, request: Request) -> Request:
        """Return the request as one for a file, under the URL for its digest, if a page promises that digest."""
        for page in self._given.take_unread(request.url):
            self._read(page)
        found = self._found(request)
        if found is None:
            return request
        request = replace(request, kind="file", sha256=found.sha256, url=urls.of_file(request.url, found.sha256))
        return privacy.inherited(found.page, request, linked=found.linked)

    def _read(self, page: GivenPage) -> None:
        """Replace what a page promised before; it promises nothing if the store has another version of it.

        That version may list a file with the hash from before it was published anew.
        """
        url = page.request.url
        listings = self._listings[pages.group(url)]
        listings.pop(url, None)
        request, forms = self._find(page.request)
        record = next((form for form in forms if form.sha256 == page.digest), None)
        if record:
            listings[url] = request, promised.listing(record)

    def _found(self, request: Request) -> Promise | None:
        """Return the promise for a file; if its query is another one, all that differ in it must promise the same."""
        shown, bare = _names(request.url)
        known = {name: promise for name, promise in self._promised(request.url, shown).items()
                 if request.sha256 in (None, promise.sha256)}  # fmt: skip
        if bare in known:
            return known[bare]
        return next(iter(known.values())) if len({promise.sha256 for promise in known.values()}) == 1 else None

    def _promised(self, url: str, shown: str) -> dict[str, Promise]:
        """Return the promises for all files that may be shown by one URL, by their own URLs."""
        found = {}
        name = unquote(urlsplit(url).path.rpartition("/")[2])
        for group in filter(self._listings.__contains__, pages.groups_of(url)):
            for page, listing in self._listings[group].values():
                for link, sha256 in promised.promises(listing, name).items():
                    names = _names(link)
                    if names[0] == shown:
                        found[names[1]] = Promise(page, sha256, "@" in link and urls.bare(link) != link)
        return found


def _names(url: str) -> tuple[str, str]:
    """Return a file's URL as it may be shown, and without credentials."""
    bare = urls.bare(url) if "@" in url else url
    return unquote(urls.public(bare) if "?" in bare else bare), unquote(bare)
