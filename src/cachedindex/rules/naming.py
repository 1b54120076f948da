"""From a request to names: the origin it goes to, the key and readable path of its record, what a person may see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from cachedindex.model import Request

GAINED = "gained"
"""The scope of what was answered to a credential that was added below us: nobody sees it before, to take its digest."""
_LONGEST_SEGMENT = 80
_DEEPEST = 8
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
"""Names that are no files on Windows, whatever follows the first dot."""


def bare(url: str) -> str:
    """Return the URL without user, password and fragment: what is asked for."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def public(url: str) -> str:
    """Return the URL without its query as well, which may be a secret: what may be stored and shown."""
    return urlsplit(bare(url))._replace(query="").geturl()


def origin(url: str) -> str:
    """Return scheme, host and port, in lower case and without a default port."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def normalized(name: str) -> str:
    """Return a project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def project(url: str) -> str:
    """Return the normalized last segment of a page's path, which for a project page is the project's name."""
    return normalized(unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2]))


def forms(request: Request) -> Sequence[str]:
    """Return the representations of a page that the request names, the one that it prefers first.

    "json" (PEP 691) or "html" (PEP 503). One that it only does not rule out is not among them: who says nothing, or
    `*/*`, reads HTML. What is no page has one form, without a name.
    """
    if request.kind != "page":
        return [""]
    wanted: dict[str, float] = {}
    for item in request.headers.get("accept", "").split(","):
        media, *parameters = (part.strip() for part in item.lower().split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        form = "json" if media.endswith("+json") else "html"
        wanted[form] = max(wanted.get(form, 0.0), _number(quality))
    named = [form for form in ("html", "json") if wanted.get(form)]
    return sorted(named, key=lambda form: -wanted[form]) or ["html"]


def kept_form(request: Request, content_type: str) -> str:
    """Return the form as which an answer is kept: the preferred one, as an index may not speak it and never will.

    But JSON that came to who prefers HTML, by an index that does not weigh, is not for those who read HTML only.
    """
    named = forms(request)
    return "json" if "json" in named and "json" in content_type.lower() else named[0]


def record_path(request: Request, form: str) -> Sequence[str]:
    """Return the folders and the name of a record below the records folder: the request's, in one of its forms.

    The folders are for people, the key is for uniqueness; the reader compares the whole URL all the same.
    """
    parts = urlsplit(request.url)
    host = _segment(parts.netloc.rpartition("@")[2].replace(":", "_"))
    segments = [_segment(unquote(part)) for part in parts.path.split("/") if part]
    if form:
        return [host, *segments[-_DEEPEST:], f"page.{form}.{key(request, form)}"]
    # No folder for a file's hashed directories: one level of files per host is what `ls` can be used on.
    return [host, "files", f"{segments[-1] if segments else 'index'}.{key(request, form)}"]


def key(request: Request, form: str) -> str:
    """Return what tells the request's record in this form from every other one."""
    everybodys = _digest(request.url, form, request.trust)
    return f"{everybodys}.{request.scope}" if request.scope else everybodys


def inherited(page: Request, file: Request) -> str:
    """Return the scope of a file that a page promises, where it is asked for without a credential.

    What only a private page tells of is private as well; but what a credential got is not for who comes without.
    """
    if page.scope == GAINED and file.may_gain:
        return GAINED
    return f"{page.scope}-anybody" if page.scope else ""


def health_name(request: Request) -> str:
    """Return the file name of what is remembered of the request's origin, as reached by its proxy and trust."""
    start = origin(request.url)
    return f"{_segment(start.rpartition('/')[2].replace(':', '_'))}.{_digest(start, request.proxy, request.trust)}"


def _segment(text: str) -> str:
    safe = re.sub(r"[^A-Za-z0-9._+-]", "_", text)[:_LONGEST_SEGMENT].rstrip(".")
    if not safe or safe.startswith(".") or _DEVICE.match(safe):
        return f"_{safe.lstrip('.')}"
    return safe


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # A quality that is no number says nothing, as for a missing one.
        return 1.0
