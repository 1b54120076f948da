"""Asks upstream once more before buildout gives up: what it looks for may be newer than a stored page."""

from __future__ import annotations

import functools
from typing import Any

from cachedindex.engine import Cache


def attach(cache: Cache, easy_install: Any) -> None:
    """Make the installer of `zc/buildout/easy_install.py` look again, where pages were not asked for (4.2 to 6.0.1)."""
    installer = getattr(easy_install, "Installer", None)
    original = getattr(installer, "_obtain", None)
    new_index = getattr(easy_install, "_get_index", None)
    if not (callable(original) and callable(new_index) and hasattr(easy_install, "clear_index_cache")):
        cache.report.complain(
            "this zc.buildout finds versions in another way; one that is new is found once a page has expired"
        )
        return

    @functools.wraps(original)
    def obtain(self: Any, requirement: Any, source: Any = None) -> Any:
        found = original(self, requirement, source)
        if found is not None or not cache.was_not_asked(requirement.project_name):
            return found
        with cache.refreshing(requirement.project_name):
            easy_install.clear_index_cache()  # An index object reads a page once.
            self._index = new_index(self._index_url, self._links, self._allow_hosts)
            return original(self, requirement, source)

    installer._obtain = obtain  # type: ignore[union-attr]  # noqa: SLF001
