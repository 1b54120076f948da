"""Refuses every connection of this process to a host, for a rehearsal of an outage.

Not by a switch of the cache: each client fails in its own way, with its own retries, and all that stands in is what
would stand in if its index were dead.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
from typing import Any

_LOCAL = (getattr(socket, "AF_UNIX", None),)


@functools.cache  # A client may join more than once.
def refuse_connections() -> None:
    """Refuse each connection, and each look-up of a name, from now on; only sockets without a host work."""
    resolve, connect, connect_ex = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex

    def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:  # noqa: A002 - their names in socket
        try:
            return resolve(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        except socket.gaierror:  # A name server would be asked.
            raise _refusal() from None

    def refused(self: socket.socket, address: Any) -> None:
        if self.family not in _LOCAL:
            raise _refusal()
        connect(self, address)

    def refused_ex(self: socket.socket, address: Any) -> int:
        return connect_ex(self, address) if self.family in _LOCAL else errno.ECONNREFUSED

    for owner, name, function in (
        (socket, "getaddrinfo", getaddrinfo),
        (socket.socket, "connect", refused),
        (socket.socket, "connect_ex", refused_ex),
    ):
        setattr(owner, name, function)


def _refusal() -> ConnectionRefusedError:
    return ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
