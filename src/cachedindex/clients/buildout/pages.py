"""The cache as buildout's index reader needs it: no list of all projects where an index is down, no link too many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from io import BytesIO

from cachedindex.errors import UpstreamFailed
from cachedindex.lookup.cache import Cache
from cachedindex.model import Answer, Request, Send
from cachedindex.rules import pins, urls
from cachedindex.run.report import Report

_NO_PROJECTS = b"<!DOCTYPE html><html><head><title>Simple index</title></head><body></body></html>"


@dataclass
class Search:
    """What buildout is looking for, and what became of it."""

    project: str = ""
    """Its normalized name; nothing while buildout looks for no project."""
    version: str | None = None
    """The one to which its page may be cut down."""
    was_cut: bool = False
    down: str | None = None
    """The index that could not be asked for it, without a slash at the end."""


class BuildoutPages:
    """Stands before the cache for as long as the process lives; the extension may bring another one, or none."""

    def __init__(self) -> None:
        self.cache: Cache | None = None
        self.trim = False
        """Whether pages may be cut down to a pinned version."""
        self.index = ""
        """Where buildout looked last."""
        self._search = Search()

    @property
    def report(self) -> Report:
        """Where the cache complains."""
        return self.cache.report if self.cache else Report()

    @contextmanager
    def search(self, index: str, project: str, version: str | None) -> Iterator[Search]:
        """Know what is looked for meanwhile: a project of an index, and the one version that will do."""
        self.index = index
        self._search = Search(urls.normalized(project), version if self.trim else None)
        try:
            yield self._search
        finally:
            self._search = Search()

    def answer(self, request: Request, send: Send) -> Answer | None:
        """Return the cache's answer, cut where that is wanted; an empty project list where the index is down."""
        if self.cache is None:
            return None
        search = self._search
        if request.url.rstrip("/") == search.down:
            return _no_projects(request)
        is_projects = request.kind == "page" and urls.project(request.url) == search.project
        try:
            answer = self.cache.answer(request, send)
        except UpstreamFailed:
            search.down = _index(request) if is_projects else search.down
            raise
        if answer is None or not is_projects:
            return answer
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            search.down = _index(request)
        return _cut(search, answer)


def _index(request: Request) -> str:
    return request.url.rstrip("/").rpartition("/")[0]


def _cut(search: Search, answer: Answer) -> Answer:
    """Return the answer with the links of the wanted version only; what is stored stays whole."""
    is_html = "html" in answer.headers.get("content-type", "").lower()
    if not search.version or answer.status != HTTPStatus.OK or answer.untouched is not None or not is_html:
        return answer
    body = answer.body.read()
    page = pins.only(body.decode("utf-8", "surrogateescape"), search.project, search.version)
    if page is not None:
        search.was_cut = True
        body = page.encode("utf-8", "surrogateescape")
    return replace(answer, body=BytesIO(body), headers={**answer.headers, "content-length": str(len(body))})


def _no_projects(request: Request) -> Answer:
    """Return what buildout looks through next, so that it waits no more, and reads no tens of megabytes."""
    headers = {"content-type": "text/html; charset=utf-8", "content-length": str(len(_NO_PROJECTS))}
    return Answer(HTTPStatus.OK, "OK", request.url, headers, BytesIO(_NO_PROJECTS))
