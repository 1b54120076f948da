"""Which file of a project's pages pip will most likely take, found without reading the pages as a whole.

The last word is that of pip's own evaluator, on the wheels of one version (pip 23.2 to 26.3, index/package_finder.py).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cachedindex.clients.pip import versions
from cachedindex.clients.pip.folders import Folders
from cachedindex.rules import promised
from cachedindex.rules.promised import Listing


def _is_no_guess(record: logging.LogRecord) -> bool:
    """Return whether pip itself has logged something: what its code says to our threads is nobody's business."""
    return not (record.threadName or "").startswith("cachedindex-")


class Likely:
    """The choice of one finder of pip's."""

    def __init__(self, finder: Any) -> None:
        """Take what is needed from inside pip; ImportError or AttributeError if it is not there."""
        from pip._internal.models.candidate import InstallationCandidate  # noqa: PLC0415 - only in a pip
        from pip._internal.models.link import Link  # noqa: PLC0415
        from pip._internal.models.wheel import Wheel  # noqa: PLC0415
        from pip._internal.utils.packaging import check_requires_python  # noqa: PLC0415

        for module in ("package_finder", "sources"):
            logging.getLogger(f"pip._internal.index.{module}").addFilter(_is_no_guess)
        self._finder = finder
        self._folders = Folders(finder.search_scope.find_links)
        self._candidate, self._wheel = InstallationCandidate, Wheel
        self._link: Any = Link
        self._fits_python = check_requires_python
        target = finder.target_python
        self._python = target.py_version_info
        self._usable_tags: dict[str, bool] = {}
        self._tags = target.get_unsorted_tags() if hasattr(target, "get_unsorted_tags") else set(target.get_tags())
        self._formats = finder.format_control.get_allowed_formats
        self._ignores_python = getattr(finder, "_ignore_requires_python", False)

    def link(self, listings: Sequence[Listing], project: str, specifier: Any, hashes: Any = None) -> Any:
        """Return pip's Link to the wheel; None if it may be an sdist, or lies in a folder, or if nothing fits.

        The pages come in the order of the indexes.
        """
        allowed = self._formats(project)
        if "binary" not in allowed or getattr(self._finder, "uploaded_prior_to", None) is not None:
            return None
        files, near = self._by_version(listings, project), self._folders.files(project)
        found_versions = sorted({*files, *near}, reverse=True) if near else list(files)
        for one in versions.newest(self._finder, project, specifier, found_versions):
            paths, listed = near.get(one, ()), files.get(one, ())
            found = [self._link(self._folders.url(path)) for path in paths if self._is_usable(path.name)]
            found += [link for listing, name in listed for link in self._usable(listing, name)]
            if found:
                return self._best(found, project, one, specifier, hashes)
            names = [*(path.name for path in paths), *(name for _, name in listed)]
            if "source" in allowed and any(name.endswith(versions.SDISTS) for name in names):
                return None
        return None

    def _by_version(self, listings: Sequence[Listing], project: str) -> Mapping[Any, list[tuple[Listing, str]]]:
        """Return the files of all pages by their versions, the newest version first."""
        files: defaultdict[Any, list[tuple[Listing, str]]] = defaultdict(list)
        for listing in listings:
            found = versions.of_json(listing.text, project) if listing.is_json else None
            found = found or versions.of_names(promised.names(listing), project)
            if found.others and not listing.is_json:  # A link may write "+" or "!" as "%2B" or "%21": it may be newer.
                return {}
            for one, names in found.files.items():
                files[one] += [(listing, name) for name in names]
        return files if len(listings) == 1 else dict(sorted(files.items(), reverse=True))

    def _usable(self, listing: Listing, name: str) -> Iterator[Any]:
        """Yield the Link to a wheel that pip may choose."""
        if not self._is_usable(name):
            return
        entry = promised.entry(listing, name)
        link = entry and self._as_link(listing, entry)
        if not link or link.is_yanked:
            return
        if self._ignores_python or self._fits_python(link.requires_python, self._python):
            yield link

    def _is_usable(self, name: str) -> bool:
        """Return whether pip may choose a file for its tags; an odd name is left to pip, which may warn of it."""
        parts = name.removesuffix(".whl").split("-")
        if not name.endswith(".whl") or not versions.is_plain(parts):
            return False
        tags = "-".join(parts[-3:])
        if tags not in self._usable_tags:  # A few hundred are those of all wheels.
            self._usable_tags[tags] = self._wheel(name).supported(self._tags)
        return self._usable_tags[tags]

    def _as_link(self, listing: Listing, entry: Mapping[str, Any]) -> Any:
        if listing.is_json:
            return self._link.from_json(entry, listing.base)
        return self._link.from_element(entry, listing.base, listing.base)

    def _best(self, links: Sequence[Any], project: str, version: Any, specifier: Any, hashes: Any) -> Any:
        if len(links) > 1 or hashes:
            evaluator = self._finder.make_candidate_evaluator(project, specifier=specifier, hashes=hashes)
            # Of those that it likes best, pip tries the last one first (resolution/resolvelib/factory.py); that of a
            # folder comes before those of indexes.
            candidates = [self._candidate(project, str(version), link) for link in reversed(links)]
            best = evaluator.compute_best_candidate(candidates).best_candidate
            links = [best.link] if best else []
            if best and hashes and hashes.digest_count and not best.link.is_hash_allowed(hashes):
                return None  # Then it is an sdist of this version that is wanted.
        return links[0] if links and not links[0].is_file else None
