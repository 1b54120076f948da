"""Asks a remote for one object, in place of an index that is down."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from cachedindex.model import RemoteUse
from cachedindex.remote import manifest
from cachedindex.remote.counted import Counted
from cachedindex.remote.objects import Objects, Unanswered
from cachedindex.upkeep.adding import LONGEST_RECORD, Added, Adding


def probe(url: str, until: float) -> RemoteUse:
    """Return whether a remote answers, by asking for what is not there; `until` as for Counted."""
    counted = Counted(url, "before", until)
    try:
        objects = Objects(url, counted.rest)
        counted.answered(lambda: objects.read(manifest.name("")))
    except Unanswered as error:
        counted.fail(str(error))
    return counted.use


class Asking:
    """The asking for one page or file."""

    def __init__(self, url: str, root: Path, most: float, until: float) -> None:
        """`most` and `until` as for Brought."""
        self._counted = Counted(url, "outage", until)
        self._url = url
        self._adding = Adding(root, most, Added())

    @property
    def use(self) -> RemoteUse:
        """What it comes to."""
        return self._counted.use

    def ask_for_records(self, names: Sequence[str], page: str) -> None:
        """Bring the records of these names, which are those of one page in its forms."""
        objects = self._objects()
        if objects:
            self._counted.each([partial(self._record, objects, name, page) for name in names], len(names))
            self._adding.end()

    def ask_for_blob(self, digest: str) -> None:
        """Bring the bytes of a digest."""
        objects = self._objects()
        if objects:
            self._counted.each([partial(self._blob, objects, digest)], 1)
            self._adding.end()

    def _objects(self) -> Objects | None:
        try:
            return Objects(self._url, self._counted.rest)
        except Unanswered as error:
            self._counted.fail(str(error))
            return None

    def _record(self, objects: Objects, name: str, page: str) -> None:
        self._counted.add(asked=1)
        if found := self._counted.answered(lambda: objects.read(name)):
            self._note(self._adding.record(name, found.whole(LONGEST_RECORD), page), found.size)

    def _blob(self, objects: Objects, digest: str) -> None:
        self._counted.add(asked=1)
        if found := self._counted.answered(lambda: objects.read(manifest.blob_name(digest))):
            self._note(self._adding.blob(digest, found.size, found.chunks), found.size)

    def _note(self, refusal: str, size: int) -> None:
        self._counted.add(received=size, **{"refused" if refusal else "found": 1})
