"""The project and the version in the file name of a distribution, and the one spelling of a version (PEP 440)."""

from __future__ import annotations

import re

from cachedindex.named import NamedTuple
from cachedindex.rules import pages, urls

_VERSION = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<pre_number>\d*))?"
    r"(?:-(?P<implicit>\d+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_number>\d*))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_number>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.IGNORECASE,
)
_PHASES = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_BUILT = re.compile(r"[-.](?:py\d|macosx|linux|win|manylinux).*$", re.IGNORECASE)
"""What follows the version in the name of an egg or of an installer."""
_WHEEL_PARTS = 5


class Named(NamedTuple):
    """What a file name says."""

    project: str
    """Normalized (PEP 503)."""
    version: str
    """As it is written; empty if there is none."""


class Release(NamedTuple):
    """The files of one version on a page."""

    version: str
    """As the first of them writes it."""
    files: list[pages.Link]


def parsed(filename: str) -> Named | None:
    """Return what the name of a distribution, or of the `.metadata` beside it, says; None for another file.

    The name of a project may have a dash and a digit (`foo-2bar-1.0.tar.gz`), so the version is the longest end of the
    name that is one; only if there is none, it begins at the first dash before a digit.
    """
    stem, count = pages.DISTRIBUTION.subn("", filename.removesuffix(".metadata"))
    if not count:
        return None
    parts = stem.split("-")
    if filename.removesuffix(".metadata").lower().endswith(".whl") and len(parts) >= _WHEEL_PARTS:
        return Named(urls.normalized(parts[0]), parts[1])
    stem = _BUILT.sub("", stem)
    dashes = [found.start() for found in re.finditer("-", stem)]
    ends = [at for at in dashes if _VERSION.fullmatch(stem, at + 1)]
    ends = ends or [at for at in dashes if stem[at + 1 : at + 2].isdigit()]
    if not ends:
        return Named(urls.normalized(stem), "")
    return Named(urls.normalized(stem[: ends[0]]), stem[ends[0] + 1 :])


def canonical(version: str) -> str:
    """Return the spelling that all spellings of a version share (PEP 440); any other text in lower case."""
    found = _VERSION.fullmatch(version.strip())
    if found is None:
        return version.strip().lower()
    release = [_number(part) for part in found["release"].split(".")]
    while len(release) > 1 and release[-1] == "0":
        release.pop()
    pre = (found["pre"] or "").lower()
    return "".join((
        f"{_number(found['epoch'])}!" if found["epoch"] else "",
        ".".join(release),
        f"{_PHASES.get(pre, pre)}{_number(found['pre_number'])}" if pre else "",
        f".post{_number(found['implicit'] or found['post_number'])}" if found["implicit"] or found["post"] else "",
        f".dev{_number(found['dev_number'])}" if found["dev"] else "",
        f"+{re.sub('[-_]', '.', found['local'].lower())}" if found["local"] else "",
    ))  # fmt: skip


def by_version(page: pages.Page) -> dict[str, Release]:
    """Return the releases of a page by their canonical versions, the oldest first; without files that show none."""
    found: dict[str, Release] = {}
    for link in page.links:
        named = parsed(link.filename)
        if named and named.version:
            found.setdefault(canonical(named.version), Release(named.version, [])).files.append(link)
    return {version: found[version] for version in sorted(found, key=order)}


def order(version: str) -> tuple[object, ...]:
    """Return what versions are sorted by, the oldest first; what is no version comes before all others."""
    found = _VERSION.fullmatch(version.strip())
    if found is None:
        return (0, version)
    pre = (found["pre"] or "").lower()
    is_final = not pre and not (found["dev"] and not found["post"])
    post = found["implicit"] or found["post_number"] or "0" if found["implicit"] or found["post"] else "-1"
    return (
        1,
        int(found["epoch"] or 0),
        tuple(map(int, canonical(found["release"]).split("."))),
        "z" if is_final else _PHASES.get(pre, pre),
        int(found["pre_number"] or 0),
        int(post),
        float(found["dev_number"] or 0) if found["dev"] else float("inf"),
        found["local"] or "",
    )


def _number(digits: str | None) -> str:
    return (digits or "").lstrip("0") or "0"
