"""The files of a page by the versions that pip sees in their names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from cachedindex.named import NamedTuple
from cachedindex.rules import promised

SDISTS = (".tar.gz", ".zip", ".tar.bz2", ".tgz")
_PARTS = (5, 6)
"""A wheel's name has so many, without a build tag or with one (PEP 427)."""
_NAME = re.compile(r"(?!.*__)[\w.]+", re.ASCII)
_VERSION = re.compile(r"(\d+!)?\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9]+(\.[a-z0-9]+)*)?", re.ASCII)
_NEWEST = 16
"""Each version is searched for in the whole page: the 700 of a real project that an old Python lacks took 3 s."""
_PAGES = 64
"""Pages that are kept: pip reads them a moment after they were read ahead, and real ones have 400 kB each."""


class Versions(NamedTuple):
    """The versions of a project on one page, as far as they can be told apart."""

    files: Mapping[Any, Sequence[str]]
    """The names of the files of each version, the newest version first."""
    others: Sequence[str]
    """Names that are not plain: pip may see a version in them, or none."""


@lru_cache(maxsize=_PAGES)
def of_json(text: str, project: str) -> Versions | None:
    """Return the versions on a page in JSON; None if it is not certain which files it lists."""
    names = promised.files(text)
    return None if names is None else of_names(names, project)


def of_names(names: Sequence[str], project: str) -> Versions:
    """Return the versions of files."""
    from pip._vendor.packaging.version import InvalidVersion, Version  # noqa: PLC0415 - only in a pip

    texts: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        texts[_of_wheel(name) if name.endswith(".whl") else _of_sdist(name, project)].append(name)
    files: defaultdict[Any, list[str]] = defaultdict(list)
    others: list[str] = []
    for text, of_text in texts.items():
        try:
            files[Version(text)] += of_text
        except InvalidVersion:
            others += of_text
    return Versions({version: files[version] for version in sorted(files, reverse=True)}, others)


def is_plain(parts: Sequence[str]) -> bool:
    """Return whether a wheel's name, given its parts, is written as PEP 427 and PEP 440 normalize it.

    pip 24.3 to 25.2 warn of each one that is not, as they read it (models/wheel.py).
    """
    build = parts[2] if len(parts) == _PARTS[1] else "1"
    return len(parts) in _PARTS and _is_plain_name(parts[0]) and _is_plain_version(parts[1]) and build.isalnum()


@lru_cache
def _is_plain_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _is_plain_version(text: str) -> bool:
    """Return whether a version is a normalized one; a release may have fifty wheels."""
    return _VERSION.fullmatch(text) is not None


def newest(finder: Any, project: str, specifier: Any, versions: Sequence[Any]) -> Iterator[Any]:
    """Yield the first versions that a specifier allows: so many as are found sooner than all by reading the page."""
    allowed: Iterator[Any] = specifier.filter(versions, prereleases=_prereleases(finder, project))
    return islice(allowed, _NEWEST)


def _prereleases(finder: Any, project: str) -> Any:
    """Return what a finder of pip's hands over to a specifier that filters versions."""
    control = getattr(finder, "release_control", None)
    if control is not None:
        return control.allows_prereleases(project)
    return getattr(finder, "allow_all_prereleases", False) or None


def _of_wheel(name: str) -> str:
    parts = name.split("-")
    return parts[1] if len(parts) in _PARTS and _is_plain_name(parts[0]) else ""


def _of_sdist(name: str, project: str) -> str:
    """Return the version in the name of a project's sdist; empty if that is not plain."""
    place = len(project)
    if not name.endswith(SDISTS) or name[place : place + 1] != "-":
        return ""
    if name[:place].lower().replace("_", "-").replace(".", "-") != project:
        return ""
    ending = next(ending for ending in SDISTS if name.endswith(ending))
    return name[place + 1 : -len(ending)]
