"""The adapter for build scripts on plain requests: it has options of its own, and prints through logging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cachedindex.clients import script
from cachedindex.clients.requests.adapter import IndexAdapter
from cachedindex.clients.requests.redirects import Redirects
from cachedindex.errors import CachedIndexError, UpstreamFailed
from cachedindex.lookup.cache import Cache
from cachedindex.rules import urls

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter

    from cachedindex.clients.requests.redirects import Hop

_NAME = "CachedIndexAdapter"


class CachedIndexAdapter(IndexAdapter):
    """`session.mount("https://index.example/", CachedIndexAdapter(index_ttl="10 min"))`."""

    def __init__(self, inner: HTTPAdapter | None = None, *, trust_env: bool = True, **options: object) -> None:
        """Wrap an adapter, by default a new HTTPAdapter; the options have the names of the reference.

        `trust_env` is the session's. Raises SettingsError for a wrong option.
        """
        self._options = {"trust_env": trust_env, **options}
        self._process = script.joined(_NAME, options)
        self._redirects = Redirects()
        ready = inner or _plain()
        try:
            super().__init__(ready, self._process.cache, trust_env=trust_env)
        except CachedIndexError as error:
            self._process.report.internal_error(error)
            super().__init__(ready, None)

    def _answered(self, cache: Cache, request: PreparedRequest, options: Mapping[str, Any]) -> Response | None:
        hop = self._redirects.onward(request)
        return self._redirects.begun(self._hops(cache, request, options), request) if hop is None else hop

    def _hops(self, cache: Cache, request: PreparedRequest, options: Mapping[str, Any]) -> Sequence[Hop]:
        """Return every response that a session would see on its way to the answer; none if it has to ask itself."""
        try:
            response = super()._answered(cache, request, options)
        except UpstreamFailed as failure:
            return [*failure.hops, failure]
        if response is None:
            return []
        if not response.history and urls.public(response.url) != urls.public(request.url or ""):
            # A stored copy has the end of the redirects only.
            redirect = self._library.redirect(self._inner, request, response.url)
            response.request = self._chain(self._pick).onward(redirect, request)
            return [redirect, response]
        return [*response.history, response]

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as the wrapped adapter does; the copy joins its own process again."""
        return _again, (self._inner, self._options)

    def close(self) -> None:
        """Close as the wrapped adapter does, and print what was served stale."""
        self._redirects.close()
        super().close()
        self._process.finish()


def _again(inner: HTTPAdapter, options: Mapping[str, Any]) -> CachedIndexAdapter:
    return CachedIndexAdapter(inner, **options)


def _plain() -> HTTPAdapter:
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - an adapter that was brought may have another one

    return HTTPAdapter()
