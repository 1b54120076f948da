"""Has pip look at the newest version of a project, and at all others only if its resolver, or a message, needs them.

pip makes a candidate of each file of a page, and sorts all of them for each set of requirements; its resolver mostly
takes the first. That are 153 of the 29,000 that are left of 153 real pages (pip 22.3 to 26.3, index/package_finder.py).
Which file of the newest version it takes is still decided by pip's own evaluators. What comes before the version in
their order, as hashes and `--prefer-binary` do, has pip look at all files at once; so does a file whose version is not
certain.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from contextvars import ContextVar
from itertools import islice
from types import ModuleType
from typing import Any

from cachedindex.clients.pip import versions
from cachedindex.clients.pip.cut import Cut
from cachedindex.clients.pip.sessions import CLIENT
from cachedindex.named import NamedTuple
from cachedindex.process import join
from cachedindex.rules import promised
from cachedindex.run.report import Report

PAGES = "cachedindex_pages"
"""The attribute of a finder that has its projects by their names."""
_NAMES = (
    "process_project_url", "find_best_candidate", "requires_python_skipped_reasons", "make_link_evaluator",
    "make_candidate_evaluator", "evaluate_links", "prefer_binary",
)  # fmt: skip
"""What a finder has to have: the first three are surrounded, the others called."""
_MOVED = "this pip searches in another way; it looks at all versions of a project at once"
_is_first: ContextVar[bool] = ContextVar("is_first", default=False)
"""Whether whoever searches begins with the newest version."""
_is_read_only: ContextVar[bool] = ContextVar("is_read_only", default=False)
"""Whether pages are fetched, but not yet searched."""


class _Page(NamedTuple):
    """A page in JSON whose files can be told apart."""

    text: str
    url: str
    versions: Mapping[Any, Sequence[str]]
    """The names of the files of each version."""


class _Project:
    """A project whose pages pip has read."""

    def __init__(self) -> None:
        self.pages: dict[str, _Page | list[Any]] = {}
        """By the URL that was asked for; pip's candidates instead of a page whose files cannot be told apart."""
        self.is_whole = False
        """Whether pip looks at all its versions at once."""
        self.versions: Sequence[Any] = ()
        """The newest first."""
        self.found: dict[Any, Any] = {}
        """pip's results, by specifier."""


def attach(finder_module: ModuleType, cut: Cut, report: Report) -> None:
    """Surround the searches of the finder of pip's `_internal/index/package_finder.py`."""
    try:
        newest, finder = Newest(finder_module, cut), finder_module.PackageFinder
        search, find, say, *_ = (getattr(finder, name) for name in _NAMES)
    except AttributeError:
        report.warn(_MOVED)
        return
    finder.process_project_url, finder.find_best_candidate = newest.searching(search), newest.finding(find)
    finder.requires_python_skipped_reasons = completed(say)
    setattr(finder, PAGES, None)


def attach_resolver(resolver_module: ModuleType) -> None:
    """Have the resolver of pip's `_internal/resolution/resolvelib/resolver.py` take the newest version first."""
    try:
        from pip._internal.index.package_finder import PackageFinder  # noqa: PLC0415 - only in a pip

        factory: Any = resolver_module.Factory
        search = factory._iter_found_candidates  # noqa: SLF001 - its name in all these releases
    except (ImportError, AttributeError):
        join(CLIENT).report.warn(_MOVED)
        return

    @functools.wraps(search)
    def _iter_found_candidates(self: Any, *given: Any, **named: Any) -> Any:
        found = search(self, *given, **named)
        if hasattr(found, "_get_infos"):
            found._get_infos = newest_first(found._get_infos)  # noqa: SLF001
        return found

    if hasattr(PackageFinder, PAGES):
        factory._iter_found_candidates = _iter_found_candidates  # noqa: SLF001


def newest_first(get_infos: Callable[[], Iterator[Any]]) -> Callable[[], Iterator[Any]]:
    """Return what yields the candidates of the newest version, and then, if they are wanted, those of all others."""

    def infos() -> Iterator[Any]:
        token = _is_first.set(True)
        try:
            first = list(get_infos())
        finally:
            _is_first.reset(token)
        yield from first
        yield from islice(get_infos(), len(first), None)

    return infos


def completed(say: Callable[[Any], list[str]]) -> Callable[[Any], list[str]]:
    """Return pip's `requires_python_skipped_reasons`, after it has looked at all versions of what it has searched."""

    @functools.wraps(say)
    def requires_python_skipped_reasons(finder: Any) -> list[str]:
        for name, project in list(_projects(finder).items()):
            if not project.is_whole:
                finder.find_all_candidates(name)
        return say(finder)

    return requires_python_skipped_reasons


class Newest:
    """The searches of pip's finders for the newest versions."""

    def __init__(self, finder_module: ModuleType, cut: Cut) -> None:
        """Take what is needed from inside pip; AttributeError if it is not there."""
        find = finder_module.PackageFinder.find_all_candidates
        self._read_all: Callable[[Any, str], object] = getattr(find, "__wrapped__", find)
        """Without the lru_cache of pips up to 25.0."""
        self._endings = tuple(finder_module.SUPPORTED_EXTENSIONS)
        self._indented: Callable[[], AbstractContextManager[object]] = finder_module.indent_log
        self._cut = cut

    def searching(self, search: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
        """Return pip's `process_project_url`, which reads each page once."""

        @functools.wraps(search)
        def process_project_url(finder: Any, project_url: Any, link_evaluator: Any) -> list[Any]:
            usable = self._cut.test(link_evaluator)
            if usable is None:
                return search(finder, project_url, link_evaluator)
            project, url = _projects(finder)[link_evaluator.project_name], project_url.url
            if not _is_read_only.get():
                project.is_whole, page = True, project.pages.get(url)
                if isinstance(page, _Page):
                    return self._evaluated(finder, link_evaluator, self._cut.of_json(page.text, page.url, usable))
                return search(finder, project_url, link_evaluator) if page is None else page
            with self._cut.keeping() as kept:
                page = search(finder, project_url, link_evaluator)
            if kept:
                page = self._read(kept[0], finder, link_evaluator)
            project.pages[url] = page
            return page if isinstance(page, list) else []

        return process_project_url

    def finding(self, find: Callable[..., Any]) -> Callable[..., Any]:
        """Return pip's `find_best_candidate`, which looks at a newest version alone if that is enough."""

        @functools.wraps(find)
        def find_best_candidate(finder: Any, project_name: str, specifier: Any = None, hashes: Any = None) -> Any:
            found = None
            if _is_first.get() and specifier is not None and not hashes and not finder.prefer_binary:
                found = self._found(finder, finder.make_link_evaluator(project_name), specifier)
            return found or find(finder, project_name, specifier=specifier, hashes=hashes)

        return find_best_candidate

    def _read(self, page: Any, finder: Any, evaluator: Any) -> _Page | list[Any]:
        """Return a page in JSON, or its candidates if its files cannot be told apart."""
        usable: Any = self._cut.test(evaluator)
        with suppress(UnicodeDecodeError, LookupError):
            is_plain = json.detect_encoding(page.content) == "utf-8"  # Not with a mark at its beginning, either.
            text = page.content.decode("utf-8")
            if is_plain and (found := versions.of_json(text, evaluator.project_name)):
                others = [name for name in found.others if name.endswith(self._endings)]
                read = _Page(text, page.url, found.files)
                if not self._evaluated(finder, evaluator, self._cut.made(_files(read, others), page.url)):
                    return read
        return self._evaluated(finder, evaluator, self._cut.of_json(page.content, page.url, usable))

    def _found(self, finder: Any, evaluator: Any, specifier: Any) -> Any:
        """Return pip's result for the newest version that fits; None if pip has to look at all of them."""
        usable, known, name = self._cut.test(evaluator), _projects(finder), evaluator.project_name
        if usable is None:
            return None
        if name not in known:
            self._get(finder, known[name], name)
        project = known[name]
        if project.is_whole:
            return None
        if specifier not in project.found:
            with suppress(LookupError):
                project.found[specifier] = self._newest(project, finder, evaluator, specifier, usable)
        return project.found.get(specifier)

    def _get(self, finder: Any, project: _Project, name: str) -> None:
        """Have pip read the pages of a project."""
        token = _is_read_only.set(True)
        try:
            others = self._read_all(finder, name)  # Files of a folder, or of a page that is not in JSON.
        except BaseException:
            del _projects(finder)[name]
            raise
        finally:
            _is_read_only.reset(token)
            getattr(finder, "_all_candidates", {}).pop(name, None)  # pip's own memory since 25.1.
        pages = [page.versions for page in project.pages.values() if isinstance(page, _Page)]
        every = pages[0] if len(pages) == 1 else sorted({one for page in pages for one in page}, reverse=True)
        project.versions = list(every)
        project.is_whole = bool(others)

    def _newest(
        self, project: _Project, finder: Any, evaluator: Any, specifier: Any, usable: Callable[[str], bool]
    ) -> Any:
        chooser = finder.make_candidate_evaluator(evaluator.project_name, specifier=specifier)
        for one in versions.newest(finder, evaluator.project_name, specifier, project.versions):
            candidates = []
            for page in project.pages.values():
                if isinstance(page, _Page) and (names := page.versions.get(one)):
                    files = _files(page, [name for name in names if not name.endswith(".whl") or usable(name)])
                    candidates += self._evaluated(finder, evaluator, self._cut.made(files, page.url))
            result = chooser.compute_best_candidate(candidates)
            if result.best_candidate and not result.best_candidate.link.is_yanked:
                return result
        return None

    def _evaluated(self, finder: Any, evaluator: Any, links: Sequence[Any]) -> list[Any]:
        """Return the candidates of some links, as the end of pip's `process_project_url` does."""
        with self._indented():  # Some pips warn of odd names.
            found: list[Any] = finder.evaluate_links(evaluator, links)
        return found


def _files(page: _Page, names: Sequence[str]) -> Sequence[Any]:
    """Return what a page says of the files of these names, in its order; LookupError if that is not certain."""
    found = [entry for name in dict.fromkeys(names) for entry in promised.entries(page.text, name)]
    if len(found) != len(names):
        raise LookupError(f"{page.url} has {len(found)} of {len(names)} files")
    return [entry for _, entry in sorted(found, key=lambda entry: entry[0])]


def _projects(finder: Any) -> defaultdict[str, _Project]:
    """Return what is known of the projects of a finder."""
    known: defaultdict[str, _Project] | None = vars(finder).get(PAGES)
    if known is None:
        known = vars(finder)[PAGES] = defaultdict(_Project)
    return known
