"""What a page is and says: the kind of a URL, a page's links and hashes, and whether it is an index page at all."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from cachedindex.model import Kind, Record
from cachedindex.rules import naming

_DISTRIBUTION = re.compile(
    r"\.(?:whl|tar\.gz|zip|tgz|tar\.bz2|tar\.xz|tar|egg|exe|rpm|deb|tar\.z|dmg|msi)$", re.IGNORECASE
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
# An anchor whose attributes may hold a bare ">", as in data-requires-python=">=3.8".
_ANCHOR = re.compile(r"""<a\b((?:[^>"']|"[^"]*"|'[^']*')*)>""", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([a-z][a-z0-9-]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_PEP_503 = re.compile(r"pypi:repository-version|<(?:title|h1)>\s*(?:links for|simple index)", re.IGNORECASE)


@dataclass(frozen=True)
class Link:
    """One file of a page."""

    url: str
    filename: str
    sha256: str | None
    metadata_sha256: str | None
    """Of the `.metadata` file beside it (PEP 658, PEP 714)."""


@dataclass(frozen=True)
class Listing:
    """What a sound page lists: the files of a project or of a find-links page, or the projects of an index."""

    links: tuple[Link, ...]
    projects: int = 0


class NoIndexPage(ValueError):
    """The body is no index page, or not this project's; the text says what it is instead."""


def promised(fragment: str) -> str | None:
    """Return the sha256 that a link's fragment promises (PEP 503)."""
    name, _, value = fragment.partition("=")
    return value if name == "sha256" and _SHA256.fullmatch(value) else None


def kind(url: str, headers: Mapping[str, str], sha256: str | None) -> Kind:
    """Return what a URL is asked as, by what the client says of it before anything has been fetched."""
    if sha256:
        return "file"
    if "vnd.pypi.simple" in headers.get("accept", ""):
        return "page"
    path = urlsplit(url).path.lower()
    return "page" if path.endswith(("/", ".html", ".htm")) else "other"


def read(url: str, content_type: str, body: bytes) -> Listing:
    """Return what the page lists, with links relative to `url`; NoIndexPage says why it lists nothing sound."""
    media = content_type.partition(";")[0].strip().lower()
    if media == "application/json" or media.endswith("+json"):
        return _read_json(url, body)
    if "html" in media:
        return _read_html(url, body.decode("utf-8", "replace"))
    raise NoIndexPage(f"no index page, but {media or 'of no type'}")


def promises(record: Record) -> dict[str, str]:
    """Return the sha256 for each file, and each `.metadata`, that a stored page vouches for, by absolute URL."""
    vouched: dict[str, str] = {}
    try:
        links = read(record.final, record.headers.get("content-type", ""), record.page or b"").links
    except NoIndexPage:  # Stored by an older release with other rules: it vouches for nothing.
        links = ()
    for link in links:
        if link.sha256:
            vouched[link.url] = link.sha256
        if link.metadata_sha256:
            vouched[f"{link.url}.metadata"] = link.metadata_sha256
    return vouched


def may_list(page_url: str, file_url: str) -> bool:
    """Return whether a page could be the one that lists a file: its project begins the file's name, or it has none."""
    filename = naming.normalized(unquote(urlsplit(file_url).path.rpartition("/")[2]))
    return filename.startswith(f"{naming.project(page_url)}-") or page_url.endswith((".html", ".htm"))


def lost(old: Listing, new: Listing) -> str | None:
    """Return what a page lost, when that is all or over half of its files: a removal, or an outage."""
    before = {link.filename for link in old.links}
    gone = len(before - {link.filename for link in new.links})
    if before and gone == len(before):
        return "it lists none of the files that it had"
    return f"it lost {gone} of its {len(before)} files" if gone * 2 > len(before) else None


def _read_json(url: str, body: bytes) -> Listing:
    try:
        page = json.loads(body)
    except ValueError:
        raise NoIndexPage("broken JSON") from None
    if isinstance(page, dict) and isinstance(page.get("files"), list):
        if naming.normalized(str(page.get("name", ""))) != naming.project(url):
            raise NoIndexPage("another project's page")
        return Listing(tuple(_json_links(url, page["files"])))
    if isinstance(page, dict) and isinstance(page.get("projects"), list):
        return Listing((), len(page["projects"]))
    raise NoIndexPage("JSON, but no index page")


def _json_links(url: str, files: Iterable[Any]) -> Iterable[Link]:
    for file in files:
        if not isinstance(file, dict) or not isinstance(file.get("url"), str):
            raise NoIndexPage("JSON with a file that has no URL")
        target, filename = urljoin(url, file["url"]), str(file.get("filename", ""))
        metadata = file.get("core-metadata") or file.get("dist-info-metadata")
        yield Link(target.partition("#")[0], filename, _json_sha256(file.get("hashes")), _json_sha256(metadata))


def _json_sha256(hashes: object) -> str | None:
    value = hashes.get("sha256") if isinstance(hashes, dict) else None
    return value if isinstance(value, str) and _SHA256.fullmatch(value) else None


def _read_html(url: str, text: str) -> Listing:
    anchors = [_attributes(anchor) for anchor in _ANCHOR.findall(text)]
    links = tuple(link for anchor in anchors if (link := _html_link(url, anchor)))
    if links:
        return Listing(links)
    if _PEP_503.search(text) or _all_projects(url, anchors):
        return Listing((), len(anchors))
    raise NoIndexPage("HTML, but no index page")


def _attributes(anchor: str) -> dict[str, str]:
    return {
        name.lower(): html.unescape(double or single or bare)
        for name, double, single, bare in _ATTRIBUTE.findall(anchor)
    }


def _html_link(url: str, anchor: Mapping[str, str]) -> Link | None:
    target, _, fragment = urljoin(url, anchor.get("href", "")).partition("#")
    filename = unquote(urlsplit(target).path.rpartition("/")[2])
    if not _DISTRIBUTION.search(filename):
        return None
    metadata = anchor.get("data-core-metadata") or anchor.get("data-dist-info-metadata") or ""
    return Link(target, filename, promised(fragment), promised(metadata))


def _all_projects(url: str, anchors: Iterable[Mapping[str, str]]) -> bool:
    """Return whether every anchor leads one level down, as in a project list without the PEP 629 mark."""
    targets = [urljoin(url, anchor.get("href", "")).rstrip("/") for anchor in anchors]
    return bool(targets) and all(target.rpartition("/")[0] == url.rstrip("/") for target in targets)
