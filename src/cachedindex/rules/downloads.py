"""Whether an answer can be the download that was asked for: an `extends` file, an archive, anything but a page."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from cachedindex.model import Record

_SECTION = r"\[[^\[\]\s][^\n]*\]"
_HASHES = r"/pypi/[^/]+(/[^/]+)?/json$"
_ARCHIVES = (".gz", ".tgz", ".bz2", ".xz", ".zip", ".whl", ".egg")
_READ = r"(?i)\.(?:cfg|conf|in|ini|json|lock|toml|txt|ya?ml)$|/\+?simple/(?:[^/]+/)?$"


def is_reading(url: str) -> bool:
    """Return whether a URL has the name of a configuration, of an index page, or of a distribution."""
    return re.search(_READ, urlsplit(url).path) is not None or is_distribution(url) or is_optional(url)


def is_configuration(url: str) -> bool:
    """Return whether a URL is a buildout configuration's, as `extends` names one."""
    return urlsplit(url).path.lower().endswith(".cfg")


def is_optional(url: str) -> bool:
    """Return whether nobody misses the answer: pip-compile does without these hashes (pip-tools 7.5, pypi.py)."""
    return re.search(_HASHES, urlsplit(url).path) is not None


def is_unnamed(url: str) -> bool:
    """Return whether a URL names neither a file nor a page, as one does that asks a program whether it is ready."""
    name = urlsplit(url).path.rpartition("/")[2]
    return bool(name) and "." not in name


def is_distribution(url: str) -> bool:
    """Return whether a URL is an archive's, whose name has its version, so that it hardly ever changes."""
    return urlsplit(url).path.lower().endswith(_ARCHIVES)


def unlike(url: str, record: Record | None, content_type: str, body: bytes) -> str | None:
    """Return what an answer is if it cannot be the download, as the page of a login portal cannot; else None.

    `body` is empty unless the URL is a configuration's.
    """
    if is_configuration(url):
        return _no_configuration(body)
    if "html" not in content_type.lower():
        return None
    if record:
        return None if "html" in record.headers.get("content-type", "").lower() else "HTML, which the copy is not"
    return "HTML" if is_distribution(url) else None


def _no_configuration(body: bytes) -> str | None:
    """Return what a text is if it is no configuration, which begins with comments or a section; else None."""
    lines = (line.strip() for line in body.decode("utf-8", "replace").splitlines())
    first = next((line for line in lines if line and not line.startswith(("#", ";"))), "")
    if re.match(_SECTION, first):
        return None
    return "HTML" if first.startswith("<") else "a text that is no configuration"
