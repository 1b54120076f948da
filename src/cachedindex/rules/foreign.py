"""Whether a record that comes from another machine may be stored: it is checked as a page is that an index sends."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from cachedindex.model import Record
from cachedindex.rules import layout, pages, privacy, urls

_FORMS = ("html", "json", layout.ABSENT, "")
_URL = re.compile(r"https?://[^/?#@\s]+(?:/[^?#\s]*)?(?:\?sha256=[0-9a-f]{64})?")
"""As records have it: without a user, a fragment, and any query but the digest that stands for one."""
_TEXT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]*")
"""Without control characters, and without what JSON can write but no file name can hold."""


def refusal(record: Record, parts: Sequence[str]) -> str:
    """Return why a record is not to be stored under a path below the records folder; empty if it may be."""
    if not _is_url(record.url) or (record.final and not _is_url(record.final)):
        return "its URL is none that a record may have"
    if record.form not in _FORMS or record.barred or not layout.is_place_of(parts, record.url, record.form):
        return "it is at the wrong place"
    if not all(map(_is_number, (record.asked, record.checked, record.took))) or record.size < 0:
        return "it has a number that is none"
    if not _are_stored_headers(record):
        return "it has headers that a record must not have"
    return _refused_body(record)


def dated(record: Record, now: float) -> Record:
    """Return a record with times that are not in the future: this machine's clock may be behind."""
    return record._replace(asked=min(record.asked, now), checked=min(record.checked, now), expired=False)


def replaces(record: Record, there: Record | None) -> bool:
    """Return whether a record goes in the place of the one that is there: it is of a later answer, or there is none.

    One that was purged is replaced by an answer to a later request; one that was refused to this machine's clients is
    not replaced, as only its index can say that they may have it.
    """
    if there is None:
        return True
    if there.barred:
        return not there.size and record.asked > there.asked
    return _age(record) > _age(there)


def _age(record: Record) -> tuple[float, float, str]:
    """Return what sorts the records of one URL by age, the same way on each machine."""
    return record.checked, record.asked, record.sha256


def _is_number(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # An integer beyond all floats.
        return False


def _is_url(url: str) -> bool:
    if not _URL.fullmatch(url) or not _TEXT.fullmatch(url):
        return False
    try:
        urls.origin(url)
    except ValueError:  # An address in brackets that is none.
        return False
    return True


def _are_stored_headers(record: Record) -> bool:
    are_texts = all(isinstance(text, str) and _TEXT.fullmatch(text) for text in record.headers.values())
    return are_texts and privacy.storable(record.headers) == record.headers


def _refused_body(record: Record) -> str:
    if record.form == layout.ABSENT:
        return "" if record.page == b"" else "it has a body where none may be"
    if not record.form:
        return "" if urls.is_sha256(record.sha256) else "its digest is none"
    if record.page is None:
        return "it has no body"
    try:
        pages.read(record.url, record.headers.get("content-type", ""), record.page, record.final)
    except pages.NoIndexPage as error:
        return str(error)
    return "its links hold credentials" if pages.holds_credentials(record.page) else ""
