"""What the pages that a process was served promise of the files that it asks for next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

from cachedindex.model import Record, Request
from cachedindex.rules import pages, privacy


class Promises:
    """Hashes by file, read from a page only when a file is asked for that it may list."""

    def __init__(self, found: Callable[[Request], tuple[Request, Record | None]]) -> None:
        """Take what returns a page's request with its scope, and its record."""
        self._found = found
        self._unread: dict[str, tuple[Request, str]] = {}
        """Pages that nobody has needed yet, with the digest of what the client was given."""
        self._promised: dict[str, tuple[Request, dict[str, str]]] = {}
        """For each page that was read, by its URL: the sha256 of its files. The latest is the last."""

    def served(self, page: Request, digest: str) -> None:
        """Remember a page that the client was given, by its sha256; nothing for one that was not stored."""
        self._unread[page.url] = page, digest

    def kept(self, request: Request) -> Request:
        """Return the request as one for a file, where a page promises its hash."""
        if request.kind != "other":
            return request
        for url in [url for url in list(self._unread) if pages.may_list(url, request.url)]:
            if unread := self._unread.pop(url, None):
                self._read(*unread)
        file = unquote(request.url)
        for page, digests in reversed(list(self._promised.values())):
            if digest := digests.get(file):
                # What a shared page tells of is shared, wherever it lies.
                scope = privacy.inherited(page, request)
                identity = replace(request.identity, scope=scope, shared=page.identity.shared)
                return replace(request, kind="file", sha256=digest, identity=identity)
        return request

    def _read(self, page: Request, digest: str) -> None:
        """Take what a page promises in place of what it did before: nothing, where the store holds another one.

        That one may list the same file with the hash that it had before it was published anew.
        """
        self._promised.pop(page.url, None)
        page, record = self._found(page)
        if record and record.sha256 == digest:
            promised = {unquote(file): sha256 for file, sha256 in pages.promises(record).items()}
            self._promised[page.url] = page, promised
