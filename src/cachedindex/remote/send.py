"""Sends what a run used and its remote does not have yet, after the command: blobs first, then what names them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Kind, Record, RemoteUse, Request
from cachedindex.named import NamedTuple
from cachedindex.options import CLOCK_SKEW
from cachedindex.remote import manifest
from cachedindex.remote.counted import Counted
from cachedindex.remote.manifest import Manifest, Used
from cachedindex.remote.objects import Objects, Unanswered
from cachedindex.rules import foreign, layout, urls
from cachedindex.store import disk, record
from cachedindex.store.store import RECORDS, Tree
from cachedindex.upkeep import inventory
from cachedindex.upkeep.adding import LONGEST_RECORD

_AT_ONCE = 8
_TRIES = 3
"""So often somebody else may put the same object in between."""
_LONGEST_BLOB = 256 << 20
"""Bytes. An object is put in one piece, out of memory; a file that is longer stays where it is."""
_LONG = 16 << 20
"""Bytes from which on blobs are sent one by one, so that not all of them are in memory."""
_MOST_BYTES = 1 << 30
"""Bytes that one run sends: a fleet fills its bucket in more than one run, and a mistake fills no bucket at once."""
_FOR_BLOBS = 0.8
"""The part of the time in which objects are sent: without a manifest that names them, nobody would bring them."""


class Kept(NamedTuple):
    """A record of the cache folder that may leave it."""

    name: str
    raw: bytes
    record: Record


class Sending:
    """What is sent of one run."""

    def __init__(self, url: str, root: Path, until: float) -> None:
        """`until` as for Counted."""
        began = time.monotonic()
        self._counted = Counted(url, "after", began + (until - began) * _FOR_BLOBS)
        self._url = url
        self._tree = Tree(root, read_only=True)
        self._now = time.time()
        self._long = threading.Lock()
        self._size = 0
        self._sent: dict[str, Used] = {}

    @property
    def use(self) -> RemoteUse:
        """What it comes to so far."""
        return self._counted.use

    def send(self, job: str, looked_up: Iterable[tuple[str, Kind]], known: Manifest | None, unsound: set[str]) -> None:
        """Send what these look-ups used; `known` is what the remote has, None if that is to be asked.

        `unsound` are names of objects of which other bytes have come: they are put again.
        """
        kept = {each.name: each for each in may_leave(self._tree.root, looked_up)}
        try:
            if known is not None and not self._has_news(kept, known):
                return
            objects = Objects(self._url, self._counted.rest)
            if known is None:
                known = self._manifest(objects, job)[0]
            self._send_all(objects, [each for each in kept.values() if self._is_news(each, known)], known, unsound)
            self._note(objects, job, {each: known[each] for each in kept if each in known})
        except Unanswered as error:
            self._counted.fail(str(error))

    def _is_news(self, kept: Kept, known: Manifest) -> bool:
        return manifest.is_news(kept.record, known.get(kept.name), self._now)

    def _has_news(self, kept: Mapping[str, Kept], known: Manifest) -> bool:
        used = {name: known[name]._replace(last=self._now) for name in kept if name in known}
        are_new = any(self._is_news(each, known) for each in kept.values())
        return are_new or manifest.is_worth_writing(used, known)

    def _send_all(self, objects: Objects, news: list[Kept], known: Manifest, unsound: set[str]) -> None:
        """Send records and their blobs, the small ones first."""
        ordered = sorted(news, key=lambda each: (each.record.page is None, each.record.size))
        self._counted.each([partial(self._send, objects, each, known, unsound) for each in ordered], _AT_ONCE)

    def _send(self, objects: Objects, kept: Kept, known: Manifest, unsound: set[str]) -> None:
        used = known.get(kept.name)
        again = used is not None and manifest.is_old(used, self._now)
        if kept.record.page is None:
            blob = manifest.blob_name(kept.record.sha256)
            if not self._send_blob(objects, blob, kept.record, again=again or blob in unsound):
                return
        self._send_record(objects, kept, is_known=used is not None or kept.name in unsound, again=again)
        self._sent[kept.name] = manifest.of_record(kept.record, self._now)

    def _send_blob(self, objects: Objects, name: str, stored: Record, *, again: bool) -> bool:
        """Have the blob of a record there, put anew if it is to be put `again`; return whether it is there."""
        there = self._counted.answered(lambda: objects.version(name))
        if there and there[0] == stored.size and not again:
            return True
        if stored.size > _LONGEST_BLOB:
            return False
        if not self._has_room(stored.size):
            self._counted.add(left=1)
            return False
        if stored.size <= _LONG:
            return self._put_blob(objects, name, stored, there)
        with self._long:
            return self._put_blob(objects, name, stored, there)

    def _put_blob(
        self, objects: Objects, name: str, stored: Record, there: tuple[int, dict[str, object]] | None
    ) -> bool:
        opened = self._tree.open_blob(stored.sha256, stored.size)
        if opened is None:  # It was collected meanwhile, or is damaged.
            return False
        with opened:
            data = opened.read()
        put = objects.replace(name, data, there[1]) if there else objects.add(name, data)
        self._counted.add(sent=put, sent_bytes=put and len(data))
        return True  # If it was not put, somebody else has put the same.

    def _has_room(self, size: int) -> bool:
        self._size += size
        return self._size <= _MOST_BYTES

    def _send_record(self, objects: Objects, kept: Kept, *, is_known: bool, again: bool) -> None:
        """Have this record there, or a later one, whoever else sends one at the same moment."""
        for _ in range(_TRIES):
            put = not is_known and self._counted.answered(lambda: objects.add(kept.name, kept.raw))
            if not put and (there := objects.read(kept.name)):
                if not self._goes_over(kept, there.whole(LONGEST_RECORD), again=again):
                    return
                put = objects.replace(kept.name, kept.raw, there.version)
            if put:
                self._counted.add(sent=1, sent_bytes=len(kept.raw))
                return
            is_known = False

    def _goes_over(self, kept: Kept, there: bytes, *, again: bool) -> bool:
        """Return whether a record takes the place of what is there: it is older or unsound, or is put `again`."""
        new, old = kept.record, record.decode(there, kept.record.url)
        if old is None or foreign.refusal(old, kept.name.split("/")[1:]) or old.checked > self._now + CLOCK_SKEW:
            return True
        return foreign.replaces(new, old) or (again and old == new)

    def _note(self, objects: Objects, job: str, used: Manifest) -> None:
        """Have the manifest name what was sent, and what is used as it was sent before."""
        mine = {**{name: each._replace(last=self._now) for name, each in used.items()}, **self._sent}
        for _ in range(_TRIES):
            there, version = self._manifest(objects, job)
            if not manifest.is_worth_writing(mine, there):
                return
            raw = manifest.encoded(manifest.merged(mine, there))
            name = manifest.name(job)
            if objects.replace(name, raw, version) if version else objects.add(name, raw):
                self._counted.add(sent=1, sent_bytes=len(raw))
                return

    def _manifest(self, objects: Objects, job: str) -> tuple[dict[str, Used], dict[str, object] | None]:
        """Return the manifest of a job as it is there, and its version; none of either if there is none."""
        found = objects.read(manifest.name(job))
        return (manifest.decoded(found.whole(manifest.MOST_BYTES), self._now), found.version) if found else ({}, None)


def may_leave(root: Path, looked_up: Iterable[tuple[str, Kind]]) -> Iterator[Kept]:
    """Yield the records of these look-ups that are for everybody, and that another host would take.

    A look-up does not say how its peer was verified, which is in the name of its record: so all of them are taken.
    """
    listed = lru_cache(maxsize=None)(_names)  # All files of a host lie in one folder.
    for url, kind in dict.fromkeys(looked_up):
        known_by = inventory.known_by(url)
        for form in ("json", "html", layout.ABSENT) if kind == "page" else ("",):
            *folders, name = layout.record_path(Request("GET", url, kind), form)
            start = f"{name.rpartition('.')[0]}."
            for each in listed(root.joinpath(RECORDS, *folders)).get(start, ()):
                kept = _kept(root, (*folders, each))
                if kept and inventory.known_by(kept.record.url) == known_by:
                    yield kept


def _names(folder: Path) -> Mapping[str, list[str]]:
    """Return the names in a folder of records, by their beginning without the key."""
    found: dict[str, list[str]] = {}
    try:
        names = os.listdir(folder)  # noqa: PTH208 - Path's takes ten times as long
    except OSError:
        return found
    for name in names:
        start, _, _ = name.rpartition(".")
        found.setdefault(f"{start}.", []).append(name)
    return found


def _kept(root: Path, parts: tuple[str, ...]) -> Kept | None:
    """Return a record if it may leave, and is one that is kept as it is sent."""
    try:
        raw = disk.read(root.joinpath(RECORDS, *parts), root)
    except StoreUnavailable:  # Another user's alone.
        return None
    stored = record.decode(raw) if raw else None
    if raw is None or stored is None or foreign.refusal(stored, parts) or not _is_plain(stored):
        return None
    return Kept("/".join((RECORDS, *parts)), raw, stored)


def _is_plain(stored: Record) -> bool:
    """Return whether no address of a record has what looks like a token in its path."""
    return all(urls.without_tokens(url) == url for url in (stored.url, stored.final))
