"""What is stored, as a person asks for it: by project, index and version, and for whom."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cachedindex import standard
from cachedindex.errors import StoreUnavailable
from cachedindex.model import Identity, Kind, Record, Request, Route
from cachedindex.named import NamedTuple
from cachedindex.rules import downloads, filenames, layout, pages, privacy, promised, urls
from cachedindex.store import disk, private, record, system
from cachedindex.upkeep import listing
from cachedindex.upkeep.listing import ListedFile

_SAMPLE = 4096
_TRUSTS = ("tls", "http", "unverified")
"""How a peer may be verified; by another bundle of authorities as well, which a name does not show."""


@dataclass(frozen=True)
class Entry:
    """A record as it lies in a tree: in the one for everybody, or in that of one user."""

    tree: Path
    file: ListedFile
    record: Record
    """Without the body of a page: there may be thousands of them, which `whole` reads again one by one."""
    project: str
    """Normalized; empty for what is of none, or of several."""

    @property
    def owner(self) -> int | None:
        """The number of the user whose tree it is; None for everybody's."""
        return int(self.tree.name) if self.tree.parent.name == private.FOLDER else None

    @property
    def scope(self) -> str:
        """The credential scope, which is the end of the name in a user's own tree."""
        return "" if self.owner is None else self.file.name.rpartition(".")[2]

    @property
    def is_page(self) -> bool:
        """Whether it is a page; not what says that an index did not have one."""
        return self.record.form in ("html", "json")

    @property
    def is_mark(self) -> bool:
        """Whether it has no body, but says something in place of a page."""
        return self.record.form in (layout.ABSENT, layout.FORBIDDEN)

    @property
    def is_purged(self) -> bool:
        """Whether it only keeps the answers to earlier requests from being stored."""
        return self.record.barred and not self.record.size

    @property
    def filename(self) -> str:
        """The last part of its path."""
        return _last(self.record.url)

    @property
    def version(self) -> str:
        """The version of a file; empty for anything else."""
        if self.record.form:
            return ""
        if named := filenames.parsed(self.filename):
            return named.version
        segments = self.record.url.rpartition("/pypi/")[2].split("/")
        return segments[1] if downloads.is_optional(self.record.url) and segments[1] != "json" else ""

    @property
    def request(self) -> Request:
        """The request that it answers, as far as that can be seen in it."""
        kind: Kind = "page" if self.record.form else "file"
        return Request("GET", self.record.url, kind, identity=Identity(scope=self.scope))

    @property
    def request_by_trust(self) -> Request | None:
        """The request with how its peer was verified, which only the name of the record shows; None if it does not."""
        for trust in _TRUSTS:
            request = self.request._replace(route=Route(trust))
            if layout.record_path(request, self.record.form)[-1] == self.file.name:
                return request
        return None

    @property
    def shown(self) -> str:
        """Its URL as it may be shown: without what may be a token in the path."""
        url = urls.public(self.record.url)
        if self.scope != privacy.USER:
            return url
        return f"{privacy.shown_index(self.request)}{urls.project(url) + '/' if self.record.form else self.filename}"

    def moved_to(self, tree: Path) -> Entry:
        """Return the entry as it would lie in another tree."""
        where = tree / Path(self.file.where).relative_to(self.tree)
        return replace(self, tree=tree, file=self.file._replace(where=str(where), folder=None))

    def whole(self) -> Record | None:
        """Return the record as it is now, with the body of a page; None if it is gone, or of no use any more."""
        try:
            raw = disk.read(self.file.path, self.tree)
        except StoreUnavailable:
            return None
        return record.decode(raw) if raw else None

    def lists(self, other: Entry) -> bool:
        """Return whether a page promises the hash of a file."""
        links = promised.promises(_listing(self.file.where, self.tree), other.filename)
        return any(spelled(link) == spelled(other.record.url) for link in links)


class Contents(NamedTuple):
    """All records of some trees."""

    entries: Sequence[Entry]
    unreadable: Sequence[Path]
    """Files that this user may not read."""


@dataclass
class Holding:
    """What is stored of one project from one index, for the same users."""

    project: str
    index: str
    whom: str
    pages: list[Entry] = field(default_factory=list)
    absences: list[Entry] = field(default_factory=list)
    files: list[Entry] = field(default_factory=list)

    @property
    def versions(self) -> list[str]:
        """The versions of which files are stored, the oldest first."""
        return sorted({entry.version for entry in self.files if entry.version}, key=filenames.order)

    @property
    def size(self) -> int:
        """The bytes of its pages and files."""
        return sum(entry.record.size for entry in (*self.pages, *self.files))


def read(*trees: Path) -> Contents:
    """Return all records of these trees that this user may read; a damaged one is none."""
    entries, unreadable = [], []
    for tree in trees:
        for file in listing.records(tree):
            try:
                raw = disk.read(file.path, tree)
            except StoreUnavailable:
                unreadable.append(file.path)
                continue
            stored = record.decode(raw) if raw else None
            if stored:
                entries.append(Entry(tree, file, stored._replace(page=stored.page and b""), _project(stored)))
    return Contents(entries, unreadable)


def holdings(entries: Iterable[Entry]) -> list[Holding]:
    """Return what is stored by project, index and users. A file is of the index whose page lists it, or of its host."""
    known = [entry for entry in entries if not entry.is_purged and entry.record.form != layout.FORBIDDEN]
    of_project: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in known:
        if entry.is_page:
            of_project[entry.project].append(entry)
    found: dict[tuple[str, str, str], Holding] = {}
    for entry in known:
        place = (entry.project, _index(entry, of_project), whom(entry))
        holding = found.setdefault(place, Holding(*place))
        (holding.pages if entry.is_page else holding.absences if entry.is_mark else holding.files).append(entry)
    return [found[place] for place in sorted(found)]


def spelled(url: str) -> str:
    """Return a URL in the one spelling by which those of different places are compared: without query, not encoded."""
    return urls.origin(url) + unquote(urlsplit(url).path)


def known_by(url: str) -> str:
    """Return what the URL of a record and that of a look-up in the record of a run have in common."""
    return urls.without_tokens(spelled(urls.page(urls.public(url))))


def whom(entry: Entry) -> str:
    """Return for whom an entry is stored, in words."""
    if entry.owner is None:
        return "everybody"
    user = "this user" if entry.owner == system.user() else f"user {user_name(entry.owner)}"
    return user if entry.scope == privacy.USER else f"{user}, with credentials"


def others(root: Path) -> list[Path]:
    """Return the trees of other users below a cache folder, of which only these and root may see the content."""
    above, own = root / private.FOLDER, private.folder_of_user(root).name
    try:
        found = [] if above.is_symlink() else sorted(above.iterdir())
    except OSError:  # It is not there, or may not be listed.
        return []
    return [tree for tree in found if tree.name.isdecimal() and tree.name != own and not tree.is_symlink()]


@contextmanager
def acting_for(tree: Path) -> Iterator[None]:
    """As root, act as the user whose tree it is: in it, that user could lead root anywhere by a link.

    Raises OSError if this root may not do that.
    """
    user, groups = int(tree.name), os.getgroups()
    group = _group(user)
    try:
        os.setgroups([])
        os.setegid(group)
        os.seteuid(user)
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def user_name(user: int) -> str:
    """Return a user's name, or the number of one that has none here, as in a container."""
    with standard.library():
        import pwd  # noqa: PLC0415 - Windows has none
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _group(user: int) -> int:
    with standard.library():
        import pwd  # noqa: PLC0415 - as above
    try:
        return pwd.getpwuid(user).pw_gid
    except KeyError:
        return user


def _index(entry: Entry, of_project: Mapping[str, Sequence[Entry]]) -> str:
    """Return the index of an entry as it may be shown; a page of no project, or of several, is its own."""
    if not entry.record.form:
        lists = (page for page in of_project.get(entry.project, ()) if page.tree == entry.tree and page.lists(entry))
        entry = next(lists, entry)
    if not entry.project:
        return entry.shown
    return privacy.shown_index(entry.request)


@lru_cache(maxsize=8)  # The files of a project are looked for one after the other.
def _listing(where: str, tree: Path) -> promised.Listing:
    """Return the text of a page; an empty one if it is gone."""
    raw = disk.read(Path(where), tree)
    stored = record.decode(raw) if raw else None
    return promised.listing(stored) if stored else promised.Listing("", "", is_json=False)


def _project(stored: Record) -> str:
    url = stored.url
    if stored.form == layout.FORBIDDEN:
        return ""
    if stored.form:
        return urls.project(url) if stored.form == layout.ABSENT else _project_of_page(stored)
    if named := filenames.parsed(_last(url)):
        return named.project
    return urls.normalized(url.rpartition("/pypi/")[2].partition("/")[0]) if downloads.is_optional(url) else ""


def _last(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])


def _project_of_page(page: Record) -> str:
    """Return the project of a page; empty for a page with files of several, and for a list of projects."""
    body = page.page or b""
    if not pages.names_files(body):
        return "" if pages.stored(page).projects else urls.project(page.url)
    return pages.group(page.url, body[:_SAMPLE] + b"\n" + body[-_SAMPLE:])
