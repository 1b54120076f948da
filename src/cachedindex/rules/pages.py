"""What an index page says: its links and hashes, and whether it is an index page at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from hashlib import sha256
from itertools import chain
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from cachedindex import standard
from cachedindex.model import Record, Request, number
from cachedindex.named import NamedTuple
from cachedindex.rules import downloads, urls

DISTRIBUTION = re.compile(
    r"\.(?:whl|tar\.gz|zip|tgz|tar\.bz2|tar\.xz|tar|egg|exe|rpm|deb|tar\.z|dmg|msi)$", re.IGNORECASE
)
# A tag whose attributes may hold a bare ">" or "<", as in data-requires-python=">=3.8, <4". It never reaches beyond the
# next anchor, so that a broken page takes no longer than a good one.
_VALUES = r"""((?:[^<>"']|"(?:[^"<]|<(?!a\s))*"|'(?:[^'<]|<(?!a\s))*')*)>"""
ANCHOR = re.compile(r"<a\s" + _VALUES, re.IGNORECASE)
LINK = re.compile(r"<a\s" + _VALUES + r"[^<]*(?:</a>)?(?:\s*<br\s*/?>)?\s*", re.IGNORECASE)
"""An anchor with its text; its first group is what `target` reads."""
_ABSOLUTE = re.compile(r"https?://[!-Z\\^-~]+")
"""A whole URL, without brackets and in ASCII: of any other one, only taking it apart shows whether it is one."""
_ROOTED = re.compile(r"(?!.*/\.)/(?!/)[^\s\[\]?;]*")
"""A path from the root, without what joining would change in it."""
_ORIGIN = re.compile(r"https?://[^\s\[\]/?#]+(?=/)")
_BASE = r"(?i)<base\s" + _VALUES
_ATTRIBUTE = re.compile(r"""(?<![A-Za-z0-9-])([A-Za-z][A-Za-z0-9-]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_PEP_503 = r"(?i)pypi:repository-version|<(?:title|h1)>\s*(?:links for|simple index)"
_LINKS_FOR = r"(?i)<(?:title|h1)>\s*links for\s+([a-z0-9._-]+)\s*</"
_META = r"(?i)<meta\s" + _VALUES
_DOCUMENT = r"(?i)<(?:html|body|title|h1)\b"
_ACTIVE = r"(?i)<(?:form|input|script|iframe|frame|object)\b|http-equiv\s*=\s*[\"']?refresh"
_USER = re.compile(rb"""/\\?/[^/\\\s"'<>?#@]*@""")
"""A user, and maybe a password, in a URL; JSON may write `\\/` for a slash."""
_SIGNED = re.compile(
    rb"""[?&;][a-z_-]*(?:token|sig|signature|credential|password|secret|api[-_]?key|access[-_]?key(?:id)?|auth|hmac|jwt)=""",
    re.IGNORECASE,
)
"""A parameter of a URL that is a secret: of S3, GCS, Azure, or a token."""
_WRITTEN = r"(?i)\\u00([0-7][0-9a-f])"
"""An ASCII character as JSON may write it."""
_ENTITIES = (b"&#", rb"\u00", b"&commat;", b"&sol;", b"&quest;", b"&equals;")
"""One of these is in a page that writes a character of a URL in another way: mustache does so with `/` and `=`."""
_FILES = re.compile(rb'"files"\s*:\s*\[')
"""What JSON of a project has, but not the list of all projects."""
_NAMED = re.compile(
    rb"(?<![A-Za-z0-9._+!-])([A-Za-z0-9][A-Za-z0-9._+!-]{0,200})\.(?:whl|tar\.gz|zip|tgz|tar\.bz2|egg)\b"
)
"""The name of a distribution somewhere in a page."""
_SERIAL = r"<!--SERIAL (\d+)-->"


class Link(NamedTuple):
    """One file of a page."""

    url: str
    filename: str
    sha256: str | None
    metadata_sha256: str | None
    """Of the `.metadata` file beside it (PEP 658, PEP 714)."""


class Page:
    """What an index page says."""

    def __init__(
        self, links: Iterable[Link] = (), projects: int = 0, status: str = "active", serial: int | None = None
    ) -> None:
        """Take the links, which are made when somebody asks for them: a page has thousands, and a new one needs none.

        `projects` is how many a project list has, 0 for a page with files; `status` is the project's (PEP 792);
        `serial` is the number of the index's last change, if the page has it (bandersnatch, and what it mirrors).
        """
        self._links = links
        self.projects = projects
        self.status = status
        self.serial = serial

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """The files of the page."""
        return tuple(self._links)


class NoIndexPage(ValueError):
    """The body is no index page, or not this project's; the text says what it is instead."""


def is_read_whole(request: Request) -> bool:
    """Return whether an answer can only be judged by its whole body, as a page and an `extends` file can."""
    return request.kind == "page" or (request.kind == "other" and downloads.is_configuration(request.url))


def is_type(content_type: str) -> bool:
    """Return whether a body of this type may be an index page."""
    return _is_json(content_type) or "html" in content_type.lower()


def may_begin_with(content_type: str, beginning: bytes) -> bool:
    """Return whether a page of this type may begin so; many a server sends a download as HTML, too."""
    if b"\0" in beginning:
        return False
    return (
        beginning.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))
        if _is_json(content_type)
        else b"<" in beginning
    )


def read(url: str, content_type: str, body: bytes, base: str = "") -> Page:
    """Return what a page says; NoIndexPage if it is not sound.

    `url` is the one that was asked for, and names the project; links are relative to `base`, the end of the redirects.
    """
    media = content_type.partition(";")[0].strip().lower()
    if _is_json(content_type):
        return _read_json(url, body, base or url)
    if b"\0" in body:  # A full disk, here or at a CDN, fills a page up to the right length.
        raise NoIndexPage("a page with zeros in it")
    if "html" in media:
        return _read_html(url, body.decode("utf-8", "replace"), base or url)
    raise NoIndexPage(f"{media or 'a body without a type'} instead of an index page")


def stored(record: Record) -> Page:
    """Return what a stored page says; an empty page if an older release stored it by other rules."""
    try:
        return read(record.url, record.headers.get("content-type", ""), record.page or b"", record.final)
    except NoIndexPage:
        return Page()


def is_for(record: Record, url: str) -> bool:
    """Return whether a record of one URL is a project page that another URL names, with the name spelled otherwise.

    Folders of find-links with such names are two pages, unless a page says by itself which project it is for.
    """
    if record.page is None or urls.page(record.url) != urls.page(url):
        return False
    if "json" in record.headers.get("content-type", ""):  # The name in it was compared when it was stored.
        return _FILES.search(record.page) is not None
    named, project = re.search(_LINKS_FOR, record.page[:4096].decode("utf-8", "replace")), urls.project(url)
    if named:
        return urls.normalized(named[1]) == project
    return any(urls.normalized(link.filename).startswith(f"{project}-") for link in stored(record).links)


def serial(page: Page, headers: Mapping[str, str]) -> int | None:
    """Return the index's serial that a page came with, in a header or in itself."""
    said = number(headers.get("x-pypi-last-serial", ""))
    return page.serial if said is None else said


def is_closed(content_type: str, body: bytes) -> bool:
    """Return whether a page is whole as far as its text shows: an `<html>` that was opened is closed."""
    opened = "html" in content_type.lower() and b"<html" in body[:1024].lower()
    return not opened or b"</html" in body[-1024:].lower()


def holds_credentials(body: bytes) -> bool:
    """Return whether a link of a page has a user or a password, or is signed, so that it is one client's own.

    Most pages have none of these characters, which is known a hundred times as fast as the rest.
    """
    if (b"&" in body or b"\\" in body) and any(sign in body for sign in _ENTITIES):
        text = _unescaped(body.decode("utf-8", "replace"))
        body = re.sub(_WRITTEN, lambda found: chr(int(found[1], 16)), text).encode()
    return bool((b"@" in body and _USER.search(body)) or (b"?" in body and _SIGNED.search(body)))


def group(page_url: str, sample: bytes = b"") -> str:
    """Return the group of a page, by which the pages are found that may list a file: its project's name.

    The group is empty for a flat page, as find-links names one, since it may list files of any project. Its URL may end
    as a project page's does, but its first or last file is another project's; `sample` is its beginning and end.
    """
    project, half = urls.project(page_url), len(sample) // 2
    first = _NAMED.search(sample)
    named = [first[1], *(_NAMED.findall(sample, half) or _NAMED.findall(sample))[-1:]] if first else []
    files = [urls.normalized(name.decode()) for name in named]
    is_flat = page_url.endswith((".html", ".htm")) or not all(name.startswith(f"{project}-") for name in files)
    return "" if is_flat else project


def names_files(body: bytes) -> bool:
    """Return whether a page has the name of any distribution in it."""
    return _NAMED.search(body) is not None


def groups_of(file_url: str) -> Sequence[str]:
    """Return the groups of pages that may list a file: each project with whose name the file's name may begin."""
    parts = urls.normalized(unquote(urlsplit(file_url).path.rpartition("/")[2])).split("-")
    return ["", *("-".join(parts[:end]) for end in range(1, len(parts)))]


def lost(old: Page, new: Page) -> str | None:
    """Return what a page lost, if it is over half of its files or projects: a removal or an outage. Else None."""
    before = {link.filename for link in old.links}
    gone = len(before - {link.filename for link in new.links})
    if before and gone == len(before):
        return "it lists none of the files that it had"
    if gone * 2 > len(before):
        return f"it lost {gone} of its {len(before)} files"
    return f"it lists {new.projects} projects of {old.projects}" if new.projects * 2 < old.projects else None


def gains(old: Page, new: Page, page_url: str) -> bool:
    """Return whether a page lists a file of its own project that the older one lacks; of a page of none, any file."""
    before, now = ({link.filename for link in page.links} for page in (old, new))
    prefix = f"{urls.project(page_url)}-"
    own = {name for name in before | now if urls.normalized(name).startswith(prefix)}
    return bool((now - before) & own if before & own else now - before)


def digest(page: Page) -> str:
    """Return a digest of what a page lists; its text is no measure, as many indexes write the time into it."""
    return sha256(repr((sorted(link.filename for link in page.links), page.projects)).encode()).hexdigest()


def offers_less(old: Page, new: Page) -> bool:
    """Return whether a page lacks files of an older one, and has none that the older one lacks."""
    return {link.filename for link in new.links} < {link.filename for link in old.links}


def base(text: str, final: str) -> str:
    """Return the URL that the links of an HTML page are relative to; `final` is the page's own."""
    # The first <base> with a href counts, as in HTML; one may have a target alone.
    hrefs = (attributes(tag).get("href") for tag in re.findall(_BASE, text))
    return _joined(final, next((href for href in hrefs if href is not None), "")) or final


def json_links(url: str, files: Iterable[Mapping[str, Any]]) -> Iterator[Link]:
    """Yield the links of a JSON page's files, each of which has a URL."""
    for file in files:
        target = _joined(url, file["url"])
        metadata = file.get("core-metadata") or file.get("dist-info-metadata")
        if target:
            digest = _json_sha256(file.get("hashes"))
            yield Link(target.partition("#")[0], str(file.get("filename", "")), digest, _json_sha256(metadata))


def html_link(url: str, anchor: Mapping[str, str]) -> Link | None:
    """Return the link that an anchor of an HTML page is; None if it does not lead to a distribution."""
    target, _, fragment = (_joined(url, anchor.get("href", "")) or "").partition("#")
    filename = unquote(urlsplit(target).path.rpartition("/")[2])
    if not DISTRIBUTION.search(filename):
        return None
    metadata = anchor.get("data-core-metadata") or anchor.get("data-dist-info-metadata") or ""
    return Link(target, filename, urls.promised(fragment), urls.promised(metadata))


def _is_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media == "application/json" or media.endswith("+json")


def _read_json(url: str, body: bytes, base: str) -> Page:
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        raise NoIndexPage("broken JSON") from None
    if isinstance(page, dict) and isinstance(page.get("files"), list):
        if urls.normalized(str(page.get("name", ""))) != urls.project(url):
            raise NoIndexPage("another project's page")
        if not all(isinstance(file, dict) and isinstance(file.get("url"), str) for file in page["files"]):
            raise NoIndexPage("JSON with a file that has no URL")
        meta, status = page.get("meta"), page.get("project-status")
        last = meta.get("_last-serial") if isinstance(meta, dict) else None
        return Page(
            json_links(base, page["files"]),
            status=str(status.get("status", "active")) if isinstance(status, dict) else "active",
            serial=last if isinstance(last, int) else None,
        )
    if isinstance(page, dict) and isinstance(page.get("projects"), list):
        return Page(projects=len(page["projects"]))
    raise NoIndexPage("JSON, but no index page")


def _json_sha256(hashes: object) -> str | None:
    value = hashes.get("sha256") if isinstance(hashes, dict) else None
    return value if isinstance(value, str) and urls.is_sha256(value) else None


def _read_html(url: str, text: str, final: str) -> Page:
    start = base(text, final)
    links = filter(None, (html_link(start, attributes(anchor)) for anchor in _anchors(text)))
    first = next(links, None)
    anchors = [] if first else [attributes(anchor) for anchor in _anchors(text)]
    projects = _projects(start, anchors)
    if not first and not projects and not re.search(_PEP_503, text) and not _lists_nothing(start, text, anchors):
        raise NoIndexPage("HTML, but no index page")
    last = re.search(_SERIAL, text)
    page = Page(chain([first], links) if first else (), projects, _status(text), number(last[1]) if last else None)
    if _is_anothers(url, text, page):
        raise NoIndexPage("another project's page")
    return page


def _anchors(text: str) -> Iterator[str]:
    """Yield the attributes of each anchor."""
    return (found[1] for found in ANCHOR.finditer(text))


def _lists_nothing(start: str, text: str, anchors: Iterable[Mapping[str, str]]) -> bool:
    """Return whether HTML is a page without distributions: of an index, a folder, a project that was emptied.

    A portal's or a login page asks for something, runs something, or leads elsewhere.
    """
    if not re.search(_DOCUMENT, text) or re.search(_ACTIVE, text):
        return False
    targets = [_joined(start, anchor["href"]) for anchor in anchors if "href" in anchor]
    return all(target and urls.origin(target) == urls.origin(start) for target in targets)


def _status(text: str) -> str:
    """Return what HTML says of its project's status (PEP 792)."""
    said = (attributes(meta) for meta in re.findall(_META, text))
    statuses = (meta.get("content", "").lower() for meta in said if meta.get("name") == "pypi:project-status")
    return next(statuses, "active")


def _is_anothers(url: str, text: str, page: Page) -> bool:
    """Return whether a project page says that it is another project's, and none of its files says otherwise."""
    named, project = re.search(_LINKS_FOR, text), urls.project(url)
    if not named or not urlsplit(url).path.endswith("/") or urls.normalized(named[1]) == project:
        return False
    return not any(urls.normalized(link.filename).startswith(f"{project}-") for link in page.links)


def _joined(url: str, target: str) -> str | None:
    """Return an absolute URL, or None for a malformed link; one of those does not make a page unsound."""
    if _ABSOLUTE.fullmatch(target):  # As pip does; joining takes ten times as long (pip 26.3, models/link.py).
        return target
    if _ROOTED.fullmatch(target) and (origin := _ORIGIN.match(url)):
        return origin[0] + target
    try:
        joined = urljoin(url, target)
        urlsplit(joined)
    except ValueError:
        return None
    return joined


def attributes(tag: str) -> dict[str, str]:
    """Return the attributes in an HTML tag, by their names in lower case."""
    return {
        name.lower(): _unescaped(double or single or bare) for name, double, single, bare in _ATTRIBUTE.findall(tag)
    }


def _unescaped(text: str) -> str:
    return _unescape()(text) if "&" in text else text


@cache
def _unescape() -> Callable[[str], str]:
    with standard.library():
        import html  # noqa: PLC0415 - 1.5 ms, for hardly any page of an index

    return html.unescape


def target(anchor: str) -> str:
    """Return an anchor's `href` as it is written, without making it absolute."""
    return attributes(anchor).get("href", "")


def _projects(url: str, anchors: Iterable[Mapping[str, str]]) -> int:
    """Return the number of anchors if each leads one level down, as in a project list; else 0."""
    targets = [(_joined(url, anchor.get("href", "")) or "").rstrip("/") for anchor in anchors]
    return len(targets) if all(target.rpartition("/")[0] == url.rstrip("/") for target in targets) else 0
