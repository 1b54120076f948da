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
    first, _, rest = raw.partition(b"\n")
    header, end, body = rest.partition(b"\n")
    if not end or first != b"%s %s" % (_MAGIC, sha256(header).hexdigest().encode()):
        return None
    fields: dict[str, Any] = json.loads(header)
    try:
        has_body = fields.pop("body")
        if url not in (None, fields["url"]) or len(body) != (fields["size"] if has_body else 0):
            return None
        if has_body and sha256(body).hexdigest() != fields["sha256"]:
            return None
        return Record(**fields, page=body if has_body else None)
    except (KeyError, TypeError):  # Another release's fields: a record all the same, but not one for us.
        return None
