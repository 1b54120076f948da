"""The transport for build scripts on httpx: it has options of its own, and prints through logging."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cachedindex.clients import script
from cachedindex.clients.httpx import made
from cachedindex.clients.httpx.transport import IndexTransport
from cachedindex.errors import CachedIndexError

if TYPE_CHECKING:
    import ssl

    import httpx
    from httpx import BaseTransport

_NAME = "CachedIndexTransport"


class CachedIndexTransport(IndexTransport):
    """`httpx.Client(transport=CachedIndexTransport(index_ttl="10 min"))`, or as one of the client's `mounts`."""

    def __init__(
        self,
        inner: BaseTransport | None = None,
        *,
        verify: ssl.SSLContext | str | bool = True,
        cert: str | Sequence[str] | None = None,
        trust_env: bool = True,
        **options: object,
    ) -> None:
        """Wrap a transport, by default a client's own; the options have the names of the reference.

        `verify`, `cert` and `trust_env` are httpx.Client's; a transport that is given has its own. Raises SettingsError
        for a wrong option.
        """
        self._process = script.joined(_NAME, options)
        pick, self._client = None, None
        if inner is None:
            self._client, inner, pick = _plain(verify, cert, trust_env=trust_env)
        try:
            super().__init__(inner, self._process.cache, pick)
        except CachedIndexError as error:
            self._process.report.internal_error(error)
            super().__init__(inner, None, pick)

    def close(self) -> None:
        """Close as the wrapped transport does, and print what was served stale."""
        super().close()
        if self._client:
            self._client.close()
        self._process.finish()


def _plain(
    verify: Any, cert: Any, *, trust_env: bool
) -> tuple[httpx.Client, BaseTransport, Callable[[str], BaseTransport]]:
    """Return a plain client, its transport, and what returns that for a URL: a proxy of the environment has another."""
    try:
        library = import_module("httpx")
    except ImportError:
        library = import_module("httpx2")  # Its successor.
    client: Any = library.Client(verify=verify, cert=cert, trust_env=trust_env)
    known = made.tls_of(verify, cert, trust_env=trust_env)
    # No public name leads to what a client has made (httpx 0.28, httpx2 2.16).
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001
        if transport is not None:
            made.remember(transport, known)
    return client, client._transport, lambda url: client._transport_for_url(library.URL(url))  # noqa: SLF001
