"""URLs as an index uses them: the origin that is asked, the project that a page is about, what may be shown of one."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit


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
