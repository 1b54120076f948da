"""Has look-ups begun before pip makes them: it asks in a line, page, metadata, page, metadata, file, file.

What pip will ask for follows from what it has been asked to install, and from what that requires. All guesses are made
in threads, and none before an index has answered pip itself: with fresh copies, nothing is done here.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from email.parser import HeaderParser
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from cachedindex.clients.pip.likely import Likely
from cachedindex.clients.pip.sessions import CLIENT, version
from cachedindex.lookup.ahead import Ahead
from cachedindex.lookup.beginnings import Came
from cachedindex.process import Process, join
from cachedindex.rules import promised
from cachedindex.rules.promised import Listing

_OURS = "_cachedindex_foresight"
_SINCE = (23, 2)
"""Older pips ask for no metadata, or resolve in another way."""
_MOVED = "this pip resolves in another way; it makes its look-ups one after the other"


def attach(resolver_module: ModuleType) -> None:
    """Surround the resolver of pip's `_internal/resolution/resolvelib/resolver.py` (pip 23.2 to 26.3)."""
    process = join(CLIENT)
    if process.cache is None or not process.settings.ahead or process.settings.offline:
        return
    if version() < _SINCE or _may_lose_trust():
        return
    try:
        from pip._internal.operations.prepare import RequirementPreparer  # noqa: PLC0415 - only in a pip

        resolver: Any = resolver_module.Resolver
        preparer: Any = RequirementPreparer
        inside = (resolver.resolve, preparer.prepare_linked_requirement, preparer._complete_partial_requirements)  # noqa: SLF001
    except (ImportError, AttributeError):
        process.report.warn(_MOVED)
        return
    ahead = process.cache.look_ahead(process.settings.ahead)
    resolver.resolve = _resolving(inside[0], ahead, process)
    preparer.prepare_linked_requirement = _prepared(inside[1], ahead)
    preparer._complete_partial_requirements = _downloading(inside[2], ahead)  # noqa: SLF001


def _may_lose_trust() -> bool:
    """Return whether two threads that connect at once could leave pip's TLS context without any verification.

    On macOS and Windows, truststore before 0.10.1 switches it off while it connects, without a lock (pip up to 25.0).
    """
    if sys.platform not in ("darwin", "win32"):
        return False
    try:
        from pip._vendor.truststore import SSLContext  # noqa: PLC0415 - only in a pip
    except ImportError:
        return False
    return "_ctx_lock" not in SSLContext.__init__.__code__.co_names


def _resolving(original: Callable[..., Any], ahead: Ahead, process: Process) -> Callable[..., Any]:
    @functools.wraps(original)
    def resolve(self: Any, root_reqs: Any, *more: Any, **named: Any) -> Any:
        foresight = None
        try:
            foresight = Foresight(self, ahead)
            vars(self.factory.preparer)[_OURS] = foresight
            ahead.later(partial(foresight.begin, list(root_reqs)))
        except Exception:  # noqa: BLE001 - whatever it is, pip resolves without it
            process.report.warn(_MOVED)
        try:
            return original(self, root_reqs, *more, **named)
        finally:
            if foresight:
                foresight.end()
            ahead.drop()

    return resolve


def _prepared(original: Callable[..., Any], ahead: Ahead) -> Callable[..., Any]:
    @functools.wraps(original)
    def prepare_linked_requirement(self: Any, req: Any, *more: Any, **named: Any) -> Any:
        found = original(self, req, *more, **named)
        foresight = vars(self).get(_OURS)
        if foresight and req.name:
            # pip has read it by now; another thread must not be the first to do so.
            with suppress(Exception):  # What is wrong with it is pip's to say, if it ever needs that.
                ahead.later(partial(foresight.requires, req.name, found.metadata.get_all("Requires-Dist", [])))
        return found

    return prepare_linked_requirement


def _downloading(original: Callable[..., Any], ahead: Ahead) -> Callable[..., Any]:
    @functools.wraps(original)
    def _complete_partial_requirements(self: Any, partially_downloaded_reqs: Any, *more: Any, **named: Any) -> Any:
        wanted = list(partially_downloaded_reqs)
        if foresight := vars(self).get(_OURS):
            foresight.end()
        ahead.drop()
        with suppress(Exception):  # pip downloads them one by one.
            for url in [req.link.url_without_fragment for req in wanted if req.link]:
                if _is_plain(url):
                    ahead.expect_file(url, given=True)
        try:
            return original(self, wanted, *more, **named)
        finally:
            ahead.drop()

    return _complete_partial_requirements


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
        roots = [req for req in root_reqs if req.name and req.match_markers()]
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
        if project.is_wanted or project.is_direct or self._may_stay(project.name, is_root=is_root):
            return
        if {":all:", project.name} & set(self._refreshed):  # pip asks for it with other headers (pip 26.2).
            return
        project.is_wanted = True
        pages = self._urls_of(project.name)
        project.awaited = len(pages)
        for url in pages:
            self._ahead.expect_page(url, partial(self._page_came, project))

    def _may_stay(self, name: str, *, is_root: bool) -> bool:
        """Return whether pip does not look for a project before what is installed turns out not to do."""
        upgrades = self._upgrades == "eager" or (is_root and self._upgrades == "only-if-needed")
        return name in self._installed and not upgrades

    def _page_came(self, project: _Project, came: Came | None) -> None:
        with self._guard:
            project.awaited -= 1
            if came:
                project.listings.append(promised.listing(came.record))
            if project.awaited or self._is_over:
                return
            listings, project.listings = project.listings, []
            specifier, hashes = project.specifier, project.hashes
        link = self._likely.link(listings, project.name, specifier, hashes) if listings else None
        if link and self._folder and (Path(self._folder) / link.filename).exists():
            return  # pip takes it from the folder of its downloads, if its hash fits.
        file = link if link is None or self._wants_hashes else link.metadata_link()
        if file and _is_plain(file.url_without_fragment):
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
        self.listings: list[Listing] = []


def _is_plain(url: str) -> bool:
    """Return whether a link has no user, and no query that may be a signature: each use of those may be another one."""
    return url.startswith(("http://", "https://")) and not set("@?") & set(url)
