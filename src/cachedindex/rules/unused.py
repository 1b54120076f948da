"""Which options had no effect on a run because of a name: a section's URL, or a project that `refresh` names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from difflib import SequenceMatcher

from cachedindex.model import Request
from cachedindex.options import Settings
from cachedindex.rules import urls

_ALIKE = 0.75
"""How alike two segments of a URL are at least, if one may be the other one misspelt."""


def needed(request: Request, settings: Settings) -> Iterable[str]:
    """Return what the look-up of a page shows to be right: a section by its URL, a project; and the index asked."""
    if request.kind == "page":
        yield f"index {urls.repository(request.url)}"
        yield f"section {settings.section_of(request.url)}"
        yield f"project {urls.project(request.url)}"


def unused(settings: Settings, seen: Collection[str]) -> Sequence[str]:
    """Return a line for each option that no look-up of a run needed, though it probably should have.

    A node has sections for all of its indexes, of which a build needs few. So one is in doubt only if an index was
    asked whose URL differs from it in one segment, as by a typing error, another scheme or port, or a missing folder.
    """
    names = [name for name in settings.refresh if name != ":all:" and f"project {urls.normalized(name)}" not in seen]
    lines = [f"nobody asked for {', '.join(names)}, which refresh names"] if names else []
    asked = sorted(text.removeprefix("index ") for text in seen if text.startswith("index "))
    for url, _ in settings.indexes:
        near = next((index for index in asked if _is_misspelt(url, index)), None)
        if near and f"section {url}" not in seen:
            lines.append(f"the options for {url} had no effect, as nothing was asked there; did you mean {near}?")
    return lines


def _is_misspelt(url: str, index: str) -> bool:
    mine, theirs = url.strip("/").split("/"), index.strip("/").split("/")
    if len(mine) == len(theirs):
        differing = [pair for pair in zip(mine, theirs, strict=True) if pair[0] != pair[1]]
        return len(differing) == 1 and _are_alike(*differing[0])
    short, long = sorted((mine, theirs), key=len)
    return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))


def _are_alike(mine: str, other: str) -> bool:
    if mine.partition(":")[0] == other.partition(":")[0]:  # One host, two ports.
        return True
    return SequenceMatcher(None, mine, other).ratio() >= _ALIKE
