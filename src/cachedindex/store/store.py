"""The store: records by request, blobs by hash, both verified on every read and published whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from cachedindex.model import Record, Request
from cachedindex.rules import naming
from cachedindex.store import disk, record
from cachedindex.store.private import Private

_CHUNK = 1 << 20
_LATEST = 600.0
"""Seconds by which an answer may come late. A stored record that is further ahead is from a clock that was wrong."""
_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# Made by cachedindex; see https://bford.info/cachedir/\n"
_README = b"""Package index pages and files, kept by cachedindex so that builds survive an index that does not answer.
`ls records-v1` finds a project's pages; every file verifies itself when it is read.
All of it may be deleted at any time: the next build with a working index fills it again.
"""


class Store:
    """One cache folder. Every method raises StoreUnavailable, and nothing else, when the disk does not play along."""

    def __init__(self, root: Path) -> None:
        """Take a folder, which is made when something is first stored."""
        self.root = root
        self._records = root / "records-v1"
        self._blobs = root / "blobs-v1"
        self._made = False
        self.private = Private(root, self._make)
        self._own: Store | None = None

    def of(self, request: Request) -> Store:
        """Return where a request's record and blob lie: here, or in the store that is this user's alone."""
        if not request.scope:
            return self
        self.private.claim()
        if self._own is None:
            self._own = Store(self.private.folder)
        return self._own

    def scopes(self, request: Request) -> set[str]:
        """Return the scopes under which this user has a record for what a request asks for without any."""
        if not self.private.is_own():
            return set()
        own = self.of(replace(request, scope=naming.GAINED))
        found: set[str] = set()
        for form in naming.forms(request):
            path = own._path(request, form)  # noqa: SLF001 - another one of this class
            found |= {other.name.removeprefix(f"{path.name}.") for other in path.parent.glob(f"{path.name}.*")}
        return {scope for scope in found if own.get(replace(request, scope=scope))}

    def get(self, request: Request) -> Record | None:
        """Return the verified record of a request: in the form that it prefers, else in another one that it names.

        One that is damaged is none, and the next answer heals it.
        """
        return next(filter(None, (self._get(request, form) for form in naming.forms(request))), None)

    def put(self, request: Request, new: Record) -> bool:
        """Publish a record, unless what is stored was asked for later; return whether it was published."""
        self._make()
        stored = self._get(request, new.form)
        if stored and new.asked < stored.asked < new.asked + _LATEST:
            return False
        disk.publish(self._path(request, new.form), record.encode(new), self.root)
        return True

    def remove(self, request: Request) -> None:
        """Forget a request's records, in every form: upstream has it no more."""
        with disk.failing_as_unavailable("write to", self.root):
            for form in naming.forms(request):
                self._path(request, form).unlink(missing_ok=True)

    def name(self, request: Request, stored: Record) -> str:
        """Return what a record is called in the folder."""
        return self.of(request)._path(request, stored.form).relative_to(self.root).as_posix()  # noqa: SLF001

    def expire(self, name: str) -> None:
        """Have a record asked for again before its time; one that is gone meanwhile needs no more."""
        path = self.root / name
        root = self.private.folder if self.private.folder in path.parents else self.root
        raw = disk.read(path, root)
        stored = record.decode(raw) if raw else None
        if stored and not stored.expired:
            disk.publish(path, record.encode(replace(stored, expired=True)), root)

    def open_blob(self, digest: str, size: int) -> BinaryIO | None:
        """Return an open blob of which every byte has been verified, or None where there is none such."""
        path = self._blob(digest)
        with disk.failing_as_unavailable("read", self.root):
            try:
                blob = path.open("rb")
            except FileNotFoundError:
                return None
            if _verified(blob, digest, size):
                return blob
            blob.close()
            return None

    def new_blob(self, promised: str | None = None) -> NewBlob:
        """Return a blob to be written; its name follows from its bytes, whatever digest was promised."""
        self._make()
        path = self._blob(promised) if promised else self._blobs / "incoming"
        return NewBlob(disk.NewFile(path, self.root), self._blob)

    def growing(self, promised: str) -> object:
        """Return what changes for as long as some process receives the blob of a promised digest."""
        return disk.growing(self._blob(promised))

    def look_anew(self, request: Request) -> None:
        """See what another host may have stored meanwhile."""
        disk.look_anew(self._path(request, naming.forms(request)[0]).parent)
        if request.sha256:
            disk.look_anew(self._blob(request.sha256).parent)

    def _get(self, request: Request, form: str) -> Record | None:
        raw = disk.read(self._path(request, form), self.root)
        return None if raw is None else record.decode(raw, request.url)

    def _path(self, request: Request, form: str) -> Path:
        return self._records.joinpath(*naming.record_path(request, form))

    def _blob(self, digest: str) -> Path:
        return self._blobs / digest[:2] / digest

    def _make(self) -> None:
        if self._made:
            return
        with disk.failing_as_unavailable("make", self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        for name, text in (("CACHEDIR.TAG", _TAG), ("README", _README)):
            if disk.read(self.root / name, self.root) is None:
                disk.publish(self.root / name, text, self.root)
        self._made = True


class NewBlob:
    """A blob in the making, which knows its digest and size as it grows."""

    def __init__(self, file: disk.NewFile, name: Callable[[str], Path]) -> None:
        """Take an open new file, and what names a blob by its digest."""
        self._file = file
        self._name = name
        self._hash = sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append; StoreUnavailable where the disk does not take it."""
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """The digest of what was written so far."""
        return self._hash.hexdigest()

    def commit(self) -> None:
        """Publish under the digest."""
        self._file.commit(self._name(self.sha256))

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._file.abandon()


def _verified(blob: BinaryIO, digest: str, size: int) -> bool:
    found, length = sha256(), 0
    while chunk := blob.read(_CHUNK):
        found.update(chunk)
        length += len(chunk)
    blob.seek(0)
    return length == size and found.hexdigest() == digest
