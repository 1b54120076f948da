"""What no index vouches for: an `extends` file, an archive, anything else; and whether an answer can be one."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from cachedindex.model import Record

_SECTION = re.compile(r"\[[^\[\]\s][^\n]*\]")
_ARCHIVE = re.compile(r"\.(?:gz|tgz|bz2|xz|zip|whl|egg)$")


def is_configuration(url: str) -> bool:
    """Return whether a URL is a buildout configuration's, as `extends` names one."""
    return urlsplit(url).path.lower().endswith(".cfg")


def is_distribution(url: str) -> bool:
    """Return whether a URL is an archive's, whose name has its version, so that it hardly ever changes."""
    return _ARCHIVE.search(urlsplit(url).path.lower()) is not None


def unlike(url: str, record: Record | None, content_type: str, body: bytes) -> str | None:
    """Return what an answer is, where that cannot be what was asked for: a portal's page instead of a download.

    `body` is only there for a configuration.
    """
    if is_configuration(url):
        return _no_configuration(body)
    if "html" not in content_type.lower():
        return None
    if record:
        return None if "html" in record.headers.get("content-type", "").lower() else "HTML, where there was none"
    return "HTML" if is_distribution(url) else None


def _no_configuration(body: bytes) -> str | None:
    """Say why a text is no configuration: the first line that is not empty or a comment begins a section."""
    lines = (line.strip() for line in body.decode("utf-8", "replace").splitlines())
    first = next((line for line in lines if line and not line.startswith(("#", ";"))), "")
    if _SECTION.match(first):
        return None
    return "HTML" if first.startswith("<") else "no section of a configuration"
