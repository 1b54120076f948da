"""The copies that a look-up may use: those under its scope, or none if the folder cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from cachedindex.errors import CopyLost, StoreUnavailable
from cachedindex.model import Record, Request
from cachedindex.rules import privacy
from cachedindex.run.report import Report
from cachedindex.store.store import Store

if TYPE_CHECKING:
    from cachedindex.lookup.elsewhere import Elsewhere


class Copies:
    """The store, as a look-up sees it: a copy that cannot be read is a miss, and its reason is reported once."""

    def __init__(self, store: Store, report: Report, elsewhere: Elsewhere | None = None) -> None:
        """`report` prints the problems of the store; `elsewhere` are the places that are read after it, if any."""
        self._store = store
        self._report = report
        self._elsewhere = elsewhere

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be stored."""
        return self._store.read_only

    def find(
        self, request: Request, share: privacy.Sharing | None = None, *, private: bool | None = None
    ) -> tuple[Request, Sequence[Record]]:
        """Return the request with its scope, and the records under it; the rest are options of its index."""
        return self.found(self._scoped(request, share, private=private))

    def found(self, request: Request) -> tuple[Request, Sequence[Record]]:
        """Return the records of a request that has its scope, or of one of this user's own that it may be served.

        There is one for each form that can serve it, the preferred one first.
        """
        forms = self._forms(request)
        scopes = () if forms or not self._store.private.is_own() else privacy.may_be_own(request)
        for own in map(request.within, scopes):
            if found := self._forms(own):
                return own, found
        return request, forms

    def found_elsewhere(self, request: Request, forms: Sequence[Record]) -> Sequence[Record]:
        """Return the records of a request that has its scope, each the latest; `forms` are those of the store."""
        if self._elsewhere is None:
            return forms
        try:
            found, problem = self._elsewhere.taken(request, forms)
        except StoreUnavailable as unavailable:
            found, problem = forms, unavailable
        self.report(problem)
        return found

    def absence(self, request: Request) -> Record | None:
        """Return the record that the index did not have the page of a request that has its scope."""
        try:
            own = self._store.absence(request)
            return own or (self._elsewhere.absence(request) if self._elsewhere else None)
        except StoreUnavailable as problem:
            self.report(problem)
            return None

    def is_barred(self, request: Request) -> bool:
        """Return whether nobody is to be served a request until upstream gives it again."""
        try:
            return self._store.is_barred(request)
        except StoreUnavailable as problem:
            self.report(problem)
            return False

    def is_forbidden(self, request: Request) -> bool:
        """Return whether there is no copy because the index forbids to store any."""
        try:
            return self._store.is_forbidden(request)
        except StoreUnavailable:  # It has been reported that the folder cannot be read.
            return False

    def body(self, request: Request, record: Record) -> BinaryIO:
        """Return a record's verified bytes; CopyLost if its blob is gone or damaged."""
        if record.page is not None:
            return BytesIO(record.page)
        try:
            blob = self._store.open_blob(request, record)
        except StoreUnavailable as problem:
            self.report(problem)
            blob = None
        if blob is None and self._elsewhere:
            blob = self._elsewhere.open_blob(request, record)
        if blob is None:
            raise CopyLost(f"{record.url}: its blob is gone or damaged")
        return blob

    def keep_beside(self, there: Request, request: Request, record: Record) -> None:
        """Store a record whose blob was stored for another request, if both are everybody's, or this user's."""
        try:
            if bool(there.identity.scope) == bool(request.identity.scope) and privacy.unscoped(request) is None:
                self._store.put(request, record)
        except StoreUnavailable as problem:
            self.report(problem)

    def name(self, request: Request, record: Record) -> str:
        """Return the name by which a record's page can be marked as expired later."""
        return self._store.record_name(request, record)

    def expire(self, request: Request) -> None:
        """Have the next look-up of a page ask upstream, in whatever form; the copies stay for an outage."""
        request, forms = self.found(request)
        try:
            for record in forms:
                self._store.expire(self.name(request, record))
        except StoreUnavailable as problem:
            self.report(problem)

    def has_private(self, request: Request) -> bool:
        """Return whether this user has a copy that takes another credential to get than the request has."""
        if request.identity.shared or not request.identity.keeps:
            return False
        try:
            scopes = self._store.scopes(request.within(""))
            return any(privacy.takes_credential(scope) for scope in scopes - {request.identity.scope})
        except StoreUnavailable as problem:
            self.report(problem)
            return False

    def _forms(self, request: Request) -> Sequence[Record]:
        try:
            return self._store.forms(request)
        except StoreUnavailable as problem:
            self.report(problem)
            return ()

    def report(self, problem: object) -> None:
        """Print a problem of the store once; do nothing if there is none."""
        if isinstance(problem, StoreUnavailable) and not problem.is_known:
            self._report.warn(f"{problem}; the build goes on, and nothing is stored", about="the store")

    def _scoped(self, request: Request, share: privacy.Sharing | None, *, private: bool | None) -> Request:
        """Return the request with a scope in place of its credential, unless nothing private can be kept."""
        if request.identity.shared:
            return privacy.opened(request, request.identity.scope)
        if share == "all":
            return privacy.opened(request)
        if private is False:
            return privacy.unkept(request)
        if self._store.read_only and not self._store.private.is_own():
            return request
        return privacy.opened(request, privacy.USER) if share == "user" else self._own(request, always=bool(private))

    def _own(self, request: Request, *, always: bool) -> Request:
        """Return the request with the scope of its credential; `always` with one of this user."""
        identity = request.identity
        if identity.gains and not identity.credential:
            return request.within(identity.scope or privacy.unseen(""))
        if not identity.credential:
            return request.within(identity.scope or privacy.USER) if always else request
        try:
            scope = self._store.private.scope(identity.credential)
        except StoreUnavailable as problem:
            self.report(problem)
            return request
        return request.within(privacy.unseen(scope) if identity.gains else scope)
