"""The files in folders that pip is given by `--find-links`: it may choose one of them, and none of an index's.

pip reads such a folder for each project (pip 23.2 to 26.3, index/sources.py).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from cachedindex.clients.pip import versions
from cachedindex.rules import urls


class Folders:
    """The folders among the places of find-links; what a page of find-links lists is not looked at."""

    def __init__(self, places: Iterable[str]) -> None:
        """ImportError if pip lacks what is needed."""
        from pip._internal.utils.urls import path_to_url, url_to_path  # noqa: PLC0415 - only in a pip

        paths = [url_to_path(place) if place.startswith("file:") else place for place in places]
        # Not Path.is_dir, which raises if the folder above is closed, or if a URL is too long for a path.
        self._folders = [Path(path) for path in paths if os.path.isdir(path)]  # noqa: PTH112
        self._url = path_to_url

    def files(self, project: str) -> Mapping[Any, Sequence[Path]]:
        """Return a project's files, by their versions."""
        near = self._paths.get(_first_word(project), ())
        paths = {path.name: path for path in near if _may_be_of(path.name, project)}
        found = versions.of_names(list(paths), project).files if paths else {}
        return {version: [paths[name] for name in names] for version, names in found.items()}

    def url(self, path: Path) -> str:
        """Return the URL of a file, as pip has it."""
        return self._url(str(path))

    @cached_property
    def _paths(self) -> Mapping[str, Sequence[Path]]:
        """The files of all folders, by the first word of their names."""
        paths: defaultdict[str, list[Path]] = defaultdict(list)
        for path in sorted(path for folder in self._folders for path in folder.iterdir()):
            paths[_first_word(path.name)].append(path)
        return paths


def _first_word(name: str) -> str:
    return urls.normalized(name).partition("-")[0]


def _may_be_of(name: str, project: str) -> bool:
    """Return whether a file may be of a project; of an sdist, only `versions` knows where the project's name ends."""
    return not name.endswith(".whl") or urls.normalized(name.partition("-")[0]) == project
