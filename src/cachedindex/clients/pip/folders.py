"""The files in folders that pip is given by `--find-links`: it may choose one of them, and none of an index's.

pip reads such a folder for each project (pip 23.2 to 26.3, index/sources.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from cachedindex.clients.pip import versions
from cachedindex.rules import urls

_OTHERS = ""


class Folders:
    """The folders among the places of find-links; what a page of find-links lists is not looked at."""

    def __init__(self, places: Iterable[str]) -> None:
        """ImportError if pip lacks what is needed."""
        from pip._internal.utils.urls import path_to_url, url_to_path  # noqa: PLC0415 - only in a pip

        paths = [Path(url_to_path(place) if place.startswith("file:") else place) for place in places]
        self._folders = [path for path in paths if path.is_dir()]
        self._url = path_to_url

    def links(self, project: str) -> Mapping[Any, Sequence[str]]:
        """Return the URLs of a project's files, by their versions."""
        paths = {path.name: path for path in (*self._paths.get(project, ()), *self._paths.get(_OTHERS, ()))}
        found = versions.of_names(list(paths), project).files if paths else {}
        return {version: [self._url(str(paths[name])) for name in names] for version, names in found.items()}

    @cached_property
    def _paths(self) -> Mapping[str, Sequence[Path]]:
        """The wheels of all folders by their projects; of an sdist, only `versions` knows where that name ends."""
        paths: defaultdict[str, list[Path]] = defaultdict(list)
        for path in sorted(path for folder in self._folders for path in folder.iterdir()):
            is_wheel = path.name.endswith(".whl")
            paths[urls.normalized(path.name.partition("-")[0]) if is_wheel else _OTHERS].append(path)
        return paths
