"""What the pages that a process was served promise of the files that it asks for next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

from cachedindex.model import Record, Request
from cachedindex.rules import pages


class Promises:
    """Hashes by file, read from a page only when a file is asked for that it may list."""

    def __init__(self, stored: Callable[[Request], Record | None]) -> None:
        """Take what returns a page's record."""
        self._stored = stored
        self._unread: dict[str, Request] = {}
        self._digests: dict[str, str] = {}

    def served(self, page: Request) -> None:
        """Remember a page that the client was given."""
        self._unread[page.url] = page

    def kept(self, request: Request) -> Request:
        """Return the request as one for a file, where a page promises its hash."""
        if request.kind != "other":
            return request
        for url in [url for url in list(self._unread) if pages.may_list(url, request.url)]:
            page = self._unread.pop(url, None)
            record = page and self._stored(page)
            if record:
                self._digests.update((unquote(file), digest) for file, digest in pages.promises(record).items())
        digest = self._digests.get(unquote(request.url))
        return replace(request, kind="file", sha256=digest) if digest else request
