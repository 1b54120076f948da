"""Asks upstream once more before pip gives up: a release may be newer than the page that pip was served.

Only pip's finder knows that no page offers what is required (pip 22.3 to 26.3, index/package_finder.py).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from cachedindex.clients.common import searched_pages
from cachedindex.clients.pip import cut, newest, wheels
from cachedindex.clients.pip.sessions import CLIENT, version
from cachedindex.lookup.cache import Cache
from cachedindex.process import join

_CUT_SINCE = (22, 3)
"""Older pips read pages in another way, which is no news to whoever runs one."""
_VERSION_CHECK = "pip._internal.self_outdated_check"
"""Where pip looks for a newer pip, which nobody misses if there is no answer."""


def attach(finder_module: ModuleType) -> None:
    """Make the finder of pip's `_internal/index/package_finder.py` search again, after upstream was asked."""
    process = join(CLIENT)

    def lessen() -> None:
        wheels.attach(process)
        may_cut = process.settings.cut_pages and version() >= _CUT_SINCE
        if may_cut and (pages := cut.attach(finder_module, process.report)):
            newest.attach(finder_module, pages, process.report)

    if process.cache is not None:
        search_again(finder_module, process.cache, lessen)


def search_again(finder_module: ModuleType, cache: Cache, lessen: Callable[[], None] = lambda: None) -> None:
    """Make a finder ask upstream and search again before it finds nothing.

    `lessen` makes the finder do less work in each search; what it changes lies below the second search, too.
    """
    finder: Any = getattr(finder_module, "PackageFinder", None)
    if not all(callable(getattr(finder, name, None)) for name in ("find_all_candidates", "find_best_candidate")):
        cache.report.warn("this pip finds versions in another way; it sees a new one only after a page has expired")
        return
    forget = finder.cachedindex_forget = _forgetting(finder, finder_module)
    lessen()
    _wrap(finder, "find_all_candidates", cache, forget, lambda candidates: not candidates)
    _wrap(finder, "find_best_candidate", cache, forget, lambda result: result.best_candidate is None)


def _wrap(
    finder: Any, name: str, cache: Cache, forget: Callable[[Any, str], None], found_nothing: Callable[[Any], bool]
) -> None:
    original = getattr(finder, name)

    @functools.wraps(original)
    def find(self: Any, project_name: str, *more: Any, **named: Any) -> Any:
        if sys._getframe(1).f_globals.get("__name__") == _VERSION_CHECK:  # noqa: SLF001 - its documented name
            with cache.report.quiet():
                return original(self, project_name, *more, **named)
        found = original(self, project_name, *more, **named)
        if not found_nothing(found):
            return found
        searched = searched_pages(project_name, getattr(self, "find_links", ()))
        unasked = [page for page in searched if cache.has_unasked(page)]
        if not unasked:
            cache.explain(project_name)
            return found
        with cache.refreshing(*unasked):
            forget(self, project_name)
            again = original(self, project_name, *more, **named)
        if found_nothing(again):
            cache.explain(project_name)
        if not found_nothing(again) or not cache.reinstate(*unasked):
            return again
        forget(self, project_name)  # A resolver that backtracks may still use what the copy has.
        return found

    setattr(finder, name, find)


def _forgetting(finder: Any, finder_module: ModuleType) -> Callable[..., None]:
    """Return a function that makes a finder forget a project, or all: pip had an lru_cache, and has its own since 25.1.

    It also forgets the links of the find-links pages, which pip reads once a process (collector.py, parse_links).
    """
    parse = getattr(finder_module, "parse_links", None)
    cached = [getattr(finder, name) for name in ("find_all_candidates", "find_best_candidate")]
    cached += [cell.cell_contents for cell in getattr(parse, "__closure__", None) or ()]

    def forget(instance: Any, project_name: str | None = None) -> None:
        for method in cached:
            getattr(method, "cache_clear", lambda: None)()
        found, best = (getattr(instance, name, {}) for name in ("_all_candidates", "_best_candidates"))
        for key in [key for key in found if project_name in (None, key)]:
            del found[key]
        for key in [key for key in best if project_name in (None, key[0])]:
            del best[key]
        pages = vars(instance).get(newest.PAGES, {})
        for key in [key for key in pages if project_name in (None, key)]:
            del pages[key]

    return forget
