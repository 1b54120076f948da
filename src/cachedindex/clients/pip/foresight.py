"""What one resolve of pip's will ask for: it follows from what pip has been asked to install, and what that requires.

All guesses are made in threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Container, Iterable
from email.parser import HeaderParser
from functools import partial
from pathlib import Path
from typing import Any

from cachedindex.clients.pip.likely import Likely
from cachedindex.lookup.ahead import Ahead
from cachedindex.lookup.beginnings import Came
from cachedindex.rules import promised, urls
from cachedindex.rules.promised import Listing


class Foresight:
    """What one resolve of pip's will ask for, as far as it is known."""

    def __init__(self, resolver: Any, ahead: Ahead) -> None:
        """Take what is needed from inside pip; ImportError or AttributeError if it is not there."""
        from pip._internal.utils.packaging import get_requirement  # noqa: PLC0415 - only in a pip
        from pip._vendor.packaging.specifiers import SpecifierSet  # noqa: PLC0415
        from pip._vendor.packaging.utils import canonicalize_name  # noqa: PLC0415

        self._ahead = ahead
        self._requirement, self._specifier, self._canonical = get_requirement, SpecifierSet, canonicalize_name
        factory = resolver.factory
        finder = factory._finder  # noqa: SLF001 - no other way to it
        self._likely = Likely(finder)
        self._urls_of: Callable[[str], list[str]] = finder.search_scope.get_index_urls_locations
        self._refreshed: Collection[str] = getattr(finder._link_collector.session, "refresh_package", ())  # noqa: SLF001
        self._locked: Container[str] = getattr(finder, "_locked_links", ())
        """The projects whose file a lock file names (pip 26.1 and later): no index is asked for them."""
        self._given = factory._link_candidate_cache, factory._editable_candidate_cache  # noqa: SLF001
        self._has_unnamed = False
        self._installed = {} if factory.force_reinstall else factory._installed_dists  # noqa: SLF001
        self._upgrades = resolver.upgrade_strategy
        self._follows = not resolver.ignore_dependencies
        self._folder: str | None = factory.preparer.download_dir
        self._wants_hashes = factory.preparer.require_hashes
        self._guard = threading.RLock()
        self._projects: dict[str, _Project] = {}
        self._is_over = False

    def end(self) -> None:
        """Expect nothing more, whatever is still to come of what is under way: pip has decided."""
        self._is_over = True

    def begin(self, root_reqs: Iterable[Any]) -> None:
        """Expect the pages of all root requirements."""
        fitting = [req for req in root_reqs if req.match_markers()]
        roots = [req for req in fitting if req.name]
        self._has_unnamed = len(roots) < len(fitting)
        with self._guard:
            for req in roots:
                project = self._project(req.name)
                project.is_direct = project.is_direct or bool(req.link)
                project.specifier &= req.req.specifier if req.req else self._specifier()
                project.hashes = req.hashes(trust_internet=False)
            for req in roots:
                if not req.constraint:
                    self._want(req.name, set(req.extras), is_root=True)

    def requires(self, name: str, raw: list[str]) -> None:
        """Expect the pages of what a distribution requires, given the values of Requires-Dist."""
        with self._guard:
            project = self._project(name)
            if self._follows and not self._is_over and project.requires != raw:
                project.requires = raw
                self._follow(project)

    def _follow(self, project: _Project) -> None:
        for text in project.requires:
            requirement = self._requirement(text.strip())
            contexts = [{"extra": extra} for extra in project.extras or ("",)]
            if requirement.marker is None or any(map(requirement.marker.evaluate, contexts)):
                wanted = self._project(requirement.name)
                wanted.is_direct = wanted.is_direct or bool(requirement.url)
                wanted.specifier &= requirement.specifier
                self._want(requirement.name, set(requirement.extras))

    def _want(self, name: str, extras: set[str], *, is_root: bool = False) -> None:
        project = self._project(name)
        if not extras <= project.extras:
            project.extras |= extras
            self._follow(project)
        if project.is_wanted or project.is_direct or project.name in self._locked:
            return
        if self._may_stay(project.name, is_root=is_root) or (self._has_unnamed and self._is_given(project.name)):
            return
        if {":all:", project.name} & set(self._refreshed):  # pip asks for it with other headers (pip 26.2).
            return
        project.is_wanted = True
        pages = list(dict.fromkeys(self._urls_of(project.name)))
        project.awaited = len(pages)
        for number, url in enumerate(pages):
            self._ahead.expect_page(url, partial(self._page_came, project, number))

    def _may_stay(self, name: str, *, is_root: bool) -> bool:
        """Return whether pip does not look for a project before what is installed turns out not to do."""
        upgrades = self._upgrades == "eager" or (is_root and self._upgrades == "only-if-needed")
        return name in self._installed and not upgrades

    def _is_given(self, name: str) -> bool:
        """Return whether pip has a candidate of a project, as of a folder, whose name is known once pip has read it."""
        return any(each.project_name == name for known in self._given for each in list(known.values()))

    def _page_came(self, project: _Project, number: int, came: Came | None) -> None:
        with self._guard:
            project.awaited -= 1
            if came:
                project.listings[number] = promised.listing(came.record)
            if project.awaited or self._is_over:
                return
            listings = [listing for _, listing in sorted(project.listings.items())]
            project.listings = {}
            specifier, hashes = project.specifier, project.hashes
        link = self._likely.link(listings, project.name, specifier, hashes) if listings else None
        if link and self._folder and (Path(self._folder) / link.filename).exists():
            return  # pip takes it from the folder of its downloads, if its hash fits.
        file = link if link is None or self._wants_hashes else link.metadata_link()
        if file and urls.is_lasting(file.url_without_fragment):
            then = (lambda _: None) if self._wants_hashes else partial(self._metadata_came, project)
            self._ahead.expect_file(file.url_without_fragment, then)

    def _metadata_came(self, project: _Project, came: Came | None) -> None:
        if came:
            with came.open() as body:
                text = body.read().replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("utf-8", "replace")
            self.requires(project.name, HeaderParser().parsestr(text).get_all("Requires-Dist", []))

    def _project(self, name: str) -> _Project:
        name = self._canonical(name)
        if name not in self._projects:
            self._projects[name] = _Project(name, self._specifier())
        return self._projects[name]


class _Project:
    """What is known of one project."""

    def __init__(self, name: str, specifier: Any) -> None:
        self.name, self.specifier = name, specifier
        self.extras: set[str] = set()
        self.requires: list[str] = []
        self.hashes: Any = None
        self.is_direct = False
        """Whether it is required by a URL, so that pip asks no index for it."""
        self.is_wanted = False
        self.awaited = 0
        """How many of its pages are still to come."""
        self.listings: dict[int, Listing] = {}
        """Those that have come, by the places of their indexes among all of pip's."""
