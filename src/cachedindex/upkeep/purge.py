"""Takes a project, a version, a file or an index out of a tree, so that nobody is served it any more.

A process may be about to store what it asked for before. So in place of each record there is an empty one from now on,
which is served to nobody: an answer to an earlier request does not replace it, and the next one does. What such a
process is writing is removed as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Record
from cachedindex.named import NamedTuple
from cachedindex.rules import filenames, layout, pages, urls
from cachedindex.store import quarantine, record
from cachedindex.store.store import BLOBS, RECORDS, Tree
from cachedindex.upkeep import inventory, listing
from cachedindex.upkeep.inventory import Entry
from cachedindex.upkeep.listing import ListedFile

_FORMS = ("html", "json")


class Target(NamedTuple):
    """What is to go: one of project, sha256, url and whole is set."""

    project: str = ""
    """Normalized."""
    version: str = ""
    """Of that project; empty for all of it."""
    sha256: str = ""
    url: str = ""
    """Of one page or file."""
    whole: str = ""
    """The URL of an index, whose pages go with all files that they list."""

    def has_page(self, page: Entry) -> bool:
        """Return whether a page, or what stands in place of one, goes as a whole."""
        if self.whole:
            return inventory.spelled(page.record.url).startswith(f"{inventory.spelled(self.whole).rstrip('/')}/")
        return self._has_url(page) or (self._is_own(page) and not self.version)

    def has_file(self, file: Entry) -> bool:
        """Return whether a file goes by its own name, address or digest."""
        if self.whole:
            return self.has_page(file)
        if self.sha256:
            return file.record.sha256 == self.sha256
        return self._has_url(file) or self._has_name(file.project, file.version)

    def has_link(self, page: Entry, link: pages.Link) -> bool:
        """Return whether a file goes that a page lists: on the project's own page whatever its name is."""
        if self.sha256:
            return self.sha256 in (link.sha256, link.metadata_sha256)
        if self.url:
            return inventory.spelled(link.url) == inventory.spelled(self.url)
        if self.whole:
            return self.has_page(page)
        named = filenames.parsed(link.filename or unquote(urlsplit(link.url).path.rpartition("/")[2]))
        if named and self._has_name(named.project, named.version):
            return True
        is_anothers = page.project != self.project and named is not None and named.version
        return not is_anothers and self.has_page(page)

    def _is_own(self, page: Entry) -> bool:
        """Return whether a page is the project's, by its address: it may list files with other names only."""
        by_address = page.record.url.endswith("/") and urls.project(page.record.url) == self.project
        return bool(self.project) and (by_address or page.project == self.project)

    def _has_url(self, entry: Entry) -> bool:
        wanted = inventory.spelled(urls.page(self.url)).rstrip("/") if self.url else ""
        found = (urls.page(entry.record.url), entry.record.final)
        return bool(wanted) and wanted in [inventory.spelled(url).rstrip("/") for url in found]

    def _has_name(self, project: str, version: str) -> bool:
        is_version = not self.version or filenames.canonical(version) == filenames.canonical(self.version)
        return bool(self.project) and project == self.project and is_version


@dataclass
class Purged:
    """What went, or is to go, and what does not."""

    entries: list[Entry] = field(default_factory=list)
    listing: list[Entry] = field(default_factory=list)
    """Pages that list a file that went: they stay, and upstream is asked for them at the next look-up."""
    size: int = 0
    """Bytes."""
    kept: int = 0
    """Files whose bytes stay, as another record has the same."""
    left: list[Path] = field(default_factory=list)
    """Files that this user may not remove."""


def purge(tree: Path, target: Target, now: float, *, dry_run: bool = False) -> Purged:
    """Remove what is meant from one tree, or only say what that is; `now` is in seconds since the epoch."""
    purged, late = _swept(tree, target, now, math.inf, dry_run=dry_run), Purged()
    if not dry_run and purged.entries:  # What was stored meanwhile, by processes that had asked before.
        late = _swept(tree, target, now, now, dry_run=False)
    return Purged(
        purged.entries + late.entries,
        purged.listing,
        purged.size + late.size,
        purged.kept,
        list(dict.fromkeys(purged.left + late.left)),
    )


def bar(root: Path, other: Path, target: Target, now: float, *, dry_run: bool = False) -> Purged:
    """Have nobody who reads one folder served from another one what is meant; nothing there is changed.

    An empty record in the first one stands for each that lies there.
    """
    entries = [entry for entry in inventory.read(other).entries if not entry.is_purged and not entry.is_mark]
    going, linked = _meant(entries, target)
    here = [entry.moved_to(root) for entry in going]
    gone = set(map(id, going))
    listing = list({id(page): page for page, _ in linked if id(page) not in gone}.values())
    barred = Purged(here, listing)
    if not dry_run:
        barred.left = [entry.file.path for entry in here if not _put_empty(entry, now)]
        for page in listing:
            _expire(page, root)
    return barred


def _swept(tree: Path, target: Target, now: float, until: float, *, dry_run: bool) -> Purged:
    """Remove what is meant and was asked for until a time."""
    entries = [entry for entry in inventory.read(tree).entries if not entry.is_purged]
    old = [entry for entry in entries if entry.record.asked <= until]
    going, linked = _meant(old, target)
    gone = set(map(id, going))
    needed = {entry.record.sha256 for entry in entries if id(entry) not in gone and not entry.record.form}
    digests = {digest for _, link in linked for digest in (link.sha256, link.metadata_sha256) if digest}
    digests |= {entry.record.sha256 for entry in going if not entry.record.form} | ({target.sha256} - {""})
    remains = list(_remains(tree, going, digests - needed))
    purged = Purged(going, list({id(page): page for page, _ in linked if id(page) not in gone}.values()))
    purged.size = sum(entry.record.size for entry in going if entry.record.form)
    purged.size += sum(file.status.st_size for file in remains)
    purged.kept = len(digests & needed)
    if not dry_run:
        purged.left = [entry.file.path for entry in going if not _emptied(entry, now)]
        purged.left += [file.path for file in remains if not file.remove()]
        for page in purged.listing:
            _expire(page)
    return purged


def _meant(entries: Sequence[Entry], target: Target) -> tuple[list[Entry], list[tuple[Entry, pages.Link]]]:
    """Return of the records of a tree those that are meant, and the links to what is, each with its page."""
    linked = [(page, link) for page in entries if page.is_page for link in _links(page, target)]
    addresses = {inventory.spelled(link.url) + end for _, link in linked for end in ("", ".metadata")}
    return [entry for entry in entries if _goes(entry, target) or _is_at(entry, addresses)], linked


def _links(page: Entry, target: Target) -> Iterator[pages.Link]:
    """Yield the links of a page to what is to go; a page that cannot have any is not read."""
    may_list = not target.project or page.project in ("", target.project)
    stored = page.whole() if may_list and (not target.whole or target.has_page(page)) else None
    if stored and (not target.sha256 or target.sha256.encode() in (stored.page or b"")):
        yield from (link for link in pages.stored(stored).links if target.has_link(page, link))


def _goes(entry: Entry, target: Target) -> bool:
    return target.has_page(entry) if entry.record.form else target.has_file(entry)


def _is_at(entry: Entry, addresses: set[str]) -> bool:
    return not entry.record.form and inventory.spelled(entry.record.url) in addresses


def _remains(tree: Path, going: Iterable[Entry], digests: set[str]) -> Iterator[ListedFile]:
    """Yield the blobs of these digests, those that are being written, and what is of them in the quarantine."""
    for folder in {digest[:2] for digest in digests}:
        for file in listing.files(tree / BLOBS / folder):
            if file.name in digests or (file.name[:1] == "." and file.name[1:65] in digests):
                yield file
    names = {quarantine.name_of(tree, entry.file.path) for entry in going}
    names |= {quarantine.name_of(tree, tree / BLOBS / digest[:2] / digest) for digest in digests}
    for file in listing.files(tree / quarantine.FOLDER):
        if file.name.split(".", 2)[-1] in names:
            yield file


def _emptied(entry: Entry, now: float) -> bool:
    """Put an empty record in the place of each form of an entry; return whether the entry is gone."""
    # The disk may be full, or not writable: on a full one, a file can be removed.
    return (not entry.is_mark and _put_empty(entry, now)) or entry.file.remove()


def _put_empty(entry: Entry, now: float) -> bool:
    """Put an empty record in the place of each form of an entry; return whether that is possible."""
    tree = Tree(entry.tree)
    try:
        for form, path in _places(entry):
            empty = record.empty(entry.record.url, form, now)
            tree.publish(path, empty, lambda there: there is None or there.asked <= max(now, entry.record.asked))
    except StoreUnavailable:
        return False
    return True


def _places(entry: Entry) -> Iterator[tuple[str, Path]]:
    """Yield where an entry lies, and the other form of a page would lie."""
    yield entry.record.form, entry.file.path
    if entry.is_page and (request := entry.request_by_trust):
        for form in _FORMS:
            if form != entry.record.form:
                yield form, (entry.tree / RECORDS).joinpath(*layout.record_path(request, form))


def _expire(page: Entry, root: Path | None = None) -> None:
    """Have upstream asked for a page at the next look-up; `root` is where an expired one is put in place of it."""
    stored, here = page.whole(), page.moved_to(root) if root else page

    def gives_way(there: Record | None) -> bool:
        return there == stored or (root is not None and (there is None or there.asked < page.record.asked))

    with suppress(StoreUnavailable):  # Then it is asked when its time to live is over.
        if stored:
            Tree(here.tree).publish(here.file.path, stored._replace(expired=True), gives_way)
