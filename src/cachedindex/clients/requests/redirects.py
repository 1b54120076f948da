"""Shows a script's session each redirect that the adapter has already followed.

One deadline covers them all, and yet `allow_redirects`, `max_redirects`, `history` and hooks work as without us. pip
gets the end at once: it follows every redirect and looks at none of them (pip 22.3 to 26.3).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cachedindex.errors import UpstreamFailed
from cachedindex.rules import privacy, urls

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

    Hop = Response | UpstreamFailed

_KEPT = 1.0
"""Seconds for which hops are kept: a session goes on at once, and a script's own later request is a new look-up."""
_OURS = privacy.ADDED_HEADERS | {"cache-control"}


class Redirects(threading.local):
    """The hops of one look-up that the session of this thread has not seen yet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none, in each thread; `clock` returns seconds."""
        self._clock = clock
        self._rest: Sequence[Hop] = ()
        self._hooks: object = None
        self._until = 0.0

    def onward(self, request: PreparedRequest) -> Response | None:
        """Return the next hop, or raise the UpstreamFailed at the end; None if this request follows no redirect."""
        # A session sends a copy of its request after a redirect, with the same hooks (requests 2.34, models.py, copy).
        goes_on = bool(self._rest) and request.hooks is self._hooks and self._clock() <= self._until
        if not goes_on or not _is_for(self._rest[0], request):
            self.close()
            return None
        return self._shown(self._rest, request)

    def begun(self, hops: Sequence[Hop], request: PreparedRequest) -> Response | None:
        """Return the first hop, if any, and keep the rest for the next requests; raise it if it is an UpstreamFailed.

        If a redirect leaves the origin, return the end at once: the session may have another adapter there, and the
        signed address of a copy may have expired.
        """
        asked = [_request(hop) or request for hop in hops]
        if len({urls.origin(each.url or "") for each in asked}) > 1:
            hops = hops[-1:]
        self._hooks = request.hooks
        self._until = self._clock() + _KEPT
        if len(hops) > 1:
            return self._shown(hops, request)
        return _shown_or_raised(hops[0]) if hops else None

    def close(self) -> None:
        """Forget the rest."""
        rest, self._rest = self._rest, ()
        for hop in rest:
            if not isinstance(hop, UpstreamFailed):
                hop.close()

    def _shown(self, hops: Sequence[Hop], request: PreparedRequest) -> Response:
        first, *self._rest = hops
        response = _shown_or_raised(first)
        response.request, response.url, response.history = request, request.url or "", []
        return response


def _shown_or_raised(hop: Hop) -> Response:
    if isinstance(hop, UpstreamFailed):
        raise hop
    return hop


def _request(hop: Hop) -> PreparedRequest | None:
    """Return the request of a hop, if it is known; an exception that has a response sent no further request."""
    if not isinstance(hop, UpstreamFailed):
        return hop.request
    stopped = getattr(hop.original, "response", None) is not None
    return None if stopped else getattr(hop.original, "request", None)


def _is_for(hop: Hop, request: PreparedRequest) -> bool:
    """Return whether a session's request is the one that the adapter sent, with the same credentials and cookies."""
    asked = _request(hop)
    return asked is not None and _compared(asked) == _compared(request)


def _compared(request: PreparedRequest) -> object:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return request.method, request.url, {name: headers[name] for name in headers.keys() - _OURS}
