"""Resolves once more if a page that pip was served lists a file which is gone or has changed.

A nightly index replaces its files within the minutes for which a page is fresh, and a wheel whose hash is locked may be
uploaded after the page was stored. Only pip's resolver can choose another file then (pip 22.3 to 26.3,
resolution/resolvelib/resolver.py).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from cachedindex.clients.common import OUTDATED, searched_pages
from cachedindex.clients.pip.sessions import CLIENT
from cachedindex.lookup.cache import Cache
from cachedindex.named import NamedTuple
from cachedindex.process import join


class _Resolved(NamedTuple):
    """What a resolver was asked, and the set of requirements that it returned."""

    resolver: Any
    given: Sequence[Any]
    named: Mapping[str, Any]
    requirements: Any


def attach(resolver_module: ModuleType) -> None:
    """Make the resolver of pip's `resolution/resolvelib/resolver.py` begin again, after upstream was asked."""
    cache = join(CLIENT).cache
    resolver: Any = getattr(resolver_module, "Resolver", None)
    preparer: Any = getattr(resolver_module, "RequirementPreparer", None)
    if cache is None:
        return
    if not (hasattr(resolver, "resolve") and hasattr(preparer, "prepare_linked_requirements_more")):
        cache.report.warn("this pip resolves in another way; it fails if a file has gone since its page was stored")
        return
    _wrap_resolver(resolver, cache)
    _wrap_preparer(preparer, cache)


def _wrap_resolver(resolver: Any, cache: Cache) -> None:
    begin, resolve = resolver.__init__, resolver.resolve

    @functools.wraps(begin)
    def begin_first(self: Any, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        self.cachedindex_begin = functools.partial(begin, self, *given, **named)

    @functools.wraps(resolve)
    def resolve_all(self: Any, *given: Any, **named: Any) -> Any:
        preparer = getattr(getattr(self, "factory", None), "preparer", None)
        try:
            requirements = resolve(self, *given, **named)
        except Exception as error:
            projects = _outdated(preparer, cache, error)
            if not projects:
                raise
        else:
            if preparer:
                preparer.cachedindex_resolved = _Resolved(self, given, named, requirements)
            return requirements
        with _saying(cache):
            return _resolved_again(cache, projects, self, given, named)

    resolver.__init__, resolver.resolve = begin_first, resolve_all


def _wrap_preparer(preparer: Any, cache: Cache) -> None:
    """Do the same for files that are downloaded after their metadata: since pip 23.3, when all is resolved."""
    prepare = preparer.prepare_linked_requirements_more

    @functools.wraps(prepare)
    def prepare_all(self: Any, *given: Any, **named: Any) -> Any:
        before: _Resolved | None = getattr(self, "cachedindex_resolved", None)
        try:
            return prepare(self, *given, **named)
        except Exception as error:
            projects = _outdated(self, cache, error) if before else ()
            if not before or not projects:
                raise
        with _saying(cache):
            found = _resolved_again(cache, projects, before.resolver, before.given, before.named).requirements
            before.requirements.requirements.clear()  # The command has this one, and gives a view of it.
            before.requirements.requirements.update(found)
            return prepare_all(self, *given, **named)

    preparer.prepare_linked_requirements_more = prepare_all


def _outdated(preparer: Any, cache: Cache, error: Exception) -> Sequence[str]:
    """Return the projects whose pages may be why this pip has failed; none if it is built in another way.

    A file that is not the locked one, or not the linked one by another hash than sha256, is known to pip alone.
    """
    finder = getattr(preparer, "finder", None)
    if not (hasattr(preparer, "_downloaded") and hasattr(finder, "cachedindex_forget")):
        return ()
    locked = getattr(getattr(error, "req", None), "name", None) if type(error).__name__ == "HashMismatch" else None
    pages = searched_pages(locked, getattr(finder, "find_links", ())) if locked else ()
    return [*cache.outdated(), *filter(cache.has_unasked, pages)]


@contextmanager
def _saying(cache: Cache) -> Iterator[None]:
    """Say that a page was outdated: at once if a file of it is gone, else once it helped: a lock may be wrong."""
    is_certain = bool(cache.outdated())
    if is_certain:
        cache.report.warn(OUTDATED)
    yield
    if not is_certain:
        cache.report.warn(OUTDATED)


def _resolved_again(
    cache: Cache, projects: Sequence[str], resolver: Any, given: Sequence[Any], named: Mapping[str, Any]
) -> Any:
    """Return what a resolver comes to if it begins from the start: each project is asked for once, so that this ends.

    It keeps candidates by their links, and files by their URLs, whatever their hashes are now.
    """
    with cache.refreshing(*projects):
        preparer = resolver.factory.preparer
        preparer.finder.cachedindex_forget()
        preparer._downloaded.clear()  # noqa: SLF001 - its name in all these releases
        resolver.cachedindex_begin()
        return resolver.resolve(*given, **named)
