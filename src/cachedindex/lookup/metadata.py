"""The metadata of a stored wheel, for a client that asks for it alone (PEP 658).

buildout and a pip before 22.3 ask for wheels only. What they have stored serves a newer pip of the same node, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from cachedindex import standard
from cachedindex.errors import CopyLost
from cachedindex.lookup.copies import Copies
from cachedindex.model import Record, Request

SUFFIX = ".whl.metadata"
_LONGEST = 1 << 24
"""Bytes of metadata at most: the longest that are known have some 200 kB."""


def wheel_of(request: Request) -> Request:
    """Return the request for the wheel whose metadata a request is for."""
    return request._replace(url=request.url.removesuffix(".metadata"), sha256=None)


def of_stored(request: Request, wheel: Request, found: Sequence[Record], copies: Copies) -> Record | None:
    """Return a record of the metadata that a request is for, if its wheel is among the copies."""
    if not found or not request.sha256:
        return None
    try:
        body = copies.body(wheel, found[0])
    except CopyLost:  # A miss, as the wheel will be.
        return None
    return of_wheel(found[0], body, request.url, request.sha256)


def of_wheel(wheel: Record, body: BinaryIO, url: str, sha256: str) -> Record | None:
    """Return a record of the metadata in a wheel, if it is what was promised; None if not, or if it cannot be read.

    `body` are the wheel's verified bytes, and are closed; `url` and `sha256` are those of the metadata.
    """
    with body:
        found = next((text for text in _metadata(body) if hashlib.sha256(text).hexdigest() == sha256), None)
    if found is None:
        return None
    headers = {"content-type": "text/plain; charset=utf-8"}
    return wheel._replace(url=url, final=url, headers=headers, size=len(found), sha256=sha256, page=found)


def _metadata(body: BinaryIO) -> Iterator[bytes]:
    """Yield what may be a wheel's metadata (PEP 427); nothing if it cannot be read."""
    with standard.library():
        import zipfile  # noqa: PLC0415 - only here, and pip has it
        import zlib  # noqa: PLC0415
    try:
        with zipfile.ZipFile(body) as archive:
            for entry in archive.infolist():
                folder, _, name = entry.filename.rpartition("/")
                if name == "METADATA" and folder.endswith(".dist-info") and entry.file_size <= _LONGEST:
                    yield archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
        return  # Upstream is asked, as if there were no wheel.
