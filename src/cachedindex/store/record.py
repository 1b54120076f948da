"""A record as bytes and back; whatever does not verify is no record."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from cachedindex.model import Record

_MAGIC = b"cachedindex-record-1"


def encode(record: Record) -> bytes:
    """Return a line that vouches for the header, the header as one line of JSON, and a page's body."""
    fields = asdict(record)
    page = fields.pop("page")
    header = json.dumps({**fields, "body": page is not None}, separators=(",", ":"), sort_keys=True).encode()
    return b"%s %s\n%s\n%s" % (_MAGIC, sha256(header).hexdigest().encode(), header, page or b"")


def decode(raw: bytes, url: str | None = None) -> Record | None:
    """Return the record (for `url`), or None where a byte is missing, too many, wrong, or another URL's."""
    fields, body = _verified(raw)
    if fields is None or url not in (None, fields.get("url")):
        return None
    has_body = fields.pop("body", None)
    try:
        return Record(**fields, page=body if has_body else None)
    except TypeError:  # Another release's fields: a record all the same, but not one for us.
        return None


def is_sound(raw: bytes) -> bool:
    """Return whether every byte is as it was written, by whatever release and for whatever URL."""
    return _verified(raw)[0] is not None


def blob_of(header: bytes) -> str | None:
    """Return the digest of the blob that a record names, given its first two lines; None where it names none."""
    fields, _ = _verified(header)
    return str(fields.get("sha256")) if fields and not fields.get("body") else None


def _verified(raw: bytes) -> tuple[dict[str, Any] | None, bytes]:
    """Return the header's fields and the body; no fields where a byte is not as it was written."""
    first, _, rest = raw.partition(b"\n")
    header, end, body = rest.partition(b"\n")
    if not end or first != b"%s %s" % (_MAGIC, sha256(header).hexdigest().encode()):
        return None, b""
    try:
        fields = json.loads(header)
    except (ValueError, RecursionError):  # Somebody vouched for something else than a header.
        return None, b""
    if not isinstance(fields, dict):
        return None, b""
    sound = len(body) == fields.get("size") and sha256(body).hexdigest() == fields.get("sha256")
    return fields if (sound if fields.get("body") else not body) else None, body
