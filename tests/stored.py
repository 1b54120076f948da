"""Records and blobs as tests put them into a store."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from cachedindex.model import Record, Request
from cachedindex.store.store import Store
from tests.values import replace

HOUR = 3600.0
DAY = 24 * HOUR


def page(name: str) -> Request:
    return Request("GET", f"https://index.example/simple/{name}/", "page", {})


def file(name: str, data: bytes) -> Request:
    return Request("GET", f"https://files.example/{name}", "file", {}, sha256(data).hexdigest())


def put_page(store: Store, name: str, body: bytes = b"<a href=x>x</a>") -> Path:
    """Store a page, and return where its record lies."""
    return put(store, page(name), body)


def put(store: Store, request: Request, body: bytes = b"<a href=x>x</a>") -> Path:
    """Store a page for a request, and return where its record lies."""
    store.put(request, _record(request, body, body))
    return record_path(store, request, "html")


def put_file(store: Store, name: str, data: bytes) -> tuple[Path, Path]:
    """Store a file, and return where its record and its blob lie."""
    request = file(name, data)
    blob = store.new_blob(replace(request, sha256=None))
    blob.write(data)
    blob.commit()
    store.put(request, _record(request, data, None))
    return record_path(store, request, ""), store._shared.blob_path(blob.sha256)


def record_path(store: Store, request: Request, form: str) -> Path:
    return store._tree(request).record_path(request, form)


def open_blob(store: Store, digest: str, size: int) -> BinaryIO | None:
    """Open the blob that a record of this digest and size names."""
    return store.open_blob(file("x", b""), Record("", "", {}, 0.0, 0.0, 0.0, size, digest))


def age(path: Path, seconds: float) -> None:
    """Make a file look unused for so long."""
    moment = path.stat().st_mtime - seconds
    os.utime(path, (moment, moment))


def _record(request: Request, data: bytes, body: bytes | None) -> Record:
    return Record(
        request.url, request.url, {}, 10.0, 11.0, 1.0, len(data), sha256(data).hexdigest(), body, "html" if body else ""
    )
