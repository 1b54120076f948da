"""A server that stands between a client and an object store: it passes everything on, and does any fault of `index.py`.

A request is signed for the address that the client asked, which is passed on as it is: so the store takes it for its
own client's.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.index import Handler, Index

_OWN = {"connection", "expect", "keep-alive", "transfer-encoding"}
"""Headers about one connection."""


class Reading(Handler):
    """Reads a request to its end before any fault, so that the next one begins where it should."""

    content: bytes
    """What was sent with the request."""

    def do_GET(self) -> None:
        self.content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        super().do_GET()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET


class _Handler(Reading):
    index: Between  # type: ignore[assignment]

    def answer(self, path: str | None = None) -> tuple[int, dict[str, str], bytes]:
        """Return what the store answers."""
        store = http.client.HTTPConnection(urlsplit(self.index.behind).netloc, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            store.request(self.command, path or self.path, self.content or None, headers)
            answer = store.getresponse()
            content = answer.read()
        finally:
            store.close()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN}
        if self.command != "HEAD":  # There, it is the length of what would be sent.
            kept = {name: value for name, value in kept.items() if name.lower() != "content-length"}
        return answer.status, kept, content


class Between(Index):
    """`origin` is what a client is given as the endpoint of the store."""

    def __init__(self, behind: str) -> None:
        """Pass on to `behind`, which is the endpoint of the store."""
        self.behind = behind
        super().__init__(Path())

    @property
    def handler(self) -> type[Handler]:
        return _Handler


@contextmanager
def between(behind: str) -> Iterator[Between]:
    """Stand before an endpoint for a block."""
    server = Between(behind)
    try:
        yield server
    finally:
        server.close()
