"""The parts of a URL of an index: credentials, origin, project, promised hash; and what of it may be shown."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from cachedindex.model import Kind
from cachedindex.named import NamedTuple

_NAMED = re.compile(r"(.+?)-\d")
"""The project's name in the file name of a distribution, up to the version."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_MARKED_OR_MIXED = (
    r"(?:gl(?:pat|dt|cbt)-|gh[opsu]_|github_pat_|dckr_pat_|pypi-AgE|AKCp|cmVmd|eyJ).{8,}"  # as their issuers mark them
    r"|(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9_-]{16,}"
    r"|(?:[0-9a-f]{32}|[0-9a-f]{48})"  # a commit has 40 digits, a sha256 has 64
)
_SHORTEST_TOKEN = 11
_LOOPBACK = r"(?:.+\.)?localhost\.?|127(?:\.\d{1,3}){3}|::1"
_HASHED = re.compile(r"(/[0-9a-f]{2,})+$")
"""The folders that an index makes of a file's digest."""


class Parts(NamedTuple):
    """A URL, and the parts of it that are taken out because they are not sent, or are secret."""

    bare: str
    """Without user, password and fragment."""
    userinfo: str
    """User and password, as written before the host; empty if there are none."""
    sha256: str | None
    """The digest that the fragment promises (PEP 503)."""


def split(url: str) -> Parts:
    """Take a URL apart."""
    parts = urlsplit(url)
    userinfo, _, host = parts.netloc.rpartition("@")
    return Parts(parts._replace(netloc=host, fragment="").geturl(), userinfo, promised(parts.fragment))


def bare(url: str) -> str:
    """Return the URL without user, password and fragment."""
    return split(url).bare


def public(url: str) -> str:
    """Return the URL as it may be stored and shown: without its query as well, which may be a secret."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def of_file(url: str, sha256: str) -> str:
    """Return the URL under which a file of this digest is stored: a query may be a signature, another one each time."""
    return f"{public(url)}?sha256={sha256}" if "?" in url else url


def is_lasting(url: str) -> bool:
    """Return whether a URL has no user, and no query that may be a signature: each use of those may be another one."""
    return url.startswith(("http://", "https://")) and not set("@?") & set(url)


def is_plain(url: str) -> bool:
    """Return whether the URL is asked without TLS, so that a proxy on the way sees and answers the request."""
    return urlsplit(url).scheme == "http"


def origin(url: str) -> str:
    """Return scheme, host and port, in lower case and without a default port."""
    parts = urlsplit(url)
    try:
        number = parts.port
    except ValueError:  # It is out of range: a redirect may lead there, and the client says so when it asks.
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"
    port = "" if number in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{number}"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def is_loopback(url: str) -> bool:
    """Return whether the URL is asked of this machine itself (RFC 1122, RFC 4291, RFC 6761)."""
    return re.fullmatch(_LOOPBACK, urlsplit(url).hostname or "") is not None


def is_host_of(header: str, url: str) -> bool:
    """Return whether a Host header names the host of a URL, with its port or without."""
    netloc = urlsplit(url).netloc.rpartition("@")[2].lower()
    return header.strip().lower() in (netloc, netloc.rpartition(":")[0] or netloc)


@lru_cache(maxsize=1024)  # A look-up needs it for each form, twice.
def page(url: str) -> str:
    """Return the URL by which a page is known, however a client spells the project's name (PEP 503).

    buildout up to 4.1.4 asks for `zope.interface`, and pip for `zope-interface`.
    """
    parts = urlsplit(url)
    folder, _, name = parts.path.removesuffix("/").rpartition("/")
    if not parts.path.endswith("/") or not _NAME.fullmatch(unquote(name)):
        return url
    return parts._replace(path=f"{folder}/{normalized(unquote(name))}/").geturl()


@lru_cache(maxsize=1024)  # Every event of a log is sorted by it, again after each one that is added.
def repository(url: str) -> str:
    """Return the part of an origin that fails by itself, with a slash at the end.

    Of a project page, it is the index. Of a download, it is the folder, without folders that are made of a digest: the
    files of one index are in many of these.
    """
    path = urlsplit(url).path
    folder = path.rstrip("/").rpartition("/")[0]
    return f"{origin(url)}{folder if path.endswith('/') else _HASHED.sub('', folder)}/"


def blamed(asked: str, failed: str, cause: str) -> str:
    """Return what to say of a failure; `failed` is the URL that failed, to which a redirect of `asked` may have led."""
    if not failed or origin(failed) == origin(asked):
        return cause
    return f"it redirects to {origin(failed)}, which failed: {cause}"


def normalized(name: str) -> str:
    """Return a project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def filename(url: str) -> str:
    """Return the last segment of a download's path."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def project(url: str) -> str:
    """Return the normalized last segment of a page's path, which for a project page is the project's name."""
    return normalized(unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2]))


def project_of(url: str) -> str:
    """Return the project that a page or a distribution belongs to; of any other download, the whole URL."""
    path = urlsplit(url).path
    named = _NAMED.match(filename(url))
    return project(url) if path.endswith("/") else normalized(named[1]) if named else url


def promised(fragment: str) -> str | None:
    """Return the sha256 that a link's fragment promises (PEP 503)."""
    name, _, value = fragment.partition("=")
    return value if name == "sha256" and is_sha256(value) else None


def is_sha256(text: str) -> bool:
    """Return whether a text is a sha256 in lower-case hexadecimal digits."""
    return _SHA256.fullmatch(text) is not None


def is_token(segment: str) -> bool:
    """Return whether a segment of a path looks like a token, by its mark or its mixture of letters and digits."""
    return len(segment) >= _SHORTEST_TOKEN and re.fullmatch(_MARKED_OR_MIXED, segment) is not None


def without_tokens(url: str) -> str:
    """Return a URL with its segments that look like tokens left out."""
    return "/".join("***" if is_token(segment) else segment for segment in url.split("/"))


def kind(url: str, accept: str, sha256: str | None) -> Kind:
    """Return the kind of a request, as far as it is known before anything has been fetched."""
    if sha256:
        return "file"
    if "vnd.pypi.simple" in accept:
        return "page"
    return "page" if urlsplit(url).path.lower().endswith(("/", ".html", ".htm")) else "other"
