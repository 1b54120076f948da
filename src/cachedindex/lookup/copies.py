"""What the store holds for a request: under its scope, or nothing where the folder does not play along."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import BinaryIO

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Identity, Record, Request
from cachedindex.options import Settings
from cachedindex.rules import privacy
from cachedindex.run.report import Report
from cachedindex.store.store import Store


class Copies:
    """The store, as one look-up sees it: what cannot be read is not there, and said once."""

    def __init__(self, store: Store, settings: Settings, report: Report) -> None:
        self._store = store
        self._settings = settings
        self._report = report

    def found(self, request: Request) -> tuple[Request, Record | None]:
        """Return the request with its scope, and what is stored under it."""
        scoped = self._scoped(request)
        return scoped, self.record(scoped)

    def record(self, request: Request) -> Record | None:
        """Return what is stored for a request that has its scope."""
        try:
            return self._store.get(request)
        except StoreUnavailable as error:
            self.complain(str(error))
            return None

    def body(self, request: Request, record: Record) -> BinaryIO | None:
        """Return a record's verified bytes; None where its blob is gone or damaged."""
        if record.page is not None:
            return BytesIO(record.page)
        try:
            return self._store.open_blob(request, record)
        except StoreUnavailable as error:
            self.complain(str(error))
            return None

    def name(self, request: Request, record: Record) -> str:
        """Return what a record is called in the folder."""
        return self._store.record_name(request, record)

    def is_somebodys(self, request: Request) -> bool:
        """Return whether this user has a copy of it that takes a credential to get."""
        try:
            return not request.identity.scope and bool(self._store.scopes(request) - {privacy.GAINED})
        except StoreUnavailable as error:
            self.complain(str(error))
            return False

    def complain(self, problem: str | None) -> None:
        """Say once what the folder did not do."""
        if problem:
            self._report.warn(f"{problem}; the build goes on, and nothing is stored", about="the store")

    def _scoped(self, request: Request) -> Request:
        """Return the request with a scope in place of its credential, unless nothing private can be kept."""
        if request.identity.shared or self._settings.for_url(request.url).share:
            headers = {name: value for name, value in request.headers.items() if name != "authorization"}
            return replace(request, headers=headers, identity=Identity(shared=True))
        try:
            if request.identity.credential:
                if self._store.read_only and not self._store.private.is_own():
                    return request
                return request.within(self._store.private.scope(request.identity.credential))
            if (
                request.identity.may_gain
                and not request.identity.scope
                and privacy.GAINED in self._store.scopes(request)
            ):
                return request if self._store.get(request) else request.within(privacy.GAINED)
        except StoreUnavailable as error:
            self.complain(str(error))
        return request
