"""What a stored page promises for one file, found in its text without reading the rest of the page.

A page of thousands of files is read by pip in any case; reading it here as well took a third of a resolve of 153 real
projects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from cachedindex.model import Record
from cachedindex.rules import pages

_PLAIN = re.compile(r"[\w.-]+", re.ASCII)
_OBJECTS = 8
"""How many opening braces before a file's name may be those of its entry; the objects in one are few and flat."""
_JSON_NAME = re.compile(r'"filename"\s*:\s*"([^"\\]+)"')
_HTML_NAME = re.compile(r"""href\s*=\s*["'][^"'#?]*?([^"'#?/%]+\.(?:whl|tar\.gz|zip))["'#?]""", re.IGNORECASE)
_decode = json.JSONDecoder().raw_decode


class Listing(NamedTuple):
    """A stored page as text."""

    text: str
    base: str
    """The URL that its links are relative to."""
    is_json: bool


def listing(record: Record) -> Listing:
    """Return the text of a record's page."""
    text = (record.page or b"").decode("utf-8", "replace")
    is_json = "json" in record.headers.get("content-type", "")
    return Listing(text, record.final if is_json else pages.base(text, record.final), is_json)


def promises(listing: Listing, name: str) -> Mapping[str, str]:
    """Return the sha256 that a page promises for each link to a file of this name, by absolute URL.

    For a distribution, the promise for the `.metadata` beside it is among them.
    """
    links = _json_links if listing.is_json else _html_links
    promised: dict[str, str] = {}
    for link in links(listing, name.removesuffix(".metadata")):
        if link.sha256:
            promised[link.url] = link.sha256
        if link.metadata_sha256:
            promised[f"{link.url}.metadata"] = link.metadata_sha256
    return promised


def names(listing: Listing) -> Sequence[str]:
    """Return the names of the files that a page lists, as far as they are written plainly, in its order."""
    return list(dict.fromkeys((_JSON_NAME if listing.is_json else _HTML_NAME).findall(listing.text)))


def entry(listing: Listing, name: str) -> Mapping[str, Any] | None:
    """Return what a page says of a file that `names` has: its object in JSON, or the attributes of its anchor."""
    if listing.is_json:
        found = re.search(rf'"filename"\s*:\s*"{re.escape(name)}"', listing.text)
        return (_entry(listing.text, found.start(), 0)[0] or None) if found else None
    place = listing.text.find(name)
    begin = max(listing.text.rfind(start, 0, place) for start in ("<a", "<A"))
    anchor = pages.ANCHOR.match(listing.text, begin) if begin >= 0 else None
    return pages.attributes(anchor[1]) if anchor else None


def _json_links(listing: Listing, name: str) -> Iterator[pages.Link]:
    end = 0
    for found in _pattern(name).finditer(listing.text):
        if found.start() < end:  # An entry has the name twice: in its URL, and as the file's name.
            continue
        entry, end = _entry(listing.text, found.start(), end)
        if isinstance(entry.get("url"), str):
            yield from pages.json_links(listing.base, [entry])


def _entry(text: str, place: int, least: int) -> tuple[dict[str, object], int]:
    """Return the JSON object around a place that has a URL, and where it ends; it begins at `least` or later."""
    begin = place
    for _ in range(_OBJECTS):
        begin = text.rfind("{", least, begin)
        if begin < 0:
            break
        try:
            entry, end = _decode(text, begin)
        except (ValueError, RecursionError):  # A brace in a text.
            continue
        if end > place and "url" in entry:
            return entry, end
    return {}, place


def _html_links(listing: Listing, name: str) -> Iterator[pages.Link]:
    end = 0
    for found in _pattern(name).finditer(listing.text):
        if found.start() < end:
            continue
        begin = max(listing.text.rfind(start, end, found.start()) for start in ("<a", "<A"))
        anchor = pages.ANCHOR.match(listing.text, begin) if begin >= 0 else None
        if anchor and (link := pages.html_link(listing.base, pages.attributes(anchor[1]))):
            end = anchor.end()
            yield link


@lru_cache(maxsize=4)
def _pattern(name: str) -> re.Pattern[str]:
    """Return a pattern for a file's name as a URL may have it: any character but a plain one may be encoded."""
    if _PLAIN.fullmatch(name):
        return re.compile(re.escape(name))
    return re.compile("".join(map(_encoded, name)))


def _encoded(character: str) -> str:
    if _PLAIN.fullmatch(character):
        return re.escape(character)
    return f"(?:{re.escape(character)}|{''.join(f'%(?i:{byte:02x})' for byte in character.encode())})"
