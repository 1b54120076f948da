"""Warns of indexes that could not be asked, if the client may silently take a project from another one."""

from __future__ import annotations

from cachedindex.lookup.given import GivenPages
from cachedindex.model import Request
from cachedindex.rules import privacy, urls


class Unreachable:
    """The indexes without an answer, of one process: a client compares its indexes within one."""

    def __init__(self, given: GivenPages) -> None:
        """`given` has the pages of other indexes."""
        self._given = given
        self._reported: set[str] = set()
        self.projects: dict[str, dict[str, str]] = {}
        """For each project: the indexes that could not be asked for it, why, and why no copy stands in."""

    def add(self, page: Request, why: str) -> str | None:
        """Remember that an index could not be asked for a project's page; return a warning if another one has it."""
        project = urls.project(page.url)
        self.projects.setdefault(project, {})[privacy.shown_index(page)] = why
        return self.warning(project)

    def warning(self, project: str) -> str | None:
        """Return the warning if one index has a project for which another could not be asked; once for each index."""
        sources = self._given.indexes_of(project)
        down = self.projects.get(project, {})
        # An index that was asked by two spellings of the name is no gap if it answered to one.
        silent = {index: why for index, why in down.items() if index not in (*self._reported, *sources)}
        if not sources or not silent:
            return None
        self._reported.update(silent)
        (index, why), source = next(iter(silent.items())), sources[0]
        return (
            f"{index} could not be asked for {project} {why}: {project} is taken from "
            f"{source} alone, and so may be other projects that {index} has (missing-index = fail would end the build)"
        )
