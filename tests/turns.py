"""Compares in which turn a pip's resolver is given candidates, with `clients/pip/newest.py` and without.

`python turns.py SOURCE FOLDER` runs in the Python of that pip, which has nothing else of the tests. FOLDER holds JSON
pages. For each page, target and requirement, pip's own factory is asked for all candidates, from two indexes. It prints
each difference, and last how many it compared, and for how many of them no more than a newest version was looked at
before a second one was wanted. It ends with 1 if there was a difference.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

from links import JSON, TARGETS, Read, content, made, yanks
from pip._internal.index import package_finder
from pip._internal.models.search_scope import SearchScope
from pip._internal.req.constructors import install_req_from_line
from pip._internal.resolution.resolvelib.factory import Factory
from pip._internal.utils.hashes import Hashes
from pip._vendor.packaging.specifiers import SpecifierSet

from cachedindex.clients.pip.cut import Cut
from cachedindex.clients.pip.newest import PAGES, Newest, completed, newest_first

CUT = Cut(package_finder)
NEWEST = Newest(package_finder, CUT)
PARSE = package_finder.parse_links
TURNED = ("this", "cp314", "musl", "windows")
"""Targets: a resolver's turn takes ten times as long to compare as a search, and depends on the wheels alone."""
WHOLE = dict[str, Read]()
"""What reads the whole page of a URL, once for all targets."""


class Ours(package_finder.PackageFinder):  # type: ignore[misc] - pip has no types for others
    """pip's finder, surrounded."""

    process_project_url = NEWEST.searching(CUT.searching(package_finder.PackageFinder.process_project_url))
    find_best_candidate = NEWEST.finding(package_finder.PackageFinder.find_best_candidate)
    requires_python_skipped_reasons = completed(package_finder.PackageFinder.requires_python_skipped_reasons)


def main() -> int:
    """Compare, print, and return 1 if there is a difference."""
    compared = enough = differences = 0
    for path in sorted(Path(sys.argv[2]).glob("*.json")):
        page, part = content(path, JSON), a_part(path)
        WHOLE.update({one.url: Read(PARSE) for one in (page, part)})
        for target, pre, yanked in product(TURNED, (False, True), yanks(path)):
            kinds = (Ours, package_finder.PackageFinder)
            ours, pips = (finder(kind, page, part, target, pre=pre, yanked=yanked) for kind in kinds)
            turns = [(wanted, turn(pips, wanted)) for wanted in requirements(path.stem, pips)]
            begun = [begin(ours, wanted) for wanted, _ in turns]  # All of them, before one needs every version.
            enough += len(vars(ours)[PAGES][path.stem].found)
            for (wanted, expected), (first, rest) in zip(turns, begun, strict=True):
                compared += 1
                if [*first, *map(described, rest)] != expected:
                    differences += 1
                    sys.stdout.write(f"{wanted}, {target}, pre-releases: {pre}, yanked: {yanked}: another turn\n")
            if reasons(ours) != reasons(pips):
                differences += 1
                sys.stdout.write(f"{path.stem}, {target}: other reasons\n")
    sys.stdout.write(f"{compared} requirements, for {enough} of which a newest version was enough\n")
    return int(differences > 0)


def a_part(path: Path) -> Any:
    """Return the page of another index, which has each third file, under another URL."""
    page, raw = content(path, JSON), json.loads(path.read_bytes())
    files = [{**file, "url": str(file["url"]).replace("//files", "//other")} for file in raw["files"][::3]]
    return type(page)(
        json.dumps({**raw, "files": files}).encode(), JSON, None, page.url.replace("index.", "other."), False
    )


def finder(kind: Any, page: Any, part: Any, target: str, *, pre: bool, yanked: bool) -> Any:
    """Return a finder for a target, with pre-releases or without, that reads two indexes."""
    one = made(kind, page, TARGETS[target], yanked)
    one.search_scope = SearchScope.create(
        [], ["https://index.example/simple/", "https://other.example/simple/"], no_index=False
    )
    one._link_collector.fetch_response = lambda url, **_: part if "other." in url.url else page
    if pre and hasattr(one, "set_allow_all_prereleases"):
        one.set_allow_all_prereleases()
    elif pre:
        from pip._internal.models.release_control import ReleaseControl  # since pip 26.0

        one.set_release_control(ReleaseControl(all_releases={":all:"}))
    return one


def whole(page: Any) -> list[Any]:
    """Return all links of a page, as pip reads them."""
    return WHOLE[page.url].once(page)


def requirements(project: str, one: Any) -> Iterator[str]:
    """Yield requirements, with versions that the page has."""
    package_finder.parse_links = whole
    known = {candidate.version for candidate in one.find_all_candidates(project)}
    versions = [version.public for version in sorted(known) if version.release] or ["1.0"]  # Not a LegacyVersion.
    middle, last = versions[len(versions) // 2], versions[-1]
    for specifier in (
        "",
        f"<{middle}",
        f">={middle}",
        f"=={last}",
        f"!={last},>={middle}",
        f"=={middle}",
        ">=0a0,!=1.1",
    ):
        yield f"{project}{specifier}"


def infos(one: Any, wanted: str) -> Any:
    """Return what pip's factory yields the candidates by."""
    factory = Factory(one, None, None, None, False, False, True, False)
    requirement = install_req_from_line(wanted)
    return factory._iter_found_candidates([requirement], SpecifierSet(), Hashes(), False, set())._get_infos


def turn(one: Any, wanted: str) -> Sequence[tuple[str, ...]]:
    """Return the candidates that pip's resolver would be given."""
    package_finder.parse_links = whole
    return [described(info) for info in infos(one, wanted)()]


def begin(one: Any, wanted: str) -> tuple[Sequence[tuple[str, ...]], Iterator[Any]]:
    """Return the candidates that come first with a newest version first, and what yields the rest."""
    package_finder.parse_links = CUT.links
    rest = newest_first(infos(one, wanted))()
    return [described(info) for info in islice(rest, 1)], rest


def reasons(one: Any) -> Sequence[str]:
    """Return why candidates were left out, as pip's messages say it."""
    package_finder.parse_links = CUT.links if isinstance(one, Ours) else whole
    return list(one.requires_python_skipped_reasons())


def described(info: Any) -> tuple[str, ...]:
    """Return all that pip knows of a candidate."""
    version, call = info
    link = call.keywords["link"]
    inside = (getattr(link, name, None) for name in ("_hashes", "metadata_file_data"))  # Not in each pip.
    return tuple(map(str, (version, link.url, link.requires_python, link.yanked_reason, *inside)))


sys.exit(main())
