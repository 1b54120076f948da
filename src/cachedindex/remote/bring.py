"""Brings what a job used before from its remote into the cache folder, before the job begins."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.model import RemoteUse
from cachedindex.options import CLOCK_SKEW
from cachedindex.remote import manifest
from cachedindex.remote.counted import Counted
from cachedindex.remote.manifest import Used
from cachedindex.remote.objects import Found, Objects, Unanswered
from cachedindex.store import disk, record
from cachedindex.store.store import Tree
from cachedindex.upkeep.adding import LONGEST_RECORD, Added, Adding

_AT_ONCE = 32
_HEAD = 1 << 14
"""Bytes in which the header of a record lies."""


class Brought:
    """What has come, and what the remote is known to have."""

    def __init__(self, url: str, root: Path, most: float, until: float) -> None:
        """`most` is how many bytes may come; `until` as for Counted."""
        self._counted = Counted(url, "before", until)
        self._url = url
        self._root = root
        self._now = time.time()
        self._tree = Tree(root, read_only=True)
        self._adding = Adding(root, most, Added())
        self.known: dict[str, Used] = {}
        """The records that the remote has, as far as is known."""
        self.unsound: set[str] = set()
        """The names of objects that are not what their names say."""

    @property
    def use(self) -> RemoteUse:
        """What it comes to so far."""
        return self._counted.use

    def bring(self, job: str) -> None:
        """Bring what the manifest of a job names and what is not here, or older here."""
        try:
            objects = Objects(self._url, self._counted.rest)
            found = self._counted.answered(lambda: objects.read(manifest.name(job)))
            self.known = manifest.decoded(found.whole(manifest.MOST_BYTES), self._now) if found else {}
        except Unanswered as error:
            self._counted.fail(str(error))
            return
        wanted = sorted(self._wanted(), key=lambda name: (self.known[name].is_file, self.known[name].size))
        self._counted.each([partial(self._take, objects, name, self.known[name]) for name in wanted], _AT_ONCE)
        self._adding.end()

    def _wanted(self) -> Iterable[str]:
        return [name for name, used in list(self.known.items()) if not self._is_here(name, used)]

    def _is_here(self, name: str, used: Used) -> bool:
        """Return whether a record as new as that of the manifest is here, with its blob; neither is read whole."""
        try:
            head = disk.read(self._root / name, self._root, _HEAD) or b""
        except StoreUnavailable:  # Another user's: it cannot be replaced either.
            return True
        checked = record.checked(head)
        # A clock that is wrong would have its page come, and count as checked just now, in each run up to that moment.
        if checked is None or checked < used.checked <= self._now + CLOCK_SKEW:
            return False
        digest, size = record.blob_of(head)
        return not digest or _has_size(self._tree.blob_path(digest), size)

    def _take(self, objects: Objects, name: str, used: Used) -> None:
        """Bring one record, and its blob before it."""
        if used.is_file and not self._has_blob(objects, name, used):
            return
        if found := self._asked(objects, name, name):
            self._note(name, name, self._adding.record(name, found.whole(LONGEST_RECORD)), found.size)

    def _has_blob(self, objects: Objects, name: str, used: Used) -> bool:
        """Bring the blob of a record; return whether it is here."""
        if _has_size(self._tree.blob_path(used.sha256), used.size):
            return True  # It is verified when its record is added.
        blob = manifest.blob_name(used.sha256)
        found = self._asked(objects, blob, name)
        if found is None:
            return False
        if found.size != used.size:  # It is not even begun, however long it is.
            return self._note(blob, name, "it is cut, or too long", 0)
        return self._note(blob, name, self._adding.blob(used.sha256, found.size, found.chunks), found.size)

    def _asked(self, objects: Objects, object_name: str, name: str) -> Found | None:
        """Return an object of a record; if there is none, the record is sent anew."""
        self._counted.add(asked=1)
        found = self._counted.answered(lambda: objects.read(object_name))
        if found is None:
            self.known.pop(name, None)
        return found

    def _note(self, object_name: str, name: str, refusal: str, size: int) -> bool:
        """Count an object that has come; return whether it is taken."""
        self._counted.add(received=size, **{"refused" if refusal else "found": 1})
        if refusal:
            self.unsound.add(object_name)
            self.known.pop(name, None)
        return not refusal


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
