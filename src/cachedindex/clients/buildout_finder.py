"""Surrounds buildout's search for a version: what is new is asked for once more, a timeout is a user's error."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cachedindex.clients.asking import cause
from cachedindex.clients.buildout_pages import BuildoutPages
from cachedindex.rules import pins


def attach(pages: BuildoutPages, easy_install: Any, fatal: Callable[[str], Exception]) -> bool:
    """Have the installer of `zc/buildout/easy_install.py` look through `pages` (zc.buildout 4.2 to 6.0.1).

    Returns whether this zc.buildout has what that takes; `fatal` makes the exception that ends a build without a
    traceback.
    """
    installer = getattr(easy_install, "Installer", None)
    original, fetch = getattr(installer, "_obtain", None), getattr(installer, "_fetch", None)
    new_index = getattr(easy_install, "_get_index", None)
    if not (
        callable(original) and callable(fetch) and callable(new_index) and hasattr(easy_install, "clear_index_cache")
    ):
        return False

    def renew(self: Any) -> None:
        """Give an installer an index object that has read nothing yet, as each reads a page once."""
        easy_install.clear_index_cache()
        self._index = new_index(self._index_url, self._links, self._allow_hosts)

    def obtain_once(self: Any, requirement: Any, source: Any) -> Any:
        project, version = requirement.project_name, pins.exact(requirement.specs)
        if _cut_pages(self._index).get(project, version) != version:
            renew(self)
        with _without_traceback(fatal, project), pages.search(project, version) as search:
            found = original(self, requirement, source)
        if search.was_cut and version:
            _cut_pages(self._index)[project] = version
        return found

    @functools.wraps(original)
    def obtain(self: Any, requirement: Any, source: Any = None) -> Any:
        found, cache = obtain_once(self, requirement, source), pages.cache
        if found is not None or not cache or not cache.was_not_asked(requirement.project_name):
            return found
        with cache.refreshing(requirement.project_name):
            renew(self)
            return obtain_once(self, requirement, source)

    @functools.wraps(fetch)
    def fetch_or_end(self: Any, dist: Any, *more: Any, **named: Any) -> Any:
        with _without_traceback(fatal, str(dist)):
            return fetch(self, dist, *more, **named)

    installer._obtain = obtain  # type: ignore[union-attr]  # noqa: SLF001
    installer._fetch = fetch_or_end  # type: ignore[union-attr]  # noqa: SLF001
    return True


def _cut_pages(index: Any) -> dict[str, str]:
    """Return the versions to which an index object has read the pages of projects; it may be asked for others later."""
    cut: dict[str, str] = vars(index).setdefault("_cachedindex_cut", {})
    return cut


@contextmanager
def _without_traceback(fatal: Callable[[str], Exception], what: str) -> Iterator[None]:
    """Say what happened where buildout would print a traceback and call it an internal error (buildout#298)."""
    try:
        yield
    except (TimeoutError, ConnectionError) as error:
        raise fatal(f"cachedindex: {what}: {cause(error)}: the index, or the host of its files") from error
