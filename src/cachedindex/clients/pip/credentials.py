"""The cookies and the credential that pip would send to a URL: of several indexes on one host, each has its own.

pip chooses by the path of the index, and remembers one more credential for each host (pip 23.2 to 26.3,
network/auth.py).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import PreparedRequest


def signed(session: Any, request: PreparedRequest) -> PreparedRequest | None:
    """Return a request as a session of pip's would make it; None if that depends on what pip asks for before.

    `request` has neither cookies nor credentials but those in its URL. Nobody is prompted, no keyring is asked, and the
    session remembers nothing of it.
    """
    try:
        request.prepare_cookies(session.cookies.copy())
        auth, indexes = session.auth, session.auth.index_urls or ()
        if not auth.passwords and not any("@" in index for index in indexes):
            indexes = ()  # As most often: then a netrc is all that there can be, which has one credential for a host.
        ways = [_after(index, auth, request) for index in ("", *indexes)]
    except Exception:  # noqa: BLE001 - a pip that chooses in another way: then nobody knows
        return None
    return ways[0] if len({way.headers.get("authorization") for way in ways}) == 1 else None


def _after(index: str, auth: Any, request: PreparedRequest) -> PreparedRequest:
    """Return the request as pip would make it right after one at an index, if any."""
    alone = copy.copy(auth)
    alone.passwords = dict(auth.passwords)
    if index:
        before = _unhooked(request)
        before.url = index
        alone(before)
    signed: PreparedRequest = alone(_unhooked(request))
    return signed


def _unhooked(request: PreparedRequest) -> PreparedRequest:
    """Return a copy, as pip's auth adds a hook: the one that prompts."""
    own = request.copy()
    own.hooks = {"response": []}
    return own
