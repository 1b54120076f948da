"""pdm: `PDMPyPIClient._transport_for_url` is what every look-up of pdm 2.12 to 2.29 goes through."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cachedindex.clients import covered
from cachedindex.clients.httpx import made

if TYPE_CHECKING:
    from cachedindex.lookup.cache import Cache

_CLIENT = "pdm"


def attach(session_module: ModuleType) -> None:
    """Make the clients of pdm's `models/session.py` answer through the cache."""
    process = covered.joined(_CLIENT)
    if process.root is None:
        return
    client = getattr(session_module, "PDMPyPIClient", None)
    ready = getattr(client, "_transport_for_url", None)
    library = _library_of(client)
    if client is None or library is None or not callable(ready):
        covered.step_aside(process, _CLIENT)
        return
    made.remember_all(library)
    own = covered.at_first(process, partial(_answering, ready))

    def transport_for_url(client: Any, url: Any) -> Any:
        return (own() or ready)(client, url)

    client._transport_for_url = transport_for_url  # noqa: SLF001 - the one place that all releases have


def _library_of(client: type | None) -> ModuleType | None:
    """Return the copy of httpx that a client comes from: httpx, or since pdm 2.29 httpx2."""
    names = [base.__module__.partition(".")[0] for base in getattr(client, "__mro__", ()) if base.__name__ == "Client"]
    return sys.modules.get(names[0]) if names else None


def _answering(ready: Callable[[Any, Any], Any], cache: Cache) -> Callable[[Any, Any], Any]:
    from cachedindex.clients.httpx.transport import IndexTransport  # noqa: PLC0415 - only for a command that asks

    def transport_for_url(client: Any, url: Any) -> Any:
        """Return pdm's own transport for the URL, in one IndexTransport for each of them."""
        inner = ready(client, url)
        if url.scheme not in ("http", "https"):
            return inner
        wrapped: dict[int, IndexTransport] = client.__dict__.setdefault("_cachedindex_transports", {})
        if id(inner) not in wrapped:
            try:
                wrapped[id(inner)] = IndexTransport(
                    inner,
                    cache,
                    lambda text: ready(client, type(url)(text)),
                    fatal=_fatal,
                    keyring=partial(_keyring_for, client),
                )
            except Exception as error:  # noqa: BLE001 - a transport that is not built like those of known releases
                cache.report.internal_error(error)
                return inner
        return wrapped[id(inner)]

    return transport_for_url


def _fatal(text: str) -> Exception:
    """Return an exception that ends pdm; it treats those of httpx as a page without links."""
    error: Exception = sys.modules["pdm.exceptions"].PdmException(text)
    return error


class PdmKeyring:
    """The keyring that pdm asks after a 401, before it asks a person (unearth 0.6 to 0.19, auth.py, auth_flow)."""

    def __init__(self, find: Callable[..., tuple[str | None, str | None]]) -> None:
        """`find` is the method of pdm's own auth that looks for credentials."""
        self._find = find

    def is_there(self) -> bool:
        """Return whether there is a keyring."""
        return sys.modules["unearth.auth"].get_keyring_provider() is not None

    def has(self, url: str) -> bool:
        """Ask it, and return whether it has credentials for a URL."""
        _, password = self._find(url, allow_netrc=False, allow_keyring=True)
        return bool(password)


def _keyring_for(client: Any, request: Any) -> PdmKeyring | None:
    """Return the keyring that a client would ask if this request were answered with a 401; None if it would not."""
    find = getattr(client.auth, "_get_new_credentials", None)
    return PdmKeyring(find) if find and "authorization" not in request.headers else None
