"""A record as bytes and back; bytes that do not verify are no record.

The first line verifies the header, and the header the body, so that one wrong bit anywhere makes a miss.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from cachedindex.model import Record
from cachedindex.rules import pages

_MAGIC = b"cachedindex-record-1"
_ROOM = 64
"""Spaces at the end of a header, for one that is longer: its times and its headers may have more digits."""

_CHANGED = ("headers", "asked", "checked", "took", "expired")
"""What upstream may change of a record by confirming it."""


def empty(url: str, form: str, asked: float) -> Record:
    """Return what stands in the place of a record that nobody is served any more, in seconds since the epoch.

    It keeps an answer from being stored that was asked for before.
    """
    return Record(url, "", {}, asked, asked, 0.0, 0, sha256().hexdigest(), b"", form, barred=True)


def encode(record: Record) -> bytes:
    """Return a line with the header's digest, the header as one line of JSON, and a page's body."""
    header = _as_json(_fields(record))
    return _lines(header.ljust(len(header) + _ROOM)) + (record.page or b"")


def renewed(beginning: bytes, new: Record) -> bytes | None:
    """Return what has to stand at the beginning of an older record of the same body to make it the new one.

    None if the beginning is another record's, or that of one that was asked for later, or has no room.
    """
    there, rest = _split(beginning)
    fields = _fields(new)
    header, room = _as_json(fields), len(beginning) - len(rest) - len(_lines(b""))
    if not there or not _is_number(there.get("asked")) or there["asked"] > new.asked or len(header) > room:
        return None
    is_same = {**there, **{name: fields[name] for name in _CHANGED}} == fields
    return _lines(header.ljust(room)) if is_same else None


def _lines(header: bytes) -> bytes:
    """Return the two lines before a body."""
    return b"%s %s\n%s\n" % (_MAGIC, sha256(header).hexdigest().encode(), header)


def _fields(record: Record) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "url": record.url,
        "final": record.final,
        "headers": dict(record.headers),
        "asked": record.asked,
        "checked": record.checked,
        "took": record.took,
        "size": record.size,
        "sha256": record.sha256,
        "body": record.page is not None,
        "form": record.form,
        "expired": record.expired,
    }
    if record.barred:  # A field that release 0.1.0 does not know: it has to take the record for none.
        fields["barred"] = True
    return fields


def _as_json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def decode(raw: bytes, url: str | None = None) -> Record | None:
    """Return the record (for `url`), or None if any byte is missing, added or wrong, or it is another URL's.

    The record of another release, with other fields, is None as well: it is sound, but this release cannot use it.
    """
    fields, body = _verified(raw)
    record = fields and _record(fields, body)
    return record if record and (url in (None, record.url) or pages.is_for(record, url)) else None


def is_sound(raw: bytes) -> bool:
    """Return whether every byte is as it was written, by any release and for any URL."""
    return _verified(raw)[0] is not None


def asked(raw: bytes, url: str | None) -> float | None:
    """Return when a record was asked for, given its beginning; None if that does not say so, or is of another URL."""
    fields, _ = _split(raw)
    said = fields.get("asked") if fields and url in (None, fields.get("url")) else None
    return float(said) if isinstance(said, (int, float)) else None


def checked(raw: bytes) -> float | None:
    """Return when a record was checked, as `asked` does."""
    fields, _ = _split(raw)
    said = fields.get("checked") if fields else None
    return float(said) if isinstance(said, (int, float)) else None


def blob_of(header: bytes) -> tuple[str, int]:
    """Return digest and size of the blob that a record names, given its first two lines; "" and 0 if it names none."""
    fields, _ = _verified(header)
    if not fields or fields.get("body"):
        return "", 0
    size = fields.get("size")
    return str(fields.get("sha256")), size if isinstance(size, int) else 0


def _verified(raw: bytes) -> tuple[dict[str, Any] | None, bytes]:
    """Return the header's fields and the body; no fields if a byte is not as it was written."""
    fields, body = _split(raw)
    if not fields:
        return None, b""
    if not fields.get("body"):
        return (None if body else fields), body
    is_whole = len(body) == fields.get("size") and sha256(body).hexdigest() == fields.get("sha256")
    return (fields if is_whole else None), body


def _split(raw: bytes) -> tuple[dict[str, Any] | None, bytes]:
    """Return the header's fields and the body; no fields if a byte of the header is not as it was written."""
    first, _, rest = raw.partition(b"\n")
    header, end, body = rest.partition(b"\n")
    if not end or first != b"%s %s" % (_MAGIC, sha256(header).hexdigest().encode()):
        return None, b""
    try:
        fields = json.loads(header)
    except (ValueError, RecursionError):  # The digest is right, but the line is not a header.
        return None, b""
    return (fields if isinstance(fields, dict) else None), body


def _record(fields: dict[str, Any], body: bytes) -> Record | None:
    match fields:
        case {
            "url": str(url),
            "final": str(final),
            "headers": dict(headers),
            "asked": int() | float() as asked,
            "checked": int() | float() as checked,
            "took": int() | float() as took,
            "size": int(size),
            "sha256": str(digest),
            "body": bool(has_body),
            "form": str(form),
            "expired": bool(expired),
            **more,
        } if more in ({}, {"barred": True}):
            return Record(
                url=url,
                final=final,
                headers=headers,
                asked=asked,
                checked=checked,
                took=took,
                size=size,
                sha256=digest,
                page=body if has_body else None,
                form=form,
                expired=expired,
                barred=bool(more),
            )
    return None
