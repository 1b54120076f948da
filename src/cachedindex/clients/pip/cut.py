"""Gives pip's finder a page without the wheels that its target cannot use, which pip would reject one by one.

pip makes a Link of each file of a page, and then looks at the wheel's tags: of 78,000 files on 153 real pages, 49,000
are wheels for another interpreter or platform (pip 22.3 to 26.3, index/package_finder.py, evaluate_link). pip reports
such a rejection in its debug log only, so nothing is left out while somebody reads that.
"""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any
from urllib.parse import unquote

from cachedindex.clients.pip import versions
from cachedindex.run.report import Report

_ANCHOR = r"""<a\s+href="([^"<>&]*)"((?:\s+data-[a-z-]+(?:="[^"<>]*")?)*)\s*>[^<>]*</a\s*>"""
"""A link as indexes write it; one that is written in another way stays."""
_READABLE = (None, "utf-8", "us-ascii", "iso-8859-1")
_JSON = "application/vnd.pypi.simple.v1+json"
_PARTS = 5
"""A wheel's name has at least these: name, version and three tags (PEP 427)."""
_VERBOSE = 15
"""pip's level for `-v` (pip 22.3 to 26.3, utils/_log.py)."""


class Cut:
    """The links of pages without those that the target of the search cannot use."""

    def __init__(self, module: ModuleType) -> None:
        """Take pip's `package_finder`; AttributeError if it lacks what is needed."""
        self._link, self._wheel, self._invalid = module.Link, module.Wheel, module.InvalidWheelFilename
        self._parse: Callable[[Any], list[Any]] = module.parse_links
        self._evaluator = module.LinkEvaluator
        self._evaluate, self._supported = module.LinkEvaluator.evaluate_link, module.Wheel.supported
        self._from_json: Callable[[Any, str], Any] = module.Link.from_json
        self._log: logging.Logger = module.logger
        self._usable: ContextVar[Callable[[str], bool] | None] = ContextVar("usable", default=None)
        self._kept: ContextVar[list[Any] | None] = ContextVar("kept", default=None)
        self._targets: dict[int, tuple[Any, dict[str, bool]]] = {}

    def searching(self, search: Callable[..., Any]) -> Callable[..., Any]:
        """Return pip's `process_project_url`, which hands `links` over to what it reads from a page."""

        @functools.wraps(search)
        def process_project_url(finder: Any, project_url: Any, link_evaluator: Any) -> Any:
            token = self._usable.set(self.test(link_evaluator))
            try:
                return search(finder, project_url, link_evaluator)
            finally:
                self._usable.reset(token)

        return process_project_url

    @contextmanager
    def keeping(self) -> Iterator[list[Any]]:
        """Yield a list to which each JSON page is added that pip reads in a block, instead of its links."""
        pages: list[Any] = []
        token = self._kept.set(pages)
        try:
            yield pages
        finally:
            self._kept.reset(token)

    def links(self, page: Any) -> list[Any]:
        """Return the links of a page, as pip's `parse_links` does."""
        usable = self._usable.get()
        if usable is None or page.cache_link_parsing:  # pip reads a find-links page once, for all projects.
            return self._parse(page)
        if page.content_type.lower().startswith(_JSON):
            kept = self._kept.get()
            if kept is None:
                return self.of_json(page.content, page.url, usable)
            kept.append(page)
            return []
        if page.encoding in _READABLE:
            encoding = page.encoding or "utf-8"
            content = _without(page.content.decode(encoding), usable).encode(encoding)
            return self._parse(type(page)(content, page.content_type, page.encoding, page.url, page.cache_link_parsing))
        return self._parse(page)

    def of_json(self, content: str | bytes, url: str, usable: Callable[[str], bool]) -> list[Any]:
        """Return the links of a JSON page."""
        return self.made([file for file in json.loads(content).get("files", []) if _may_be_used(file, usable)], url)

    def made(self, files: Iterable[Any], url: str) -> list[Any]:
        """Return the links of files of a JSON page."""
        return [link for file in files if (link := self._from_json(file, url)) is not None]

    def test(self, evaluator: Any) -> Callable[[str], bool] | None:
        """Return what says by its name whether pip may choose a wheel; None if that is unknown, or somebody looks on.

        pip-tools and pipenv replace `Wheel.supported` while they collect the hashes of all wheels.
        """
        changed = (self._evaluator.evaluate_link, self._wheel.supported) != (self._evaluate, self._supported)
        if changed or type(evaluator) is not self._evaluator or self._log.isEnabledFor(_VERBOSE):
            return None
        if getattr(evaluator, "_uploaded_prior_to", None) is not None:  # A file without a time is then an error.
            return None
        return functools.partial(self._is_usable, *self._tags(evaluator._target_python))  # noqa: SLF001 - pip's own

    def _tags(self, target: Any) -> tuple[Any, dict[str, bool]]:
        """Return a target's tags, and what is known of the wheels for it."""
        # The target is kept, so that no later one has its id.
        _, known = self._targets.setdefault(id(target), (target, {}))
        return (target.get_unsorted_tags() if hasattr(target, "get_unsorted_tags") else target.get_tags()), known

    def _is_usable(self, tags: Any, known: dict[str, bool], filename: str) -> bool:
        """Return whether pip may choose a wheel. A few hundred sets of tags name all wheels; each is read once."""
        parts = filename.removesuffix(".whl").split("-")
        if len(parts) < _PARTS:
            return True
        name = "-".join(parts[-3:])
        if known.get(name):
            return True
        if not versions.is_plain(parts):  # pip has something to say of it.
            return True
        if name not in known:
            try:
                known[name] = self._wheel(filename).supported(tags)
            except self._invalid:
                return True
        return known[name]


def attach(module: ModuleType, report: Report) -> Cut | None:
    """Have the finder of pip's `_internal/index/package_finder.py` read pages without the wheels it cannot use.

    Return what cuts them, if this pip is known.
    """
    try:
        cut = Cut(module)
        finder = module.PackageFinder
        search = finder.process_project_url
    except AttributeError:
        report.warn("this pip reads pages in another way; it gets them with the wheels that it cannot use")
        return None
    finder.process_project_url = cut.searching(search)
    vars(module)["parse_links"] = cut.links
    return cut


def _may_be_used(file: Any, usable: Callable[[str], bool]) -> bool:
    """Return whether pip may use a file of a JSON page. pip reports a yanked one, whatever its tags, and stays."""
    return bool(file.get("yanked")) or _may_be_chosen(file.get("url"), usable)


def _may_be_chosen(url: Any, usable: Callable[[str], bool]) -> bool:
    """Return whether pip may choose what lies at a URL."""
    name = name_of(url)
    return not name.endswith(".whl") or usable(name)


def name_of(url: Any) -> str:
    """Return the name of what lies at a URL; empty if it may have another one, as pip takes it from `#egg=`, too."""
    if not isinstance(url, str) or "egg=" in url:
        return ""
    path = url.partition("#")[0].partition("?")[0]
    path = unquote(path) if "%" in path else path
    return path.rpartition("/")[2]


def _without(page: str, usable: Callable[[str], bool]) -> str:
    """Return an HTML page without the links that pip cannot use."""

    def link(found: re.Match[str]) -> str:
        keep = "data-yanked" in found[2] or _may_be_chosen(found[1], usable)
        return found[0] if keep else ""

    return re.sub(_ANCHOR, link, page)
