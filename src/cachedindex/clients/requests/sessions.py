"""Puts the adapter into the sessions of a client on requests, around each adapter that they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cachedindex.clients.requests.adapter import IndexAdapter
from cachedindex.lookup.cache import Cache


def answering(
    cache: Cache, ready: Callable[[Any, str], Any], options: Callable[[Any], Mapping[str, Any]]
) -> Callable[[Any, str], Any]:
    """Return a `Session.get_adapter` around the client's own.

    `options` returns the named arguments of IndexAdapter that hold for a session.
    """

    def get_adapter(session: Any, url: str) -> Any:
        """Return the client's own adapter for the URL, in one IndexAdapter for each of them."""
        inner = ready(session, url)
        if not url.lower().startswith(("http://", "https://")):
            return inner
        wrapped: dict[int, IndexAdapter] = session.__dict__.setdefault("_cachedindex_adapters", {})
        if id(inner) not in wrapped:
            try:
                wrapped[id(inner)] = IndexAdapter(
                    inner,
                    cache,
                    lambda hop: ready(session, hop),
                    trust_env=getattr(session, "trust_env", True),
                    **options(session),
                )
            except Exception as error:  # noqa: BLE001 - an adapter that is not built like those of known releases
                cache.report.internal_error(error)
                return inner
        return wrapped[id(inner)]

    return get_adapter
