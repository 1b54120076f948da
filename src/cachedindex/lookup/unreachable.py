"""Projects that a client may silently take from one index, because another that may have them is down."""

from __future__ import annotations

from cachedindex.model import Request
from cachedindex.rules import urls


class Unreachable:
    """What each index said of each project, in one process: that is where a client compares them."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._down: dict[str, dict[str, str]] = {}
        self._told: set[str] = set()

    def found(self, request: Request) -> str | None:
        """Note that an index has a project; return what to say, where another one is down."""
        project = urls.project(request.url)
        self._found.setdefault(project, _index(request))
        return self._tell(project)

    def down(self, request: Request, why: str) -> str | None:
        """Note that an index could not be asked for a project; return what to say, where another one has it."""
        project = urls.project(request.url)
        self._down.setdefault(project, {})[_index(request)] = why
        return self._tell(project)

    def _tell(self, project: str) -> str | None:
        source = self._found.get(project)
        untold = {index: why for index, why in self._down.get(project, {}).items() if index not in self._told}
        if source is None or not untold:
            return None
        self._told.update(untold)
        index, why = next(iter(untold.items()))
        return (
            f"{index} could not be asked for {project} ({why}), and nothing is stored of it: it is taken from "
            f"{source} alone, and so is whatever else {index} may have (missing-index = fail would end the build)"
        )


def _index(request: Request) -> str:
    """Return where the index of a project page begins."""
    return urls.public(request.url).rstrip("/").rpartition("/")[0] + "/"
