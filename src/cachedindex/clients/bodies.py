"""A page's body, read whole as it comes; or streamed to the client, if it cannot be a page or is longer than any."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from io import BytesIO
from typing import Protocol

from cachedindex.model import Answer, Completeness, Request
from cachedindex.named import NamedTuple
from cachedindex.rules import pages

CHUNK = 1 << 16
"""Bytes that are read at once of a body whose length is not known."""
_LONGEST_PAGE = 64 << 20
"""Bytes: what is longer is not taken for a page, and not read into memory. The largest index has a list of all its
projects of about 40 MB."""
_SHOWN = 4096
"""Bytes of its beginning by which a body of unknown length is recognized as no page."""
_FIRST_READ = 256
_GZIP = b"\x1f\x8b"


class Closable(Protocol):
    """What a body comes from."""

    def close(self) -> None:
        """Release it."""
        ...


class Whole(NamedTuple):
    """A body that was read to its end."""

    body: bytes
    """Decoded."""
    came: int
    """Its bytes on the wire."""
    ended: bool = False
    """Whether its encoding marks an end, which has come."""
    cut: bool = False
    """Whether its encoding marks an end, which has not come."""
    encoded: bool = False
    """Whether it could not be decoded here; the client gets it as it is."""


def with_page(asked: Request, answer: Answer, pieces: Iterator[bytes], whole: Callable[[bytes], Whole]) -> Answer:
    """Return the answer with its page read whole, as Send promises; a body that is streamed stays unread, or begun.

    `pieces` reads the body, decoded unless gzip made it; `whole` returns what all of it means.
    """
    is_page, announced = asked.kind == "page", answer.announced
    if not pages.is_read_whole(asked) or answer.status != HTTPStatus.OK or (announced or 0) > _LONGEST_PAGE:
        return answer
    if is_page and not pages.is_type(answer.headers.get("content-type", "")):
        return answer
    begun: list[bytes] = []
    came, is_looked_at = 0, not is_page or announced is not None or "content-encoding" in answer.headers
    for piece in pieces:
        begun.append(piece)
        came += len(piece)
        if came > _LONGEST_PAGE:
            return _streamed(answer, begun, pieces)
        if came >= _SHOWN and not is_looked_at:
            is_looked_at = True
            if not pages.may_begin_with(answer.headers.get("content-type", ""), b"".join(begun)):
                return _streamed(answer, begun, pieces)
    return _read(answer, whole(b"".join(begun)))


def _read(answer: Answer, whole: Whole) -> Answer:
    headers = {**answer.headers, "content-length": str(len(whole.body))}
    if not whole.encoded:
        headers.pop("content-encoding", None)
    # http.client and urllib3 raise if the last chunk is missing.
    chunked = "chunked" in headers.pop("transfer-encoding", "").lower()
    announced = answer.announced
    return answer._replace(
        headers=headers,
        body=BytesIO(whole.body),
        completeness=Completeness(
            whole=announced in (None, whole.came) and not whole.cut,
            ends=announced is not None or chunked or whole.ended,
        ),
        native=answer.native and answer.native.being_read(),
    )


def _streamed(answer: Answer, begun: Iterable[bytes], rest: Iterator[bytes]) -> Answer:
    """Return an answer of which somebody has read the beginning, with all of its body to come."""
    is_zipped = "gzip" in answer.headers.get("content-encoding", "").lower()
    dropped = () if is_zipped else ("content-encoding", "content-length")
    headers = {name: value for name, value in answer.headers.items() if name not in dropped}
    native = answer.native and answer.native.being_read()
    return answer._replace(headers=headers, body=Pieces(begun, rest, answer.body), native=native, is_streamed=True)


class Pieces:
    """A Body that comes in pieces, of which some may have been read."""

    def __init__(self, begun: Iterable[bytes], rest: Iterator[bytes], source: Closable) -> None:
        self._pieces = deque(begun)
        self._rest = rest
        self._source = source

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes: at most a piece, as it came, or all for -1."""
        if size < 0:
            data = b"".join((*self._pieces, *self._rest))
            self._pieces.clear()
            return data
        piece = self._pieces.popleft() if self._pieces else next(self._rest, b"")
        if len(piece) > size:
            self._pieces.appendleft(piece[size:])
        return piece[:size]

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def unzipped(data: bytes) -> Whole:
    """Return a body that gzip made, which may be in several parts (RFC 1952)."""
    parts: list[bytes] = []
    at, complete = 0, False
    while at < len(data) and not (complete and not data.startswith(_GZIP, at)):
        try:
            at, complete = _unzipped_part(data, at, parts)
        except zlib.error:
            return Whole(data, len(data), cut=True, encoded=True)
    return Whole(b"".join(parts), len(data), ended=complete, cut=bool(data) and not complete)


def _unzipped_part(data: bytes, at: int, parts: list[bytes]) -> tuple[int, bool]:
    """Add what one part decodes to; return where it ends, and whether it is complete.

    A decoder copies what follows the end of its part, so it is given little at first: a body may have many parts.
    """
    decoder, size = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), _FIRST_READ
    while at < len(data) and not decoder.eof:
        parts.append(decoder.decompress(data[at : at + size]))
        at, size = min(at + size, len(data)) - len(decoder.unused_data), size * 2
    return at, decoder.eof
