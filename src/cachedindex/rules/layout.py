"""The names of everything in the cache folder: a record's path and key, a health log, an event's subject."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from cachedindex.model import Request
from cachedindex.rules import accept, urls

_LONGEST_SEGMENT = 80
_DEEPEST = 8
_LONGEST_PATH = 90 if sys.platform == "win32" else 4096
"""A longer path of a record, without its scope, is made of fewer and shorter segments. Windows has 259 characters for
the cache folder, this, and 80 more of a user's own tree, the scope and a temporary's name."""
_SHORT_SEGMENT = 20
OF_USER = "user"
"""The scope of what is this user's alone, but takes no certain credential."""
FORBIDDEN = "forbidden"
"""In place of a form: a record that a repository forbids to store what it answers."""
ABSENT = "absent"
"""Stands for the form in the name of a record that says that an index did not have the page, in any form."""
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
"""Names that cannot be files on Windows, whatever follows the first dot."""


def record_paths(request: Request) -> Sequence[Sequence[str]]:
    """Return the paths of a request's records, one for each form that can serve it, the preferred one first."""
    return [record_path(request, form) for form in accept.readable(_forms(request))]


def record_path(request: Request, form: str) -> Sequence[str]:
    """Return the folders and the name of a record below the records folder: the request's, in one of its forms.

    The folders are for people, the key is for uniqueness; the reader compares the URL all the same.
    """
    return _record_path(request.url, form, request.route.trust, request.identity.scope)


def is_place_of(parts: Sequence[str], url: str, form: str) -> bool:
    """Return whether a path below the records folder is that of everybody's record of a URL.

    It may be of any trust, which only the key shows.
    """
    *folders, name = record_path(Request("GET", url, "page"), form)
    start, _, _ = name.rpartition(".")
    return [*parts[:-1]] == folders and re.fullmatch(rf"{re.escape(start)}\.[0-9a-f]{{16}}", parts[-1]) is not None


def of_repository(request: Request) -> Request:
    """Return the request under which something is stored of the whole repository of a request."""
    return request._replace(url=urls.repository(request.url), kind="page", sha256=None)


def is_absence(name: str) -> bool:
    """Return whether a record of this name says that an index did not have a page."""
    return name.startswith(f"page.{ABSENT}.")


def is_page(name: str) -> bool:
    """Return whether a record of this name has a page."""
    return name.startswith(("page.html.", "page.json."))


def key(request: Request, form: str) -> str:
    """Return what distinguishes the request's record in this form from every other one."""
    return _key(request.url, form, request.route.trust, request.identity.scope)


def preferred_key(request: Request) -> str:
    """Return a name for the record that the request prefers, by which processes wait for each other."""
    name = key(request, _forms(request)[0])
    return _digest(name) if request.identity.scope else name  # Everybody can read the names of locks.


def health_name(request: Request) -> str:
    """Return the file name of the health log of the request's origin, as reached by its proxy and trust."""
    origin, route = urls.origin(request.url), request.route
    return f"{_segment(origin.rpartition('/')[2].replace(':', '_'))}.{_digest(origin, route.proxy, route.trust)}"


def subject(request: Request) -> str:
    """Return what an event in a health log is about; another credential may have been answered otherwise.

    Everybody can read the log. So it does not name what is private, and of what is this user's alone, whose path may
    hold a token, it does not name the index either.
    """
    scope, repository = request.identity.scope, urls.repository(request.url)
    if not scope:
        return request.url
    # Not a digest alone, as folders of digests are no part of a file's repository.
    index = f"{urls.origin(request.url)}/index-{_digest(repository, scope)}/" if scope == OF_USER else repository
    return f"{index}{_digest(request.url, scope)}{'/' if urlsplit(request.url).path.endswith('/') else ''}"


@lru_cache(maxsize=256)  # A look-up that stores a page needs each of its paths several times.
def _record_path(url: str, form: str, trust: str, scope: str) -> Sequence[str]:
    parts = urlsplit(urls.page(url) if form else url)
    host = _segment(parts.netloc.rpartition("@")[2].replace(":", "_"))
    segments = [_segment(unquote(part)) for part in parts.path.split("/") if part]
    folders = segments[-_DEEPEST:] if form else ["files"]
    # A URL's hashed directories get no folders: one level of files for each host is readable with `ls`.
    start = f"page.{form}" if form else segments[-1] if segments else "index"
    if len("/".join((host, *folders, f"{start}.{_key(url, form, trust, '')}"))) > _LONGEST_PATH:
        host, *folders, start = (_segment(each[:_SHORT_SEGMENT]) for each in (host, *folders[-1:], start))
    return (host, *folders, f"{start}.{_key(url, form, trust, scope)}")


@lru_cache(maxsize=256)
def _key(url: str, form: str, trust: str, scope: str) -> str:
    public = _digest(urls.page(url) if form else url, form, trust)
    return f"{public}.{scope}" if scope else public


def _forms(request: Request) -> Sequence[str]:
    return accept.forms(request.kind, request.headers.get("accept", ""))


def _segment(text: str) -> str:
    safe = re.sub(r"[^A-Za-z0-9._+-]", "_", text)[:_LONGEST_SEGMENT].rstrip(".")
    if not safe or safe.startswith(".") or _DEVICE.match(safe):
        return f"_{safe.lstrip('.')}"
    return safe


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:16]
