"""Compares what a pip takes from pages with and without `clients/pip/cut.py`: `python links.py SOURCE FOLDER`.

It runs in the Python of that pip, with nothing of the tests. FOLDER holds JSON pages; each is read as HTML as well. It
prints how many searches it compared and how many links were left out, and ends with 1 at the first difference.
"""

from __future__ import annotations

import html
import json
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

from pip._internal.index import package_finder
from pip._internal.index.collector import IndexContent, LinkCollector
from pip._internal.models.link import Link
from pip._internal.models.search_scope import SearchScope
from pip._internal.models.selection_prefs import SelectionPreferences
from pip._internal.models.target_python import TargetPython

from cachedindex.clients.pip.cut import Cut

JSON = "application/vnd.pypi.simple.v1+json"
TARGETS: dict[str, dict[str, Any]] = {
    "this": {},
    **{f"cp3{minor}": {"py_version_info": (3, minor), "platforms": ["manylinux_2_28_x86_64", "manylinux2014_x86_64"]}
       for minor in range(10, 15)},
    "pypy": {"implementation": "pp", "abis": ["pypy310_pp73"], "py_version_info": (3, 10),
             "platforms": ["manylinux_2_17_x86_64"]},
    "musl": {"py_version_info": (3, 12), "platforms": ["musllinux_1_2_aarch64"]},
    "mac": {"py_version_info": (3, 11), "platforms": ["macosx_13_0_arm64", "macosx_10_9_universal2"]},
    "windows": {"py_version_info": (3, 13), "platforms": ["win_amd64"], "abis": ["cp313"], "implementation": "cp"},
}  # fmt: skip


def main() -> None:
    """Compare, and print."""
    cut, whole = Cut(package_finder), package_finder.parse_links
    search = package_finder.PackageFinder.process_project_url
    compared = seen = kept = 0
    for path, page, name in product(sorted(Path(sys.argv[2]).glob("*.json")), (JSON, "text/html"), TARGETS):
        for yanked in (False, True):
            package_finder.parse_links = counted = Counted(whole)
            expected = found(search, path, page, TARGETS[name], yanked)
            package_finder.parse_links = fewer = Counted(cut.links)
            if found(cut.searching(search), path, page, TARGETS[name], yanked) != expected:
                raise SystemExit(f"{path.stem}, {page}, {name}, yanked allowed: {yanked}: another result")
            compared, seen, kept = compared + 1, seen + counted.links, kept + fewer.links
    sys.stdout.write(f"{compared} searches, {seen} links, {seen - kept} left out\n")


class Counted:
    """A function that reads a page, and the number of links that it has found."""

    def __init__(self, parse: Callable[[Any], list[Any]]) -> None:
        self.parse, self.links = parse, 0

    def __call__(self, page: Any) -> list[Any]:
        """Return the links of a page."""
        links = self.parse(page)
        self.links += len(links)
        return links


def found(search: Any, path: Path, form: str, target: dict[str, Any], yanked: bool) -> tuple[Any, ...]:
    """Return the candidates of a search, and the reasons that pip keeps for its messages."""
    page = content(path, form)
    collector = LinkCollector(session=None, search_scope=SearchScope.create([], [], no_index=False))
    collector.fetch_response = lambda *_, **__: page
    finder = package_finder.PackageFinder.create(
        link_collector=collector,
        selection_prefs=SelectionPreferences(allow_yanked=yanked),
        target_python=TargetPython(**target),
    )
    candidates = search(finder, Link(page.url), finder.make_link_evaluator(path.stem))
    described = [(one.version, one.link.url, one.link.requires_python, one.link.yanked_reason) for one in candidates]
    return [tuple(map(str, one)) for one in described], finder.requires_python_skipped_reasons()


def content(path: Path, form: str) -> Any:
    """Return a page in one of its forms."""
    raw = path.read_bytes()
    body = raw if form == JSON else rendered(json.loads(raw)).encode()
    return IndexContent(body, form, None if form == JSON else "utf-8", f"https://index.example/{path.stem}/", False)


def rendered(page: dict[str, Any]) -> str:
    """Return a JSON page as HTML, as the default index writes it."""
    return "".join(map(_anchor, page["files"]))


def _anchor(file: dict[str, Any]) -> str:
    attributes = ""
    if file.get("requires-python"):
        attributes += f' data-requires-python="{html.escape(file["requires-python"])}"'
    if file.get("yanked"):
        attributes += f' data-yanked="{html.escape(str(file["yanked"]))}"'
    return f'<a href="{html.escape(file["url"])}"{attributes}>{html.escape(file["filename"])}</a><br />\n'


main()
