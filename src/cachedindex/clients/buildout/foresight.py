"""What one working set of buildout's will ask for: it follows from what is to be installed, and what that requires.

Only what is certain is expected. Where buildout decides, its own methods are called, on objects that only note what
they are given. What is installed is looked at in buildout's own thread, which may just be changing it.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cachedindex.lookup.ahead import Ahead
from cachedindex.lookup.beginnings import Came
from cachedindex.model import Record
from cachedindex.named import NamedTuple
from cachedindex.rules import pages, pins, promised, urls

_PLAIN = re.compile(r"https?://[\w.:-]+/[\w./~-]+(?:#sha256=[0-9a-f]{64})?", re.ASCII)
"""A link that buildout asks for as the page has it (pip 26.3, models/link.py, _ensure_quoted_url)."""
_COMMENT = re.compile("<!--.*?-->", re.DOTALL)
_ATTEMPTS = 100
T = TypeVar("T")


class _Link(NamedTuple):
    """A link of a page, and the Pythons that it is for."""

    url: str
    requires_python: str


class Foresight:
    """What one working set of buildout's will ask for, as far as it is certain."""

    def __init__(self, installer: Any, easy_install: Any, ahead: Ahead) -> None:
        """Take what is needed from inside buildout; AttributeError or KeyError if it is not there."""
        self._installer, self._ahead = installer, ahead
        self._packages = easy_install.pkg_resources
        index = easy_install.AllowHostsPackageIndex
        self._find_packages = index.find_packages
        reader = sys.modules[index.download.__module__]
        self._distributions, self._credentials = reader.distros_for_url, reader.PyPIConfig
        kind = easy_install.Installer
        self._constrain, self._obtain = inspect.unwrap(kind._constrain), inspect.unwrap(kind._obtain)  # noqa: SLF001
        self._seen: set[tuple[str, tuple[str, ...]]] = set()
        self._followed: set[tuple[str, tuple[str, ...]]] = set()
        self._is_over = False

    def end(self) -> None:
        """Expect nothing more, whatever is still to come of what is under way."""
        self._is_over = True

    def begin(self, specs: Iterable[str], working_set: Any) -> None:
        """Expect the pages of all root requirements, which buildout looks for whatever its working set has."""
        roots = map(self._packages.Requirement.parse, specs)
        self._expect([root for root in roots if not root.marker or root.marker.evaluate()], working_set, are_roots=True)

    def requires(self, requirement: Any, dist: Any, working_set: Any) -> None:
        """Expect the pages of what a distribution requires that buildout has taken for a requirement."""
        if dist in requirement:
            self._follow(dist, requirement.extras, working_set)

    def _follow(self, dist: Any, extras: tuple[str, ...], working_set: Any) -> None:
        if (dist.key, extras) in self._followed or not set(extras) <= set(dist.extras):
            return
        self._followed.add((dist.key, extras))
        self._expect(reversed(dist.requires(extras)), working_set)  # As buildout goes through them.

    def _expect(self, requirements: Iterable[Any], working_set: Any, *, are_roots: bool = False) -> None:
        """Expect the pages for requirements, those that are pinned first."""
        wanted: list[tuple[Any, bool]] = []
        # Made anew, as WorkingSet.find writes into a requirement by which spelling it has found it.
        for requirement in map(self._packages.Requirement.parse, map(str, requirements)):
            if (requirement.key, requirement.extras) not in self._seen:
                self._seen.add((requirement.key, requirement.extras))
                with suppress(ValueError):  # What is wrong with metadata is buildout's to say.
                    wanted += self._missing(requirement, working_set, is_root=are_roots)
        for requirement, is_to_be_fetched in sorted(wanted, key=lambda each: _pin(each[0]) is None):
            url = self._page(requirement)
            if self._may_ask(url):
                version = _pin(requirement) if is_to_be_fetched and urls.is_lasting(url) else None
                then = partial(self._page_came, requirement, version) if version else lambda _: None
                self._ahead.expect_page(url, then)

    def _missing(self, requirement: Any, working_set: Any, *, is_root: bool) -> Iterator[tuple[Any, bool]]:
        """Yield a requirement as `[versions]` has it, and whether its file will be fetched; nothing if no page is read.

        What buildout takes without a look-up is followed.
        """
        try:
            required = self._constrained(requirement)
            taken = None if is_root else working_set.find(required)
        except (_ConflictError, self._packages.VersionConflict):  # buildout says so.
            return
        installed = [dist for dist in self._installer._env[required.project_name] if dist in required]  # noqa: SLF001
        taken = taken or self._settled(required, installed)
        if taken is not None:
            self._follow(taken, required.extras, working_set)
            return
        index = self._installer._index  # noqa: SLF001
        is_found = index.to_scan or any(dist in required for dist in index[required.project_name])
        yield required, not installed and not is_found

    def _constrained(self, requirement: Any) -> Any:
        versions = self._installer._versions  # noqa: SLF001
        silent = SimpleNamespace(_versions=versions, _version_conflict_information=_conflict)
        return self._constrain(silent, requirement)

    def _settled(self, required: Any, installed: Sequence[Any]) -> Any:
        """Return what buildout takes without a look-up (zc.buildout 6.0.1, easy_install.py, _satisfied)."""
        installer = self._installer
        developed = [dist for dist in installed if dist.precedence == self._packages.DEVELOP_DIST]
        if developed or not installed:
            return next(iter(developed), None)
        if len(required.specs) == 1 and required.specs[0][0] == "==":
            return installed[0]
        if installer._newest:  # noqa: SLF001
            return None
        final = [dist for dist in installed if installer._prefer_final and not dist.parsed_version.is_prerelease]  # noqa: SLF001
        return (final or installed)[0]

    def _page(self, required: Any) -> str:
        """Return the URL of the page that buildout reads first, which each release spells in its own way."""
        noting = _Noting(self._installer._index.index_url)  # noqa: SLF001
        self._find_packages(noting, required)
        return noting.scanned[0]

    def _may_ask(self, url: str) -> bool:
        """Return whether buildout will ask for a page, and not as a user of whom only it knows."""
        index = self._installer._index  # noqa: SLF001
        is_remote = url.startswith(("http://", "https://")) and index.allows(urlsplit(url).netloc)
        return is_remote and url not in index.fetched_urls and self._is_anybodys(url)

    def _is_anybodys(self, url: str) -> bool:
        """Return whether buildout has no credential for a URL but the one that may be in it."""
        if "@" in urlsplit(url).netloc:
            return True
        try:
            return self._credentials().find_credential(url) is None
        except Exception:  # noqa: BLE001 - a .pypirc that cannot be read is buildout's to say
            return False

    def _page_came(self, required: Any, version: str, came: Came | None) -> None:
        """Expect the file of a pinned distribution, in a thread of its own."""
        links = _links(came.record, required.project_name, version) if came and not self._is_over else ()
        location = _whole(lambda: self._chosen(required, links))
        if location:
            self._ahead.expect_file(location)

    def _chosen(self, required: Any, links: Sequence[_Link]) -> str | None:
        """Return which of these links buildout takes, by its own choice."""
        index, python = self._installer._index, ".".join(map(str, sys.version_info[:3]))  # noqa: SLF001
        dists = [
            dist
            for link in links
            if not link.requires_python or type(required.specifier)(link.requires_python).contains(python)
            if index.allows(urlsplit(link.url).netloc)
            for dist in self._distributions(link.url)
            if index.can_add(dist) and dist.has_version()
        ]
        own = {name: getattr(self._installer, name) for name in ("_prefer_final", "_final_version", "_download_cache")}
        chosen = self._obtain(SimpleNamespace(_index=_Given(dists), **own), required)
        if chosen is None or not self._is_anybodys(chosen.location):
            return None
        # Of equals, it takes the one whose location comes last, as it writes that.
        equals = [dist for dist in dists if dist in required and dist.precedence == chosen.precedence]
        return str(chosen.location) if all(_PLAIN.fullmatch(dist.location) for dist in equals) else None


class _ConflictError(Exception):
    """`[versions]` does not allow what a distribution requires."""


def _conflict(_name: str) -> str:
    """Stand for the words that buildout logs of a conflict."""
    raise _ConflictError


class _Noting:
    """An index object of buildout's that only notes which pages it would read."""

    def __init__(self, index_url: str) -> None:
        self.index_url = index_url
        self.package_pages: dict[str, dict[str, bool]] = {}
        self.scanned: list[str] = []

    def scan_url(self, url: str) -> None:
        self.scanned.append(url)

    def not_found_in_index(self, _requirement: Any) -> None:
        """Read no list of all projects."""


class _Given:
    """An index object of buildout's that has found these distributions."""

    def __init__(self, dists: Sequence[Any]) -> None:
        self._dists = dists

    def obtain(self, _requirement: Any) -> Any:
        return next(iter(self._dists), None)

    def __getitem__(self, _project: str) -> Sequence[Any]:
        return self._dists


def _whole(work: Callable[[], T]) -> T:
    """Return what a work returns once the module of buildout's index reader is whole.

    zc.buildout 3.3 empties it for a moment at each link (easy_install.py, _Monkey).
    """
    for _ in range(_ATTEMPTS):
        with suppress(NameError):
            return work()
    return work()


def _pin(required: Any) -> str | None:
    return pins.exact(required.specs)


def _links(record: Record, project: str, version: str) -> Sequence[_Link]:
    """Return the links to files of a version, and those in doubt."""
    listing = promised.listing(record)
    page = None if listing.is_json else pins.only(listing.text, project, version)
    found = []
    for anchor in pages.ANCHOR.finditer(_COMMENT.sub("", page or "")):
        attributes = pages.attributes(anchor[1])
        link = pages.html_link(listing.base, attributes)
        if link:
            url = f"{link.url}#sha256={link.sha256}" if link.sha256 else link.url
            found.append(_Link(url, attributes.get("data-requires-python", "")))
    return found
