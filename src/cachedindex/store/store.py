"""The store: records by request, blobs by hash, both verified on every read and published whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from cachedindex.model import Record, Request
from cachedindex.rules import accept, layout, privacy
from cachedindex.store import disk, folder, record
from cachedindex.store.private import Private
from cachedindex.store.quarantine import Quarantine

RECORDS = "records-v1"
BLOBS = "blobs-v1"
_CHUNK = 1 << 20
_LATEST = 600.0
"""Seconds by which an answer may come late. A stored record that is further ahead is from a clock that was wrong."""


class Store:
    """One cache folder. Every method raises StoreUnavailable, and nothing else, when the disk does not play along."""

    def __init__(
        self,
        root: Path,
        *,
        read_only: bool = False,
        stored: Callable[[Path], None] = lambda _: None,
        damaged: Callable[[Path], None] = lambda _: None,
    ) -> None:
        """Take a folder, which is made when something is first stored.

        `stored` is told of every record that was published, `damaged` where each file went that did not verify.
        """
        self.root = root
        self.read_only = read_only
        self._stored = stored
        self._records = root / RECORDS
        self._blobs = root / BLOBS
        self._quarantine = Quarantine(root, damaged)
        self._made = False
        self._held: dict[Path, Record] = {}
        """Pages that a read-only folder does not take: for this process they are as good as stored."""
        self.private = Private(root, self._make, read_only=read_only)
        self._damaged = damaged
        self._own: Store | None = None

    def of(self, request: Request) -> Store:
        """Return where a request's record and blob lie: here, or in the store that is this user's alone."""
        if not request.identity.scope:
            return self
        self.private.claim()
        if self._own is None:
            self._own = Store(self.private.folder, read_only=self.read_only, stored=self._stored, damaged=self._damaged)
        return self._own

    def scopes(self, request: Request) -> set[str]:
        """Return the scopes under which this user has a record for what a request asks for without any."""
        if not self.private.is_own():
            return set()
        own = self.of(request.within(privacy.GAINED))
        found: set[str] = set()
        for form in accept.forms(request):
            path = own._path(request, form)  # noqa: SLF001 - another one of this class
            found |= {other.name.removeprefix(f"{path.name}.") for other in path.parent.glob(f"{path.name}.*")}
        return {scope for scope in found if own.get(request.within(scope))}

    def get(self, request: Request) -> Record | None:
        """Return the verified record of a request: in the form that it prefers, else in another one that it names.

        One that is damaged is none, and the next answer heals it.
        """
        for path in (self._path(request, form) for form in accept.forms(request)):
            found = self._held.get(path) or self._read(path, request.url)
            if found:
                if not self.read_only:
                    disk.touch(path)
                return found
        return None

    def put(self, request: Request, new: Record) -> bool:
        """Publish a record, unless what is stored was asked for later; return whether it was published."""
        path = self._path(request, new.form)
        if self.read_only:
            if new.page is not None:
                self._held[path] = new
            return False
        self._make()
        stored = self._read(path, request.url)
        if stored and new.asked < stored.asked < new.asked + _LATEST:
            return False
        disk.publish(path, record.encode(new), self.root)
        self._stored(path)
        return True

    def remove(self, request: Request) -> None:
        """Forget a request's records, in every form: upstream has it no more."""
        if self.read_only:
            return
        with disk.failing_as_unavailable("write to", self.root):
            for form in accept.forms(request):
                self._path(request, form).unlink(missing_ok=True)

    def name(self, request: Request, stored: Record) -> str:
        """Return what a record is called in the folder."""
        return self.of(request)._path(request, stored.form).relative_to(self.root).as_posix()  # noqa: SLF001

    def expire(self, name: str) -> None:
        """Have a record asked for again before its time; one that is gone meanwhile needs no more."""
        if self.read_only:
            return
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
            opened = disk.reopened(lambda: _opened(path))
        if opened is None:
            return None
        blob, found, length = opened
        if (found, length) == (digest, size):
            if not self.read_only:
                disk.touch(path)
            return blob
        blob.close()
        if found != digest and not self.read_only:
            self._quarantine.take(path, lambda: not is_sound_blob(path))
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
        disk.look_anew(self._path(request, accept.forms(request)[0]).parent)
        if request.sha256:
            disk.look_anew(self._blob(request.sha256).parent)

    def _read(self, path: Path, url: str) -> Record | None:
        raw = disk.read(path, self.root)
        if raw is None:
            return None
        found = record.decode(raw, url)
        if found is None and not self.read_only and not record.is_sound(raw):
            self._quarantine.take(path, lambda: not is_sound_record(path, self.root))
        return found

    def _path(self, request: Request, form: str) -> Path:
        return self._records.joinpath(*layout.record_path(request, form))

    def _blob(self, digest: str) -> Path:
        return self._blobs / digest[:2] / digest

    def _make(self) -> None:
        if not self._made:
            folder.mark(self.root)
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


def is_sound_record(path: Path, root: Path) -> bool:
    """Return whether a record is whole, or gone."""
    raw = disk.read(path, root)
    return raw is None or record.is_sound(raw)


def is_sound_blob(path: Path) -> bool:
    """Return whether a blob is what its name says, or gone."""
    try:
        with path.open("rb") as blob:
            return _digest_of(blob)[0] == path.name
    except FileNotFoundError:
        return True


def _opened(path: Path) -> tuple[BinaryIO, str, int]:
    """Return an open blob with its digest and size."""
    blob = path.open("rb")
    try:
        return blob, *_digest_of(blob)
    except OSError:
        blob.close()
        raise


def _digest_of(blob: BinaryIO) -> tuple[str, int]:
    """Return the digest and size of an open blob, which is at its start again."""
    found, length = sha256(), 0
    while chunk := blob.read(_CHUNK):
        found.update(chunk)
        length += len(chunk)
    blob.seek(0)
    return found.hexdigest(), length
