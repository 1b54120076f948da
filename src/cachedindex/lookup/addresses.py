"""Another address of a name: an index that does not answer at one of its addresses may do so at the next one.

A client begins with the first address each time, and goes on to the next one only if it gets no connection there.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from cachedindex.errors import NotAsked
from cachedindex.model import Answer, Send

_thread = threading.local()
_guard = threading.Lock()
_resolve: Callable[..., Any] | None = None
"""The system's own function, once ours is in its place."""


def at_another(url: str, send: Send) -> Send:
    """Return what sends a request for a URL to another address of its name than usual, if that still answers nothing.

    It raises NotAsked if the name has one address only. Looking it up may take long: it is to run under a deadline.
    """

    def turned(headers: Mapping[str, str], *, patient: bool) -> Answer:
        _install()
        host = urlsplit(url).hostname or ""
        if len(_addresses(host)) < 2:  # noqa: PLR2004 - another one
            raise NotAsked("its name has one address only")
        _thread.host = host
        try:
            return send(headers, patient=patient)
        finally:
            _thread.host = None

    return turned


def _addresses(host: str) -> set[object]:
    try:
        return {info[4][0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):  # The name server has failed by now, or the name is none.
        return set()


def _install() -> None:
    """Have the look-up of a name begin with its second address, for the one name that a thread asks for in this way.

    There is no other way to choose an address that all clients have: http.client and urllib3 connect by this function.
    """
    global _resolve  # noqa: PLW0603 - once in a process
    with _guard:
        if _resolve is None:
            _resolve = socket.getaddrinfo
            socket.getaddrinfo = _looked_up


def _looked_up(host: Any, *given: Any, **named: Any) -> Any:
    found = (_resolve or socket.getaddrinfo)(host, *given, **named)
    return [*found[1:], *found[:1]] if host is not None and host == getattr(_thread, "host", None) else found
