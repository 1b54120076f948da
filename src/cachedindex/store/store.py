"""The store: records by request and blobs by digest, in the tree that the request's credential scope selects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from cachedindex.model import Record, Request
from cachedindex.rules import accept, layout
from cachedindex.store import disk
from cachedindex.store.blob import NewBlob
from cachedindex.store.private import Private
from cachedindex.store.tree import Tree

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
    ) -> None:
        """Make nothing: the folder is made when something is first stored.

        `stored` is called with the path of each record that was published, `damaged` with the new path of each file
        that did not verify and was moved away.
        """
        self.root = root
        self.read_only = read_only
        self._stored = stored
        self._shared = Tree(root, read_only=read_only, damaged=damaged)
        self.private = Private(root, self._shared.make, read_only=read_only)
        self._own = Tree(self.private.folder, read_only=read_only, damaged=damaged)
        self._held: dict[Path, Record] = {}
        """Pages that a read-only folder does not accept: for this process they are as good as stored."""

    def scopes(self, request: Request) -> set[str]:
        """Return the scopes under which this user has a record, for a request that has no scope."""
        if not self.private.is_own():
            return set()
        names: set[str] = set()
        for form in accept.forms(request):
            path = _record_path(self._own, request, form)
            names |= {other.name.removeprefix(f"{path.name}.") for other in path.parent.glob(f"{path.name}.*")}
        return {scope for scope in names if self.get(request.within(scope))}

    def get(self, request: Request) -> Record | None:
        """Return the verified record of a request, in the first of the request's forms that there is.

        A damaged record is None, and the next answer replaces it.
        """
        tree = self._tree(request)
        for form in accept.forms(request):
            path = _record_path(tree, request, form)
            record = self._held.get(path) or tree.read(path, request.url)
            if record:
                if not self.read_only:
                    disk.touch(path)
                return record
        return None

    def put(self, request: Request, record: Record) -> bool:
        """Publish a record, unless the stored one was asked for later; return whether it was published."""
        tree = self._tree(request)
        path = _record_path(tree, request, record.form)
        if self.read_only:
            if record.page is not None:
                self._held[path] = record
            return False
        stored = tree.read(path, request.url)
        if stored and record.asked < stored.asked < record.asked + _LATEST:
            return False
        tree.publish(path, record)
        self._stored(path)
        return True

    def remove(self, request: Request) -> None:
        """Delete a request's records, in every form: upstream does not have it any more."""
        if self.read_only:
            return
        tree = self._tree(request)
        for form in accept.forms(request):
            tree.delete(_record_path(tree, request, form))

    def record_name(self, request: Request, record: Record) -> str:
        """Return the record's path relative to the root, by which `expire` finds it."""
        return _record_path(self._tree(request), request, record.form).relative_to(self.root).as_posix()

    def expire(self, name: str) -> None:
        """Have a record revalidated before its time; a record that is gone needs no change."""
        if self.read_only:
            return
        path = self.root / name
        tree = self._own if self._own.root in path.parents else self._shared
        stored = tree.read(path)
        if stored and not stored.expired:
            tree.publish(path, replace(stored, expired=True))

    def open_blob(self, request: Request, record: Record) -> BinaryIO | None:
        """Return a record's open blob, with every byte verified; None if it is gone or damaged."""
        tree = self._tree(request)
        blob = tree.open_blob(record.sha256, record.size)
        if blob and not self.read_only:
            disk.touch(tree.blob_path(record.sha256))
        return blob

    def new_blob(self, request: Request) -> NewBlob:
        """Return a blob to be written for a request; its name follows from its bytes, not from the promised digest."""
        return self._tree(request).new_blob(request.sha256)

    def growing(self, request: Request) -> object:
        """Return a value that changes as long as some process receives the file that was promised for a request."""
        return disk.growing(self._tree(request).blob_path(request.sha256)) if request.sha256 else None

    def look_anew(self, request: Request) -> None:
        """See files that another host has stored meanwhile, in spite of an NFS client's memory."""
        tree = self._tree(request)
        disk.look_anew(_record_path(tree, request, accept.forms(request)[0]).parent)
        if request.sha256:
            disk.look_anew(tree.blob_path(request.sha256).parent)

    def _tree(self, request: Request) -> Tree:
        if not request.identity.scope:
            return self._shared
        self.private.secure()
        return self._own


def _record_path(tree: Tree, request: Request, form: str) -> Path:
    """Return where the record of a request lies, in one of the request's forms."""
    return tree.records.joinpath(*layout.record_path(request, form))
