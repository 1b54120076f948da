"""The manifest of a job: the records that its runs used lately, so that a run on any host can bring them at once.

It is an object of the remote, which anybody may have written who may write there: so it is read as a list of wishes.
What it names is verified as it comes.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Mapping
from hashlib import sha256

from cachedindex.model import Record
from cachedindex.named import NamedTuple
from cachedindex.rules import urls
from cachedindex.upkeep.adding import RECORD

_FOLDER = "jobs-v1"
_FORMAT = 1
_GZIP = zlib.MAX_WBITS | 16
MOST_BYTES = 8 << 20
"""Bytes of a manifest, compressed or not; one of as many records as there may be has two million."""
_MOST = 5000
"""So many records are kept, the last used ones: more than the largest buildouts and locks have pages and files."""
_LATELY = 14 * 86400.0
"""Seconds for which a record is kept that no run uses any more: the branches of a job differ, and a job goes on."""
_ANEW = 3600.0
"""Seconds after which a page is sent again of which nothing but the time has changed: each run would send it."""
_AGAIN = 14 * 86400.0
"""Seconds after which what is in use is put again as it is: so a store may delete by its age what nobody uses."""
_LAST = 1e11
"""Seconds since the epoch: no moment is later. An integer of JSON may even be beyond all floats."""
_DAY = 86400.0
"""Seconds after which a manifest is written only to say that its records are in use."""


class Used(NamedTuple):
    """A record that a job uses, as it was sent last."""

    checked: float
    """When upstream last confirmed it, in seconds since the epoch."""
    sha256: str
    size: int
    """Of the page, or of the file that the record is of."""
    is_file: bool
    """Whether there is a blob."""
    sent: float
    """When it was put there last, with its blob, in seconds since the epoch."""
    last: float
    """When a run last used it, in seconds since the epoch."""


Manifest = Mapping[str, Used]
"""By the names of the records."""


def name(job: str) -> str:
    """Return the name of the object that is the manifest of a job; a person recognizes the job by it."""
    shown = re.sub(r"[^A-Za-z0-9._-]+", "-", job)[:60].strip("-.")
    return f"{_FOLDER}/{shown}.{sha256(job.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}.json.gz"


def blob_name(digest: str) -> str:
    """Return the name of the object with the bytes of this digest."""
    return f"blobs-v1/{digest[:2]}/{digest}"


def encoded(manifest: Manifest) -> bytes:
    """Return a manifest as bytes."""
    records = {each: used._asdict() for each, used in sorted(manifest.items())}
    return gzip.compress(json.dumps({"format": _FORMAT, "used": records}, separators=(",", ":")).encode(), mtime=0)


def decoded(raw: bytes, now: float = _LAST) -> dict[str, Used]:
    """Return the manifest that some bytes are; what in it makes no sense is left out.

    So is what a clock has dated that is a day ahead: until then, nothing that others send would count as newer.
    """
    try:
        found = json.loads(zlib.decompressobj(_GZIP).decompress(raw, MOST_BYTES))
        records = found["used"] if found["format"] == _FORMAT else {}
        read = {str(each): _used(fields, now + _DAY) for each, fields in records.items() if RECORD.fullmatch(each)}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, zlib.error):
        return {}
    return {each: used for each, used in read.items() if used}


def merged(one: Manifest, other: Manifest) -> dict[str, Used]:
    """Return what two manifests of a job come to, whichever comes first: the later of two records, and the last use."""
    both = {**one, **other}
    for each in one.keys() & other.keys():
        newer = max(one[each], other[each])
        both[each] = newer._replace(
            sent=max(one[each].sent, other[each].sent), last=max(one[each].last, other[each].last)
        )
    latest = max((used.last for used in both.values()), default=0.0)
    lately = [each for each in both if both[each].last > latest - _LATELY]
    return {each: both[each] for each in sorted(lately, key=lambda each: (-both[each].last, each))[:_MOST]}


def of_record(stored: Record, now: float) -> Used:
    """Return what a manifest says of a record that is sent now."""
    return Used(stored.checked, stored.sha256, stored.size, stored.page is None, now, now)


def is_news(stored: Record, known: Used | None, now: float) -> bool:
    """Return whether a record is to be sent; `known` is what was sent before."""
    if known is None or is_old(known, now):
        return True
    return stored.checked > known.checked + (_ANEW if stored.sha256 == known.sha256 else 0.0)


def is_old(known: Used, now: float) -> bool:
    """Return whether what was sent is to be put again as it is."""
    return known.sent < now - _AGAIN


def is_worth_writing(new: Manifest, known: Manifest) -> bool:
    """Return whether a manifest says enough that is new to be written."""
    return any(
        each not in known or new[each].sent > known[each].sent or new[each].last > known[each].last + _DAY
        for each in new
    )


def _used(fields: Mapping[str, object], latest: float) -> Used | None:
    match fields:
        case {
            "checked": int() | float() as checked,
            "sha256": str(digest),
            "size": int(size),
            "is_file": bool(is_file),
            "sent": int() | float() as sent,
            "last": int() | float() as last,
        } if all(0 <= each <= latest for each in (checked, sent, last)) and size >= 0 and urls.is_sha256(digest):
            return Used(float(checked), digest, size, is_file, float(sent), float(last))
    return None
