"""Shows httpx the address at which a look-up ended: a response has the URL of its request, and so the base of links."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from cachedindex.rules import urls

if TYPE_CHECKING:
    from httpx import Request, Response

_KEPT = 1.0
"""Seconds for which a response is kept: a client goes on at once, and a later request is a new look-up."""


class Redirected(threading.local):
    """The response for which the client of this thread was redirected."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none, in each thread; `clock` returns seconds."""
        self._clock = clock
        self._kept: Response | None = None
        self._url = ""
        self._until = 0.0

    def take(self, request: Request) -> Response | None:
        """Return the response, if this is the request for it; else forget it."""
        response, self._kept = self._kept, None
        if response is None:
            return None
        is_for_it = urls.bare(str(request.url)) == self._url and self._clock() <= self._until
        if not is_for_it:
            response.close()
        return response if is_for_it else None

    def keep(self, url: str, response: Response) -> None:
        """Keep a response for the request for its URL, which comes next."""
        self._kept, self._url, self._until = response, urls.bare(url), self._clock() + _KEPT

    def forget(self) -> None:
        """Close what was kept in this thread."""
        response, self._kept = self._kept, None
        if response:
            response.close()
