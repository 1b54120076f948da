"""The copies that a look-up may use: those under its scope, or none if the folder cannot be read."""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO

from cachedindex.errors import CopyLost, StoreUnavailable
from cachedindex.model import Record, Request
from cachedindex.rules import privacy
from cachedindex.run.report import Report
from cachedindex.store.store import Store


class Copies:
    """The store, as a look-up sees it: a copy that cannot be read is a miss, and its reason is reported once."""

    def __init__(self, store: Store, report: Report) -> None:
        """`report` prints the problems of the store."""
        self._store = store
        self._report = report

    def find(self, request: Request, *, share: bool = False) -> tuple[Request, Record | None]:
        """Return the request with its scope, and the record under it; `share` is the option of its index."""
        scoped = self._scoped(request, share=share)
        return scoped, self.record(scoped)

    def record(self, request: Request) -> Record | None:
        """Return the record of a request that has its scope."""
        try:
            return self._store.get(request)
        except StoreUnavailable as problem:
            self.report(problem)
            return None

    def absence(self, request: Request) -> Record | None:
        """Return the record that the index did not have the page of a request that has its scope."""
        try:
            return self._store.absence(request)
        except StoreUnavailable as problem:
            self.report(problem)
            return None

    def body(self, request: Request, record: Record) -> BinaryIO:
        """Return a record's verified bytes; CopyLost if its blob is gone or damaged."""
        if record.page is not None:
            return BytesIO(record.page)
        try:
            blob = self._store.open_blob(request, record)
        except StoreUnavailable as problem:
            self.report(problem)
            blob = None
        if blob is None:
            raise CopyLost(f"{record.url}: its blob is gone or damaged")
        return blob

    def name(self, request: Request, record: Record) -> str:
        """Return the name by which a record's page can be marked as expired later."""
        return self._store.record_name(request, record)

    def has_private(self, request: Request) -> bool:
        """Return whether this user has a copy that takes another credential to get than the request has."""
        if request.identity.shared:
            return False
        try:
            scopes = self._store.scopes(request.within(""))
            return any(privacy.takes_credential(scope) for scope in scopes - {request.identity.scope})
        except StoreUnavailable as problem:
            self.report(problem)
            return False

    def report(self, problem: object) -> None:
        """Print a problem of the store once; do nothing if there is none."""
        if isinstance(problem, StoreUnavailable):
            self._report.warn(f"{problem}; the build goes on, and nothing is stored", about="the store")

    def _scoped(self, request: Request, *, share: bool) -> Request:
        """Return the request with a scope in place of its credential, unless nothing private can be kept."""
        if request.identity.shared or share:
            return privacy.opened(request)
        try:
            if request.identity.credential:
                if self._store.read_only and not self._store.private.is_own():
                    return request
                return request.within(self._store.private.scope(request.identity.credential))
            # Only without a public copy; and never fresh, so that it is served in an outage alone.
            if privacy.may_have_gained(request) and privacy.GAINED in self._store.scopes(request):
                return request if self._store.get(request) else request.within(privacy.GAINED)
        except StoreUnavailable as problem:
            self.report(problem)
        return request
