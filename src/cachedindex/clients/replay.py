"""Makes http.client's own response of an answer, so that programs can use it like any other."""

from __future__ import annotations

import io
from http.client import HTTPResponse
from typing import Any

from cachedindex.model import Answer, Body

_HOP_BY_HOP = ("transfer-encoding", "connection", "keep-alive")


def http_response(answer: Answer, method: str) -> HTTPResponse:
    """Return the answer to a request of this method as a response whose status line and headers have been read."""
    headers = {name: value for name, value in answer.headers.items() if name not in _HOP_BY_HOP}
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", "replace")
    connection: Any = _Connection(head, answer.body)
    response = HTTPResponse(connection, method=method)
    response.begin()
    return response


class _Connection:
    """As much of a socket as HTTPResponse needs."""

    def __init__(self, head: bytes, body: Body) -> None:
        self._head = head
        self._body = body

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Stream(self._head, self._body))


class _Stream(io.RawIOBase):
    """The head's bytes, then the body's."""

    def __init__(self, head: bytes, body: Body) -> None:
        self._head = io.BytesIO(head)
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._head.read(len(buffer)) or self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()
