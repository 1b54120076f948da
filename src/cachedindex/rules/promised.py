"""What a stored page promises for one file, found in its text without reading the rest of the page.

A page of thousands of files is read by pip in any case; reading it here as well took a third of a resolve of 153 real
projects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from cachedindex.model import Record
from cachedindex.named import NamedTuple
from cachedindex.rules import pages, urls

_PLAIN = re.compile(r"[\w.-]+", re.ASCII)
_OBJECTS = 8
"""How many opening braces before a file's name may be those of its entry; the objects in one are few and flat."""
_SPACE = 8
"""So many characters before an object show whether it is the value of a key, and not one of a list."""
_JSON_NAME = r'"filename"\s*:\s*"([^"\\]+)"'
_JSON_URL = re.compile(r'"url"\s*:\s*"([^"]*)"')
_LIST = re.compile(r"\[\s*\{")
_FILES = re.compile(r'"files"\s*:\s*\[\s*\{')
_ESCAPED = r"(?i)\\u00[0-7]"
"""An ASCII character that JSON writes in another way, so that it may be one of a key."""
_HTML_NAME = r"""(?i)href\s*=\s*["'][^"'#?]*?([^"'#?/%]+\.(?:whl|tar\.gz|zip))["'#?]"""
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


def addresses(listing: Listing, name: str, sha256: str) -> Sequence[str]:
    """Return the links of a page to a file of this name for which the page promises no other digest.

    A distribution may have none there; the `.metadata` beside it has to have this one.
    """
    links, wanted = _json_links if listing.is_json else _html_links, name.removesuffix(".metadata")
    found = [link for link in links(listing, wanted) if wanted in (link.filename, urls.filename(link.url))]
    if name != wanted:
        return [f"{link.url}.metadata" for link in found if link.metadata_sha256 == sha256]
    return [link.url for link in found if link.sha256 in (None, sha256)]


def names(listing: Listing) -> Sequence[str]:
    """Return the names of the files that a page lists, as far as they are written plainly, in its order."""
    return list(dict.fromkeys(re.findall(_JSON_NAME if listing.is_json else _HTML_NAME, listing.text)))


def files(text: str) -> Sequence[str] | None:
    """Return the name of each file of a page in JSON, in its order; None if it is not certain that these are all.

    A name is the last segment of the path of its URL, which is what pip goes by: if there is nothing behind it, and no
    character is encoded. The page has no other list of objects, whose names would be among them.
    """
    urls = _JSON_URL.findall(text)
    is_cut = text.count("{") != text.count("}")  # Whoever reads JSON would see it.
    if is_cut or len(urls) != text.count('"filename"') or ("\\" in text and re.search(_ESCAPED, text)):
        return None
    together = "".join(urls)
    if any(sign in together for sign in "?#%&\\") or not len(_LIST.findall(text)) == len(_FILES.findall(text)) <= 1:
        return None
    names = [url.rpartition("/")[2] for url in urls]
    return None if "" in names else names  # pip leaves out slashes at the end of a URL.


def entries(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects of all files to which `files` gives this name, each with its place in a page in JSON."""
    end = 0
    for place in _places(text, name):
        if place >= end:
            found, end = _entry(text, place, end)
            if str(found.get("url")).rpartition("/")[2] == name:
                yield place, found


def entry(listing: Listing, name: str) -> Mapping[str, Any] | None:
    """Return what a page says of a file that `names` has: its object in JSON, or the attributes of its anchor."""
    if listing.is_json:
        place = listing.text.find(f'"{name}"')
        return (_entry(listing.text, place, 0)[0] or None) if place >= 0 else None
    place = listing.text.find(name)
    begin = max(listing.text.rfind(start, 0, place) for start in ("<a", "<A"))
    anchor = pages.ANCHOR.match(listing.text, begin) if begin >= 0 else None
    return pages.attributes(anchor[1]) if anchor else None


def _json_links(listing: Listing, name: str) -> Iterator[pages.Link]:
    end = 0
    for place in _places(listing.text, name):
        if place < end:  # An entry has the name twice: in its URL, and as the file's name.
            continue
        entry, end = _entry(listing.text, place, end)
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
        is_inner = text[max(begin - _SPACE, 0) : begin].rstrip().endswith(":")
        if end > place and "url" in entry and not is_inner:
            return entry, end
    return {}, place


def _html_links(listing: Listing, name: str) -> Iterator[pages.Link]:
    end = 0
    for place in _places(listing.text, name):
        if place < end:
            continue
        begin = max(listing.text.rfind(start, end, place) for start in ("<a", "<A"))
        anchor = pages.ANCHOR.match(listing.text, begin) if begin >= 0 else None
        if anchor and (link := pages.html_link(listing.base, pages.attributes(anchor[1]))):
            end = anchor.end()
            yield link


def _places(text: str, name: str) -> Iterator[int]:
    """Yield where a file's name is, as a URL may have it: any character but a plain one may be encoded."""
    if not _PLAIN.fullmatch(name):
        yield from (found.start() for found in _pattern(name).finditer(text))
        return
    place = text.find(name)  # Compiling a pattern would take longer than the search.
    while place >= 0 and name:
        yield place
        place = text.find(name, place + len(name))


@lru_cache(maxsize=4)
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile("".join(map(_encoded, name)))


def _encoded(character: str) -> str:
    if _PLAIN.fullmatch(character):
        return re.escape(character)
    return f"(?:{re.escape(character)}|{''.join(f'%(?i:{byte:02x})' for byte in character.encode())})"
