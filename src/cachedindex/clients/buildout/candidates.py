"""Has buildout's index sort a project's candidates once, when they are first read, instead of again for each link.

Stock searches and sorts the whole list for each link of a page (zc.buildout 6.0.1, easy_install.py, EnvironmentMixin;
buildout#573): over 10 s for a page of 4000 files, pinned or not. The list that comes out is the same.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable
from typing import Any

_ADD = {"_distmap", "append", "attrgetter", "can_add", "has_version", "key", "normalize_name", "operator"}
_ADD |= {"setdefault", "sort"}
_GET = {"_distmap", "get", "normalize_name"}
"""The names in the two methods that are replaced, by which they are recognized (zc.buildout 3.3 to 6.0.1)."""
_NEWEST_FIRST = operator.attrgetter("hashcmp")
_STATE = "_cachedindex_candidates"


def attach(easy_install: Any) -> bool:
    """Replace the two methods for index pages, and return whether this zc.buildout has them as they are known."""
    mixin: Any = getattr(easy_install, "EnvironmentMixin", None)
    index: Any = getattr(easy_install, "AllowHostsPackageIndex", None)
    normalized: Any = getattr(easy_install, "normalize_name", None)
    if not mixin or not index or not normalized or (index.add, index.__getitem__) != (mixin.add, mixin.__getitem__):
        return False
    if (_names(mixin.add), _names(mixin.__getitem__)) != (_ADD, _GET):
        return False
    index.add, index.__getitem__ = _methods(normalized)
    return True


class _Candidates:
    """What an index object has of one project: the list that buildout reads, and the same as a set."""

    def __init__(self, found: list[Any]) -> None:
        self._found = found
        self._known: set[Hashable] = set(found)
        self._is_sorted = True

    def add(self, candidate: Any) -> None:
        if len(self._known) != len(self._found):  # Somebody else has changed the list.
            self._known = set(self._found)
        if candidate not in self._known:
            self._known.add(candidate)
            self._found.append(candidate)
            self._is_sorted = False

    def sort(self) -> None:
        if not self._is_sorted:
            self._found.sort(key=_NEWEST_FIRST, reverse=True)
            self._is_sorted = True


def _methods(normalized: Callable[[str], str]) -> tuple[Callable[..., None], Callable[..., Any]]:
    """Return `add` and `__getitem__`; a list of buildout's own stays in its `_distmap`."""

    def add(self: Any, dist: Any) -> None:
        """Add a distribution if it fits and is not there."""
        if self.can_add(dist) and dist.has_version():
            key = normalized(dist.key)
            projects = vars(self).setdefault(_STATE, {})
            if key not in projects:
                projects[key] = _Candidates(self._distmap.setdefault(key, []))
            projects[key].add(dist)

    def get(self: Any, project_name: str) -> Any:
        """Return a project's distributions, the newest one first."""
        key = normalized(project_name)
        candidates = vars(self).get(_STATE, {}).get(key)
        if candidates:
            candidates.sort()
        return self._distmap.get(key, [])

    return add, get


def _names(method: Any) -> set[str]:
    code = getattr(method, "__code__", None)
    return set(code.co_names) if code else set()
