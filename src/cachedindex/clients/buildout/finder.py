"""Surrounds buildout's search for a version: asks upstream before it fails, and turns a timeout into a user's error.

It searches again if the file that it found is gone or has changed since the page was stored.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cachedindex.clients.buildout.pages import BuildoutPages
from cachedindex.clients.common import OUTDATED, cause, searched_pages
from cachedindex.rules import pins

_GETTING = ("_get_dist", "build")
"""The methods of buildout's installer that search for a distribution, and then fetch it."""


def attach(pages: BuildoutPages, easy_install: Any, fatal: Callable[[str], Exception]) -> bool:
    """Have the installer of `zc/buildout/easy_install.py` search by way of `pages` (zc.buildout 3.3 to 6.0.1).

    Returns whether this zc.buildout has the functions for that; `fatal` makes the exception that ends a build without
    a traceback.
    """
    installer: Any = getattr(easy_install, "Installer", None)
    needed = (installer, "_obtain", "_fetch", *_GETTING), (easy_install, "_get_index", "clear_index_cache")
    if not all(hasattr(owner, name) for owner, *names in needed for name in names):
        return False
    obtain, fetch = installer._obtain, installer._fetch  # noqa: SLF001 - their names in all these releases
    finder = _Finder(pages, easy_install, obtain)

    @functools.wraps(obtain)
    def obtain_all(self: Any, requirement: Any, source: Any = None) -> Any:
        with _without_traceback(fatal, requirement):
            return finder.obtain(self, requirement, source)

    @functools.wraps(fetch)
    def fetch_all(self: Any, dist: Any, *more: Any, **named: Any) -> Any:
        with _without_traceback(fatal, dist):
            return fetch(self, dist, *more, **named)

    installer._obtain, installer._fetch = obtain_all, fetch_all  # noqa: SLF001
    for name in _GETTING:
        setattr(installer, name, finder.getting(getattr(installer, name)))
    return True


class _Finder:
    """Finds a distribution for a requirement, with an index object that has read the right pages."""

    def __init__(self, pages: BuildoutPages, easy_install: Any, original: Callable[..., Any]) -> None:
        self._pages = pages
        self._easy_install = easy_install
        self._original = original

    def obtain(self, installer: Any, requirement: Any, source: Any) -> Any:
        """Return the best distribution; None only after upstream was asked."""
        found, cache = self._once(installer, requirement, source), self._pages.cache
        if found is not None or not cache:
            return found
        searched = searched_pages(requirement.project_name, installer._links)  # noqa: SLF001
        unasked = [page for page in searched if cache.has_unasked(page)]
        if unasked:
            with cache.refreshing(*unasked):
                self._renew(installer)
                found = self._once(installer, requirement, source)
        if found is None:
            cache.explain(requirement.project_name)
        return found

    def getting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method that begins again, after upstream was asked, if the file that it found is gone or another."""

        @functools.wraps(original)
        def get(installer: Any, *given: Any, **named: Any) -> Any:
            try:
                return original(installer, *given, **named)
            except Exception:
                cache = self._pages.cache
                projects = cache.outdated() if cache else ()
                if not cache or not projects:
                    raise
            cache.report.warn(OUTDATED)
            with cache.refreshing(*projects):  # Each of them once, so that this comes to an end.
                self._renew(installer)
                return get(installer, *given, **named)

        return get

    def _once(self, installer: Any, requirement: Any, source: Any) -> Any:
        # By the requirement, not by `[versions]`: a recipe may bring other pins.
        project, version = requirement.project_name, pins.exact(requirement.specs)
        if _cut_pages(installer).get(project, version) != version:
            self._renew(installer)
        with self._pages.search(installer._index_url or "", project, version) as search:  # noqa: SLF001
            found = self._original(installer, requirement, source)
        if version and search.was_cut:
            _cut_pages(installer)[project] = version
        return found

    def _renew(self, installer: Any) -> None:
        """Give an installer a new index object, as each of them reads a page only once."""
        self._easy_install.clear_index_cache()
        new = self._easy_install._get_index  # noqa: SLF001
        installer._index = new(installer._index_url, installer._links, installer._allow_hosts)  # noqa: SLF001


def _cut_pages(installer: Any) -> dict[str, str]:
    """Return the versions to which the pages were cut that an installer's index object has read, by project."""
    cut: dict[str, str] = vars(installer._index).setdefault("_cachedindex_cut", {})  # noqa: SLF001
    return cut


@contextmanager
def _without_traceback(fatal: Callable[[str], Exception], what: object) -> Iterator[None]:
    """Raise a user's error: buildout would print a traceback and call it an internal error (buildout#298)."""
    try:
        yield
    except (TimeoutError, ConnectionError) as error:
        raise fatal(f"cachedindex: {what}: {cause(error)}: the index, or the host of its files") from error
