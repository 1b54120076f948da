"""What a page says of a file beside its address: whether it is yanked (PEP 592), and for which Pythons it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from cachedindex.model import Record
from cachedindex.named import NamedTuple
from cachedindex.rules import pages

_YANKED = re.compile(r"\bdata-yanked(?![a-z-])", re.IGNORECASE)


class Conditions(NamedTuple):
    """When a client leaves a file out, although its page lists it."""

    yanked: str | None = None
    """The reason, which may be empty; None if it is not yanked."""
    python: str = ""
    """Which Pythons it is for, as a specifier; empty for all."""


def of_files(record: Record) -> dict[str, Conditions]:
    """Return the conditions of a sound stored page's files, by file name."""
    body = record.page or b""
    is_json = record.form == "json"
    return dict(_in_json(body) if is_json else _in_html(record.url, body.decode("utf-8", "replace")))


def _in_json(body: bytes) -> Iterator[tuple[str, Conditions]]:
    for file in json.loads(body).get("files", ()):
        yanked = file.get("yanked", False)
        reason = yanked if isinstance(yanked, str) else "" if yanked else None
        yield str(file.get("filename", "")), Conditions(reason, str(file.get("requires-python") or ""))


def _in_html(url: str, text: str) -> Iterator[tuple[str, Conditions]]:
    start = pages.base(text, url)
    for found in pages.ANCHOR.finditer(text):
        attributes = pages.attributes(found[1])
        if link := pages.html_link(start, attributes):
            yanked = attributes.get("data-yanked", "") if _YANKED.search(found[1]) else None
            yield link.filename, Conditions(yanked, attributes.get("data-requires-python", ""))
