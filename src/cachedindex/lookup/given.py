"""The pages that the client of this process was given, from which its later look-ups follow."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from contextlib import suppress

from cachedindex.model import Record, Request
from cachedindex.named import NamedTuple
from cachedindex.rules import pages, privacy, urls


class GivenPage(NamedTuple):
    """A page as the client was given it."""

    request: Request
    digest: str = ""
    """Its sha256; nothing for a page that is not stored."""
    is_unasked: bool = False
    """Whether upstream was not asked for it, or not heard."""
    is_absent: bool = False
    """Whether the client was given an error made here instead of the page."""
    sample: bytes = b""
    """A part of the page, which shows whether its files are of one project."""

    @property
    def group(self) -> str:
        """The group of the page, by which it is found for a file; empty if it may list files of any project."""
        return pages.group(self.request.url, self.sample)


_RECENT = 8
"""So many pages are kept in memory; all of a resolve would be hundreds of megabytes."""


class GivenPages:
    """All pages that were given, by their projects."""

    def __init__(self) -> None:
        self.latest: deque[GivenPage] = deque()
        """Those not yet sorted by project: that waits until somebody asks, since most look-ups are of pages."""
        self.recent: deque[Record] = deque(maxlen=_RECENT)
        """The last ones that are stored: a client asks for a file right after its page."""
        self._unread: defaultdict[str, dict[str, GivenPage]] = defaultdict(dict)
        self._indexes: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._pages: defaultdict[str, list[Request]] = defaultdict(list)
        self._unasked: defaultdict[str, dict[str, Request]] = defaultdict(dict)
        self._asked_again: set[str] = set()
        self._guard = threading.Lock()
        self._listing: defaultdict[str, set[str]] = defaultdict(set)
        """By group: the projects of the pages that may list its files; a flat page has its own name as its project."""
        self._outdated: set[str] = set()

    def take_unread(self, file_url: str) -> Iterable[GivenPage]:
        """Return the pages that may list a file, each of them once after it was given."""
        self._sort()
        with self._guard:
            found = [self._unread.pop(group, {}) for group in pages.groups_of(file_url) if group in self._unread]
        return [page for group in found for page in group.values()]

    def indexes_of(self, project: str) -> Sequence[str]:
        """Return the indexes that had a project, the first one first."""
        self._sort()
        return list(self._indexes.get(project, ()))

    def pages_of(self, name: str) -> Iterable[Request]:
        """Return the requests for a project's pages that were given."""
        self._sort()
        return tuple(self._pages.get(urls.normalized(name), ()))

    def unasked(self, name: str) -> frozenset[str]:
        """Return the URLs of a project's pages for which the client did not hear upstream; none once they are taken."""
        self._sort()
        project = urls.normalized(name)
        return frozenset() if project in self._asked_again else frozenset(self._unasked.get(project, ()))

    def take_unasked(self, name: str) -> frozenset[str]:
        """Return the same, to ask for them again: once, however often a client that backtracks finds nothing."""
        found = self.unasked(name)
        self._asked_again.add(urls.normalized(name))
        return found

    def lapse(self, file_url: str) -> Sequence[Request]:
        """Return the unasked pages that may list a file: it is gone, or another one, so that they are outdated."""
        self._sort()
        projects = set[str]().union(*(self._listing.get(group, ()) for group in pages.groups_of(file_url)))
        found = [request for project in projects for request in self._unasked[project].values()]
        self._outdated |= projects
        return found

    def outdated(self) -> Sequence[str]:
        """Return the projects that have outdated pages, and were not asked for again."""
        self._sort()
        return [project for project in sorted(self._outdated) if self.unasked(project)]

    def _sort(self) -> None:
        with self._guard, suppress(IndexError):  # None is left.
            while True:
                self._place(self.latest.popleft())

    def _place(self, page: GivenPage) -> None:
        url, project = page.request.url, urls.project(page.request.url)
        if page.is_unasked:
            self._unasked[project][url] = page.request
        else:
            self._unasked[project].pop(url, None)
        if not page.is_absent:
            group = page.group
            self._unread[group][url] = page
            self._listing[group].add(project)
            self._indexes[project][privacy.shown_index(page.request)] = None
            self._pages[project].append(page.request)
