"""What the pages that a process was served promise of the files that it asks for next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

from cachedindex.model import Record, Request
from cachedindex.rules import naming, pages


class Promises:
    """Hashes by file, read from a page only when a file is asked for that it may list."""

    def __init__(self, found: Callable[[Request], tuple[Request, Record | None]]) -> None:
        """Take what returns a page's request with its scope, and its record."""
        self._found = found
        self._unread: dict[str, Request] = {}
        self._promised: dict[str, tuple[str, Request]] = {}
        """For each file: its sha256, and the page that promised it."""

    def served(self, page: Request) -> None:
        """Remember a page that the client was given."""
        self._unread[page.url] = page

    def kept(self, request: Request) -> Request:
        """Return the request as one for a file, where a page promises its hash."""
        if request.kind != "other":
            return request
        for url in [url for url in list(self._unread) if pages.may_list(url, request.url)]:
            unread = self._unread.pop(url, None)
            page, record = self._found(unread) if unread else (None, None)
            if page and record:
                promises = pages.promises(record).items()
                self._promised.update((unquote(file), (digest, page)) for file, digest in promises)
        promise = self._promised.get(unquote(request.url))
        if promise is None:
            return request
        digest, page = promise
        # What a shared page tells of is shared, wherever it lies.
        return replace(request, kind="file", sha256=digest, scope=naming.inherited(page, request), shared=page.shared)
