"""The cache as buildout's index reader needs it: pages cut to a pin, and no list of all projects from a dead index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING

from cachedindex.errors import UpstreamFailed
from cachedindex.lookup.cache import Cache
from cachedindex.model import Answer, Otherwise, Request, Send
from cachedindex.process import Process
from cachedindex.rules import pins, urls
from cachedindex.rules.decide import Pass
from cachedindex.run.report import Report

if TYPE_CHECKING:
    from cachedindex.lookup.ahead import Ahead

_NO_PROJECTS = b"<!DOCTYPE html><html><head><title>Simple index</title></head><body></body></html>"


@dataclass
class Search:
    """What buildout is searching for, and what the search has found out."""

    project: str = ""
    """Its normalized name; empty while buildout searches for no project."""
    version: str | None = None
    """The version to which the project's page may be cut."""
    was_cut: bool = False
    down: str | None = None
    """The index that did not answer, without a slash at the end."""


class BuildoutPages:
    """Stands between the opener and the cache of a process, which may get another one, or none, in between."""

    def __init__(self, process: Process, index: str = "", *, is_slow: bool = False) -> None:
        """`is_slow` says that buildout is slow with the whole page of a project with many files."""
        self._process = process
        self._search = Search()
        self._is_slow = is_slow
        self.index = index
        """The index that buildout searched last, or will search first."""

    @property
    def cache(self) -> Cache | None:
        """The cache of the process at this moment."""
        return self._process.cache

    @property
    def report(self) -> Report:
        """The report of the process."""
        return self._process.report

    @property
    def ahead(self) -> Ahead | None:
        """The look-ups that are begun before buildout makes them; None if none are."""
        return self.cache.ahead if self.cache else None

    def look_ahead(self) -> Ahead | None:
        """Have look-ups begun before buildout makes them, as the options say."""
        cache, settings = self.cache, self._process.settings
        if cache is None or not settings.ahead or settings.offline:
            return None
        return cache.ahead or cache.look_ahead(settings.ahead)

    @contextmanager
    def search(self, index: str, project: str, version: str | None) -> Iterator[Search]:
        """Surround a search of buildout for a project in an index, with the version that it is pinned to."""
        self.index = index
        wanted = self._process.settings.trim_to_pins
        trims = self._is_slow if wanted is None else wanted
        self._search = Search(urls.normalized(project), version if trims else None)
        try:
            yield self._search
        finally:
            self._search = Search()

    def answer(
        self, request: Request, send: Send, keyring: None = None, otherwise: Otherwise | None = None
    ) -> Answer | Pass:
        """Return the cache's answer, cut if a version is pinned; from an index that is down, an empty project list."""
        if self.cache is None:
            return Pass("there is no cache")
        search = self._search
        if request.url.rstrip("/") == search.down:
            return _no_projects(request)
        is_searched = request.kind == "page" and urls.project(request.url) == search.project
        try:
            answer = self.cache.answer(request, send, keyring, otherwise)
        except UpstreamFailed:
            search.down = _index(request) if is_searched else search.down
            raise
        if isinstance(answer, Pass) or not is_searched:
            return answer
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            search.down = _index(request)
        return _cut(search, answer)


def _index(request: Request) -> str:
    return request.url.rstrip("/").rpartition("/")[0]


def _cut(search: Search, answer: Answer) -> Answer:
    """Return the answer with the links of one version only; the stored page stays whole."""
    is_html = "html" in answer.headers.get("content-type", "").lower()
    if not search.version or answer.status != HTTPStatus.OK or answer.untouched is not None or not is_html:
        return answer
    body = answer.body.read()
    page = pins.only(body.decode("utf-8", "surrogateescape"), search.project, search.version)
    if page is not None:
        search.was_cut = True
        body = page.encode("utf-8", "surrogateescape")
    return answer._replace(body=BytesIO(body), headers={**answer.headers, "content-length": str(len(body))})


def _no_projects(request: Request) -> Answer:
    """Return an empty list of projects: buildout asks for the list next, which would wait, or be tens of megabytes.

    Only if the search got no answer for its page: after a 404, upstream is asked for the list, as without us.
    """
    headers = {"content-type": "text/html; charset=utf-8", "content-length": str(len(_NO_PROJECTS))}
    return Answer(HTTPStatus.OK, "OK", request.url, headers, BytesIO(_NO_PROJECTS))
