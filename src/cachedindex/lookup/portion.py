"""A stored copy as the answer to a request: the whole of it, its head alone, or a part."""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO

from cachedindex.model import Answer, Record, Request
from cachedindex.rules import ranges


def answer(request: Request, record: Record, body: BinaryIO, cache_status: str) -> Answer:
    """Return what the request gets of a record whose bytes `body` holds, every one of them verified (RFC 9110, 14)."""
    headers = {**record.headers, "content-length": str(record.size), "cache-status": cache_status}
    if request.kind == "file":
        headers["accept-ranges"] = "bytes"  # pip's fast-deps looks for it (pip 26.3, network/lazy_wheel.py).
    if request.method == "HEAD":
        body.close()
        return Answer(200, "OK", record.final, headers, BytesIO())
    part = ranges.wanted(request.headers, record.headers, record.size)
    if part == "whole":
        return Answer(200, "OK", record.final, headers, body)
    if part == "none":
        body.close()
        headers |= {"content-length": "0", "content-range": f"bytes */{record.size}"}
        return Answer(416, "Range Not Satisfiable", record.final, headers, BytesIO())
    body.seek(part.start)
    headers |= {
        "content-length": str(len(part)),
        "content-range": f"bytes {part.start}-{part.stop - 1}/{record.size}",
    }
    return Answer(206, "Partial Content", record.final, headers, Part(body, len(part)))


class Part:
    """A Body that ends before another one does."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        """Take an open source at the part's start, and how many bytes the part has."""
        self._source = source
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        """Return the part's next bytes."""
        data = self._source.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Close the source."""
        self._source.close()
