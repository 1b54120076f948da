"""Compares what a pip takes from pages with and without `clients/pip/cut.py`: `python links.py SOURCE FOLDER`.

It runs in the Python of that pip, which has nothing else of the tests. FOLDER holds JSON pages; each is read as HTML as
well. It prints each difference, and last how many searches it compared, how many links pip made of whole pages for
them, how many of these were left out, and for how many targets. It ends with 1 if there was a difference.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, sys.argv[1])

from pip._internal.index import package_finder
from pip._internal.index.collector import IndexContent, LinkCollector
from pip._internal.models.link import Link
from pip._internal.models.search_scope import SearchScope
from pip._internal.models.selection_prefs import SelectionPreferences
from pip._internal.models.target_python import TargetPython
from rendered import rendered

from cachedindex.clients.pip.cut import Cut

JSON = "application/vnd.pypi.simple.v1+json"
TARGETS: dict[str, TargetPython] = {name: TargetPython(**values) for name, values in {
    "this": {},
    **{f"cp3{minor}": {"py_version_info": (3, minor), "platforms": ["manylinux_2_28_x86_64", "manylinux2014_x86_64"]}
       for minor in range(10, 15)},
    "pypy": {"implementation": "pp", "abis": ["pypy310_pp73"], "py_version_info": (3, 10),
             "platforms": ["manylinux_2_17_x86_64"]},
    "musl": {"py_version_info": (3, 12), "platforms": ["musllinux_1_2_aarch64"]},
    "mac": {"py_version_info": (3, 11), "platforms": ["macosx_13_0_arm64", "macosx_10_9_universal2"]},
    "threads": {"py_version_info": (3, 14), "platforms": ["manylinux_2_28_x86_64"], "abis": ["cp314t"]},
    "windows": {"py_version_info": (3, 13), "platforms": ["win_amd64"], "abis": ["cp313"], "implementation": "cp"},
}.items()}  # type: ignore[arg-type] # fmt: skip
"""Each is made once, as it computes its tags once."""


def main() -> int:
    """Compare, print, and return 1 if there is a difference."""
    cut, search = Cut(package_finder), package_finder.PackageFinder.process_project_url
    compared = seen = kept = differences = 0
    for path, form in product(sorted(Path(sys.argv[2]).glob("*.json")), (JSON, "text/html")):
        page = content(path, form)
        whole, fewer = Read(package_finder.parse_links), Read(cut.links)
        for target, yanked in product(TARGETS, yanks(path)):
            package_finder.parse_links = whole.once
            expected = found(search, path.stem, page, TARGETS[target], yanked)
            package_finder.parse_links = fewer
            if found(cut.searching(search), path.stem, page, TARGETS[target], yanked) != expected:
                differences += 1
                sys.stdout.write(f"{path.stem}, {form}, {target}, yanked allowed: {yanked}: another result\n")
            compared += 1
            package_finder.parse_links = whole.parse
        seen, kept = seen + whole.links, kept + fewer.links
    sys.stdout.write(f"{compared} searches, {seen} links, {seen - kept} left out, {len(TARGETS)} targets\n")
    return int(differences > 0)


def yanks(path: Path) -> Sequence[bool]:
    """Return whether yanked files are allowed: not, and so that they are if the page has any."""
    has_yanked = any(file.get("yanked") for file in json.loads(path.read_bytes())["files"])
    return (False, True) if has_yanked else (False,)


class Read:
    """A function that reads a page, and the number of links that it has returned."""

    def __init__(self, parse: Callable[[Any], list[Any]]) -> None:
        self.parse, self.links = parse, 0
        self._first: list[Any] | None = None

    def __call__(self, page: Any) -> list[Any]:
        """Return the links of a page."""
        links = self.parse(page)
        self.links += len(links)
        return links

    def once(self, page: Any) -> list[Any]:
        """Return the same, but read the page only once: it does not depend on the target."""
        if self._first is None:
            self._first = self.parse(page)
        self.links += len(self._first)
        return self._first


def found(search: Any, project: str, page: Any, target: TargetPython, yanked: bool) -> tuple[Any, ...]:
    """Return the candidates of a search, and the reasons that pip keeps for its messages."""
    finder = made(package_finder.PackageFinder, page, target, yanked)
    candidates = search(finder, Link(page.url), finder.make_link_evaluator(project))
    return [described(one) for one in candidates], finder.requires_python_skipped_reasons()


def made(kind: Any, page: Any, target: TargetPython, yanked: bool) -> Any:
    """Return a finder of pip's that gets this page for every project of an index."""
    session = SimpleNamespace(is_secure_origin=lambda _: True)
    collector = LinkCollector(session, SearchScope.create([], ["https://index.example/simple/"], no_index=False))
    collector.fetch_response = lambda *_, **__: page
    return kind.create(
        link_collector=collector,
        selection_prefs=SelectionPreferences(allow_yanked=yanked),
        target_python=target,
    )


def described(candidate: Any) -> Sequence[str]:
    """Return all that pip knows of a candidate."""
    link = candidate.link
    inside = (getattr(link, name, None) for name in ("_hashes", "metadata_file_data"))  # Not in each pip.
    known = (link.url, link.requires_python, link.yanked_reason, *inside)
    return tuple(map(str, (candidate.name, candidate.version, *known)))


def content(path: Path, form: str) -> Any:
    """Return a page in one of its forms."""
    raw = path.read_bytes()
    body = raw if form == JSON else rendered(json.loads(raw)).encode()
    url = f"https://index.example/simple/{path.stem}/"
    return IndexContent(body, form, None if form == JSON else "utf-8", url, False)


if __name__ == "__main__":
    sys.exit(main())
