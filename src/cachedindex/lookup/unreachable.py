"""Indexes that could not be asked for a project that the client may silently take from another one meanwhile."""

from __future__ import annotations

from cachedindex.lookup.given import GivenPages
from cachedindex.rules import urls


class Unreachable:
    """The indexes without an answer, in one process: that is where a client compares indexes."""

    def __init__(self, given: GivenPages) -> None:
        """Take the pages that the client was given from other indexes."""
        self._given = given
        self._reported: set[str] = set()
        self.projects: dict[str, dict[str, str]] = {}
        """For each project: the indexes that could not be asked for it, and why."""

    def add(self, page_url: str, why: str) -> str | None:
        """Remember that an index could not be asked for a project; return what to say if another one has it."""
        project = urls.project(page_url)
        self.projects.setdefault(project, {})[urls.index(page_url)] = why
        return self.warning(project)

    def warning(self, project: str) -> str | None:
        """Return what to say of a project that one index has and another was not asked for; once for each index."""
        source = self._given.index_of(project)
        down = self.projects.get(project, {})
        silent = {index: why for index, why in down.items() if index not in self._reported}
        if source is None or not silent:
            return None
        self._reported.update(silent)
        index, why = next(iter(silent.items()))
        return (
            f"{index} could not be asked for {project} ({why}), and nothing is stored of it: it is taken from "
            f"{source} alone, and so is whatever else {index} may have (missing-index = fail would end the build)"
        )
