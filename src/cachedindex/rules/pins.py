"""Cuts a project page down to the pinned version, for a client that is slow with the whole page.

That is a buildout which searches and sorts its whole list again for each link of a page, and whose lists
`clients/buildout/candidates.py` does not know: a page of 4000 files costs it over 20 s, pinned or not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from cachedindex.rules import pages, urls

_RELEASE = r"v?(\d+(?:\.\d+)*)"
_PIN = re.compile(_RELEASE + r"(?:[-_.]?(?:a|b|c|rc|alpha|beta|pre|preview|post|rev|r|dev)[-_.]?\d*)*", re.IGNORECASE)
"""A version whose release number is certain (PEP 440); one with an epoch or a local part is left alone."""


def exact(specifiers: Sequence[tuple[str, str]]) -> str | None:
    """Return the one version that a requirement's specifiers allow, if its release number is certain; else None."""
    if len(specifiers) != 1 or specifiers[0][0] != "==":
        return None
    version = specifiers[0][1].strip()
    return version if _PIN.fullmatch(version) else None


def only(page: str, project: str, version: str) -> str | None:
    """Return an HTML page without the links to files of other releases; None if it has no file of `version`.

    Links in doubt stay: files whose names are built otherwise, and pre- and post-releases of the same release. So a
    client that wants this version chooses the same file as from the whole page.
    """
    wanted = _release(version)
    name = "[-_.]+".join(map(re.escape, urls.normalized(project).split("-")))
    named = re.compile(rf"{name}-{_RELEASE}(?![\d!])", re.IGNORECASE)
    kept = 0

    def kept_or_cut(anchor: re.Match[str]) -> str:
        nonlocal kept
        try:
            filename = unquote(urlsplit(pages.target(anchor[1])).path.rpartition("/")[2])
        except ValueError:  # A link that leads nowhere.
            return anchor[0]
        found = named.match(filename)
        if found and _release(found[1]) != wanted:
            return ""
        kept += bool(found)
        return anchor[0]

    cut = pages.LINK.sub(kept_or_cut, page)
    return cut if kept else None


def _release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version's release, without zeros at the end, which mean nothing (PEP 440)."""
    found = re.match(_RELEASE, version, re.IGNORECASE)
    numbers = [int(number) for number in found[1].split(".")] if found else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
