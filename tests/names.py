"""A name server that answers, denies or is silent, and the command that makes a program ask it and no other.

It needs root, for port 53 and for a mount namespace in which /etc/resolv.conf is another file.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

HOST = "index.invalid"
"""A name that no other name server knows (RFC 2606)."""
_PORT = 53
_ADDRESS = 1
"""The type of an A record (RFC 1035, section 3.2.2)."""


class NoNames(Exception):
    """This machine does not let us answer for names; the text says what it wants for."""


class Names:
    """The server: `behaviour` may be changed at any time; `prefix` goes before a command that is to ask it."""

    def __init__(self, folder: Path) -> None:
        self.behaviour: Literal["answers", "denies", "is silent"] = "answers"
        # Only port 53 is asked: two of these tests at once need two addresses of this machine.
        server = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
        configuration = folder / "resolv.conf"
        configuration.write_text(f"nameserver {server}\n")
        mount = f'mount --bind "{configuration}" /etc/resolv.conf && exec "$@"'
        self.prefix = ("unshare", "-m", "sh", "-c", mount, "sh")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((server, _PORT))
        except OSError as error:
            self._socket.close()
            raise NoNames(f"port 53 is not ours: {error.strerror}") from None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())  # Nothing else wakes the thread.
        self._thread.join()
        self._socket.close()

    def check(self) -> None:
        """Raise NoNames unless a command with the prefix asks here."""
        if not shutil.which("unshare"):
            raise NoNames("there is no unshare")
        asked = subprocess.run([*self.prefix, "getent", "hosts", HOST], capture_output=True, text=True, check=False)
        if not asked.stdout.startswith("127.0.0.1"):
            raise NoNames(f"a private /etc/resolv.conf is not used here: {asked.stderr.strip() or asked.stdout!r}")

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(512)
            if not query:
                return
            if self.behaviour != "is silent":
                self._socket.sendto(_reply(query, known=self.behaviour == "answers"), client)


@contextmanager
def naming(folder: Path) -> Iterator[Names]:
    names = Names(folder)
    try:
        names.check()
        yield names
    finally:
        names.close()


def _reply(query: bytes, *, known: bool) -> bytes:
    """Return the answer to a query (RFC 1035, section 4.1): this machine's address, no such record, or no such name."""
    end = query.index(b"\0", 12) + 5
    (kind,) = struct.unpack("!H", query[end - 4 : end - 2])
    found = known and kind == _ADDRESS
    flags = 0x8180 if known else 0x8183
    answer = struct.pack("!HHHIH", 0xC00C, _ADDRESS, 1, 0, 4) + bytes((127, 0, 0, 1)) if found else b""
    return query[:2] + struct.pack("!HHHHH", flags, 1, int(found), 0, 0) + query[12:end] + answer
