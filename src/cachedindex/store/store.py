"""The store: records by request and blobs by digest, in the tree that the request's credential scope selects."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from cachedindex.model import Record, Request
from cachedindex.rules import layout
from cachedindex.store import blob, disk, folder, locks, new_file, record, system
from cachedindex.store.blob import NewBlob
from cachedindex.store.private import Private
from cachedindex.store.quarantine import Quarantine

RECORDS = "records-v1"
BLOBS = "blobs-v1"
_FORMS = ("json", "html")
_MARKER_KEPT = 600.0
"""Seconds for which an absence is not written again: a healthy build may be answered hundreds of 404s."""
_HEAD = 1 << 14
"""Bytes in which the header of a record lies, unless it is unusually long."""
_WRITTEN_OVER = 1 << 12
"""Bytes of a header that may be written over: so many are written at once, even if the process is killed meanwhile."""
_READS = 2
"""Times to read a record that does not verify: another process may just have written over its header."""
_LATEST = 600.0
"""Seconds by which an answer may be late. A stored record that is further ahead is from a clock that was wrong."""


class Store:
    """One cache folder, of a tree for everybody and one for this user alone. Methods raise StoreUnavailable."""

    def __init__(
        self,
        root: Path,
        *,
        read_only: bool = False,
        stored: Callable[[Path], None] = lambda _: None,
        damaged: Callable[[Path], None] = lambda _: None,
        is_alone: bool = True,
    ) -> None:
        """Make nothing: the folder is made when something is first stored.

        If it `is_alone`, nothing comes from another folder or a remote. `stored` is called with the path of each record
        that was published, `damaged` with the new path of each file that did not verify and was moved away.
        """
        self.root = root
        self.read_only = read_only
        self._is_alone = is_alone
        self._stored = stored
        self._shared = Tree(root, read_only=read_only, damaged=damaged)
        self.private = Private(root, self._shared.make, read_only=read_only)
        self._own = Tree(self.private.folder, read_only=read_only, damaged=damaged)
        self._held: dict[Path, Record] = {}
        """Pages that the folder does not accept: for this process they are as good as stored."""

    def scopes(self, request: Request) -> set[str]:
        """Return the scopes under which this user has a record, for a request that has no scope."""
        if not self.private.is_own():
            return set()
        names: set[str] = set()
        for path in self._own.record_paths(request):
            there = disk.named(path.parent, beginning=f"{path.name}.")
            names |= {other.name.removeprefix(f"{path.name}.") for other in there}
        return {scope for scope in names if self.get(request.within(scope))}

    def get(self, request: Request) -> Record | None:
        """Return the verified record of a request, in the first of the request's forms that there is."""
        return next(iter(self.forms(request)), None)

    def forms(self, request: Request) -> list[Record]:
        """Return the verified records that can serve a request, one for each form, the preferred one first.

        A damaged record is left out, and the next answer replaces it.
        """
        tree, found = self._tree(request), []
        for path in tree.record_paths(request):
            stored = self._held.get(path) or tree.read(path, request.url)
            if stored and not stored.barred:
                if not self.read_only:
                    disk.touch(path)
                found.append(stored)
        return found

    def put(self, request: Request, new: Record, *, renewal: bool = False) -> bool:
        """Publish a record, unless the stored one was asked for later; return whether it was published.

        It is a `renewal` if upstream has confirmed the stored one, which this process has read: then its body is not
        written again.
        """
        tree = self._tree(request)
        path = tree.record_path(request, new.form)
        if self.read_only:
            if new.page is not None:
                self._held[path] = new
            return False
        if not (renewal and tree.renew(path, new)):
            if new.form in _FORMS:
                tree.delete(tree.record_path(request, layout.ABSENT))
                tree.delete(tree.record_path(layout.of_repository(request), layout.FORBIDDEN))
            if not tree.publish_later(path, new):
                return False
        self._held.pop(path, None)
        self._stored(path)
        return True

    def hold(self, request: Request, new: Record) -> None:
        """Have a page that could not be stored count as stored, for this process."""
        if new.page is not None:
            self._held[self._tree(request).record_path(request, new.form)] = new

    def is_barred(self, request: Request) -> bool:
        """Return whether nobody is to be served a request, in any form, until upstream gives it again."""
        tree = self._tree(request)
        barred = [path for path in tree.every_path(request) if (there := tree.read(path, request.url)) and there.barred]
        for path in barred if not self.read_only else ():
            disk.touch(path)  # As long as somebody asks for it, it must not be collected.
        return bool(barred)

    def absence(self, request: Request) -> Record | None:
        """Return the record that the index did not have the page of a request, in whatever form."""
        return self._marker(request, layout.ABSENT)

    def put_absence(self, request: Request, new: Record) -> None:
        """Publish that an index does not have a page, unless it is stored in any form, or that is known already."""
        tree, absence = self._tree(request), new._replace(form=layout.ABSENT)
        is_known = _says_the_same(absence, self.absence(request))
        there = [found for path in tree.every_path(request) if (found := tree.read(path, request.url))]
        if not is_known and not any(found.size or _is_later(found.asked, new.asked) for found in there):
            self.put(request, absence)

    def is_forbidden(self, request: Request) -> bool:
        """Return whether the repository of a request forbids to store what it answers, as far as is known."""
        return self._marker(layout.of_repository(request), layout.FORBIDDEN) is not None

    def put_prohibition(self, request: Request, new: Record) -> None:
        """Publish that the repository of a request forbids to store what it answers, unless that is known already."""
        whole = layout.of_repository(request)
        prohibition = new._replace(url=whole.url, form=layout.FORBIDDEN)
        if not _says_the_same(prohibition, self._marker(whole, layout.FORBIDDEN)):
            self.put(whole, prohibition)

    def _marker(self, request: Request, form: str) -> Record | None:
        """Return a record that has no body, but says something in place of a page."""
        tree = self._tree(request)
        path = tree.record_path(request, form)
        found = self._held.get(path) or tree.read(path, request.url)
        if found and not self.read_only:
            disk.touch(path)
        return found

    def remove(self, request: Request, asked: float) -> None:
        """Delete a request's records, in every form, unless they were asked for later: upstream has it no more.

        If it may come from another folder, or from a remote, an empty record in their place bars that.
        """
        if self.read_only:
            return
        tree = self._tree(request)
        for path, form in tree.every_place(request):
            if not self._is_alone:
                tree.publish(
                    path,
                    record.empty(request.url, form, asked),
                    lambda there: not _is_later(there and there.asked, asked),
                )
                continue
            with locks.replacing(path):
                if not _is_later(tree.asked(path), asked):
                    tree.delete(path)

    def bar(self, request: Request) -> None:
        """Have nobody served a request's records any more, in any form, until upstream gives one again."""
        tree = self._tree(request)
        for path in tree.every_path(request):
            self._held.pop(path, None)
            found = None if self.read_only else tree.read(path, request.url)
            if found and not found.barred:
                tree.publish(path, found._replace(barred=True), lambda there: there == found)  # noqa: B023 - called at once

    def record_name(self, request: Request, stored: Record) -> str:
        """Return the record's path relative to the root, by which `expire` finds it."""
        return self._tree(request).record_path(request, stored.form).relative_to(self.root).as_posix()

    def expire(self, name: str) -> None:
        """Have a record revalidated before its time; a record that is gone needs no change.

        It is not deleted, since an outage must still find it.
        """
        if self.read_only:
            return
        path = self.root / name
        tree = self._own if self._own.root in path.parents else self._shared
        stored = tree.read(path)
        if stored and not stored.expired:
            tree.publish(path, stored._replace(expired=True), lambda there: there == stored)

    def open_blob(self, request: Request, stored: Record) -> BinaryIO | None:
        """Return a record's open blob, with every byte verified; None if it is gone or damaged."""
        tree = self._tree(request)
        opened = tree.open_blob(stored.sha256, stored.size)
        if opened and not self.read_only:
            disk.touch(tree.blob_path(stored.sha256))
        return opened

    def new_blob(self, request: Request) -> NewBlob:
        """Return a blob to be written for a request; its name follows from its bytes, not from the promised digest."""
        return self._tree(request).new_blob(request.sha256)

    def growing(self, request: Request) -> object:
        """Return a value that changes as long as some process receives the file that was promised for a request."""
        return disk.growing(self._tree(request).blob_path(request.sha256)) if request.sha256 else None

    def look_anew(self, request: Request) -> None:
        """See files that another host has stored meanwhile, in spite of an NFS client's memory."""
        tree = self._tree(request)
        disk.look_anew(tree.record_paths(request)[0].parent)
        if request.sha256:
            disk.look_anew(tree.blob_path(request.sha256).parent)

    def _tree(self, request: Request) -> Tree:
        if not request.identity.scope:
            return self._shared
        self.private.secure()
        return self._own


def _is_later(stored: float | None, asked: float) -> bool:
    """Return whether a stored record is of a later answer than one that was asked for at this time."""
    return stored is not None and asked < stored < asked + _LATEST


def _says_the_same(new: Record, known: Record | None) -> bool:
    """Return whether a record that has no body need not be written, since a recent one says the same."""
    return known is not None and 0 <= new.checked - known.checked < _MARKER_KEPT


class Tree:
    """Verifies every file that it reads, and publishes each one whole. Methods raise StoreUnavailable."""

    def __init__(
        self, root: Path, *, read_only: bool = False, damaged: Callable[[Path], None] = lambda _: None
    ) -> None:
        """`damaged` is called with the new path of each file that did not verify and was moved away."""
        self.root = root
        self._read_only = read_only
        self._records = root / RECORDS
        self._blobs = root / BLOBS
        self._quarantine = Quarantine(root, damaged)
        self._is_made = False

    def record_path(self, request: Request, form: str) -> Path:
        """Return where the record of a request lies, in one of the request's forms."""
        return self._records.joinpath(*layout.record_path(request, form))

    def record_paths(self, request: Request) -> list[Path]:
        """Return where the records of a request lie, the preferred one first."""
        return [self._records.joinpath(*path) for path in layout.record_paths(request)]

    def record_place(self, parts: Sequence[str]) -> Path:
        """Return where the record of these folders and this name lies."""
        return self._records.joinpath(*parts)

    def every_path(self, request: Request) -> list[Path]:
        """Return where the records of a request may lie, in every form, not only in those that this client reads."""
        return [path for path, _ in self.every_place(request)]

    def every_place(self, request: Request) -> list[tuple[Path, str]]:
        """Return the same, each with its form."""
        return [(self.record_path(request, form), form) for form in (_FORMS if request.kind == "page" else ("",))]

    def blob_path(self, digest: str) -> Path:
        """Return where the blob of a digest lies."""
        return self._blobs / digest[:2] / digest

    def make(self) -> None:
        """Make the root with its tag, once in a process."""
        if not self._is_made:
            folder.make_tagged(self.root)
            self._is_made = True

    def read(self, path: Path, url: str | None = None) -> Record | None:
        """Return the verified record (for `url`); a damaged one is moved to the quarantine, and None."""
        for _ in range(_READS):
            raw = disk.read(path, self.root)
            if raw is None:
                return None
            stored = record.decode(raw, url)
            if stored or record.is_sound(raw):
                return stored
        if not self._read_only:
            self._quarantine.isolate(path, lambda: not is_sound_record(path, self.root))
        return None

    def asked(self, path: Path, url: str | None = None) -> float | None:
        """Return when a record (for `url`) was asked for; None if there is none.

        Its page, of up to megabytes, is read only if its header does not say so.
        """
        raw = disk.read(path, self.root, _HEAD)
        said = record.asked(raw, url) if raw else None
        if raw is None or said is not None:
            return said
        stored = self.read(path, url)
        return stored.asked if stored else None

    def publish(self, path: Path, new: Record, replaces: Callable[[Record | None], bool]) -> bool:
        """Write a record, in place of the one that is there if it `replaces` that; return whether it does.

        They are compared when all is written, which takes the longest, and nobody else replaces the record meanwhile.
        """
        return self._published(path, new, lambda: replaces(self.read(path, new.url)), replaces_none=replaces(None))

    def renew(self, path: Path, new: Record) -> bool:
        """Write over the header of an older record of the same body; return whether there was one.

        No lock is needed: a record that is published meanwhile is another file.
        """
        return disk.overwrite(path, _WRITTEN_OVER, lambda beginning: record.renewed(beginning, new))

    def publish_later(self, path: Path, new: Record) -> bool:
        """Do the same unless the one that is there was asked for later."""
        return self._published(
            path, new, lambda: not _is_later(self.asked(path, new.url), new.asked), replaces_none=True
        )

    def _published(self, path: Path, new: Record, replaces: Callable[[], bool], *, replaces_none: bool) -> bool:
        """Write a record if it replaces what is there; in place of nothing it is a link, which needs no lock."""
        self.make()
        written = new_file.written(path, record.encode(new), self.root)
        try:
            if replaces_none and written.commit_first():
                return True
            with locks.replacing(path):
                was_there = os.path.lexists(path)  # Not `exists`, which follows a link in its place.
                if not replaces():
                    return False
                # Another record may come at this moment, by a link; from then on it is replaced under the lock only.
                if not was_there and (written.commit_first() or not replaces()):
                    return written.is_done
                written.commit()
                return True
        finally:
            written.abandon()

    def delete(self, path: Path) -> None:
        """Delete a record, if it is there."""
        if not path.exists():  # As most often: an exception would take longer.
            return
        with disk.failing_as_unavailable("write to", self.root), suppress(FileNotFoundError):
            system.files.unlink(path)

    def open_blob(self, digest: str, size: int) -> BinaryIO | None:
        """Return an open blob of which every byte has been verified, or None if there is no such blob."""
        path = self.blob_path(digest)
        opened = blob.open_hashed(path, self.root)
        if opened is None:
            return None
        file, actual, length = opened
        if (actual, length) == (digest, size):
            return file
        file.close()
        if actual != digest and not self._read_only:
            self._quarantine.isolate(path, lambda: not blob.is_sound(path))
        return None

    def new_blob(self, promised: str | None) -> NewBlob:
        """Return a blob to be written; its name follows from its bytes, even if another digest was promised.

        The promised digest is in the name of its temporary, by which other processes see it grow.
        """
        self.make()
        path = self.blob_path(promised) if promised else self._blobs / "incoming"
        return NewBlob(new_file.NewFile(path, self.root), self.blob_path)


def is_sound_record(path: Path, root: Path) -> bool:
    """Return whether every byte of a record is as it was written, or the record is gone."""
    raw = disk.read(path, root)
    return raw is None or record.is_sound(raw)
