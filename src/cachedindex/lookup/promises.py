"""The hashes that pages promise for files; only a page that the client was given may promise one."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from urllib.parse import unquote

from cachedindex.lookup.given import GivenPage, GivenPages
from cachedindex.model import Record, Request
from cachedindex.named import NamedTuple
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

    def __init__(
        self,
        given: GivenPages,
        find: Callable[[Request], tuple[Request, Sequence[Record]]],
        most: int | None = None,
    ) -> None:
        """`find` returns a page's request with its scope, and its records; the pages of `most` projects are kept."""
        self._given = given
        self._find = find
        self._most = most
        self._listings: defaultdict[str, dict[str, tuple[Request, promised.Listing]]] = defaultdict(dict)
        """By the pages' group, and then by their URL: the request and the text of each page."""
        self._linked: dict[tuple[str, str], Request] = {}
        """By origin and credential: the page in one of whose links the credential was."""
        self._guard = threading.Lock()

    def applied(self, request: Request) -> Request:
        """Return the request as one for a file, under the URL for its digest, if a page promises that digest.

        A credential that a page has linked is that page's, for whatever is asked of its origin: pip sends it with every
        later request there (pip 26.3, network/auth.py).
        """
        if request.kind == "page":
            return self._as_linked(request)
        with self._guard:  # A page that one thread is reading promises nothing yet to another one.
            for page in self._given.take_unread(request.url):
                self._read(page)
            found = self._found(request)
        if found is None:
            return self._as_linked(request)
        request = request._replace(kind="file", sha256=found.sha256, url=urls.of_file(request.url, found.sha256))
        return privacy.inherited(found.page, request, linked=found.linked)

    def page_of(self, file: Request) -> Request | None:
        """Return the request for the page that promises a file its sha256; None if that is known otherwise."""
        with self._guard:
            found = self._found(file)
        return found and found.page

    def _as_linked(self, request: Request) -> Request:
        page = self._linked.get((urls.origin(request.url), request.identity.credential)) if self._linked else None
        return privacy.inherited(page, request, linked=True) if page else request

    def _read(self, page: GivenPage) -> None:
        """Replace what a page promised before; it promises nothing if the store has another version of it.

        That version may list a file with the hash from before it was published anew.
        """
        url = page.request.url
        for group in ("", urls.project(url)):  # The version before may have listed files of others.
            self._listings[group].pop(url, None)
        request, found = page.request, [record for record in list(self._given.recent) if _is(record, page)]
        if not found:
            request, forms = self._find(page.request)
            found = [form for form in forms if form.sha256 == page.digest]
        if found:
            self._listings[page.group][url] = request, promised.listing(found[0])
        while self._most and len(self._listings) > self._most:
            del self._listings[next(iter(self._listings))]

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
        name = urls.filename(url)
        for group in filter(self._listings.__contains__, pages.groups_of(url)):
            for page, listing in self._listings[group].values():
                for link, sha256 in promised.promises(listing, name).items():
                    names = _names(link)
                    if names[0] == shown:
                        found[names[1]] = Promise(page, sha256, self._has_credential(link, page))
        return found

    def _has_credential(self, link: str, page: Request) -> bool:
        """Return whether a link has a user or a password, and remember it for its origin.

        Not if the page itself took a credential: the link may repeat that, which has a scope of its own.
        """
        userinfo = urls.split(link).userinfo if "@" in link else ""
        if userinfo and not privacy.takes_credential(page.identity.scope):
            self._linked[urls.origin(link), privacy.of_userinfo(userinfo)] = page
        return bool(userinfo)


def _is(record: Record, page: GivenPage) -> bool:
    """Return whether a record is that of a page, and lies where the page's request finds it.

    What was asked for as everybody's, and is one user's alone, has another scope, which only the store can say.
    """
    is_it = record.sha256 == page.digest and urls.page(record.url) == urls.page(page.request.url)
    return is_it and privacy.lies_under(page.request, record.headers, record.page or b"")


def _names(url: str) -> tuple[str, str]:
    """Return a file's URL as it may be shown, and without credentials."""
    bare = urls.bare(url) if "@" in url else url
    return unquote(urls.public(bare) if "?" in bare else bare), unquote(bare)
