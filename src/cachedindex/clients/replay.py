"""Makes http.client's own response of an answer, so that programs can use it like any other."""

from __future__ import annotations

import io
import re
from http import HTTPStatus
from http.client import HTTPMessage, HTTPResponse
from typing import Any

from cachedindex.model import Answer, Body

_HOP_BY_HOP = ("transfer-encoding", "connection", "keep-alive")


def http_response(answer: Answer, method: str) -> HTTPResponse:
    """Return the answer to a request of this method as a response whose status line and headers have been read.

    They are set as HTTPResponse.begin() would (Python 3.10 to 3.15); to have them written and parsed takes six times as
    long.
    """
    connection: Any = _Connection(answer.body)
    response = HTTPResponse(connection, method=method)
    message = HTTPMessage()
    for name, value in answer.headers.items():
        if name not in _HOP_BY_HOP:
            message[name] = value
    message["Connection"] = "close"
    response.headers = response.msg = message
    response.version, response.status, response.reason = 11, answer.status, answer.reason
    vars(response)["code"] = answer.status  # urllib reads it by this name, too.
    response.chunked, response.will_close = False, True
    has_no_body = method == "HEAD" or answer.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
    length = answer.headers.get("content-length", "")
    response.length = 0 if has_no_body else int(length) if re.fullmatch("[0-9]+", length) else None
    return response


class _Connection:
    """As much of a socket as HTTPResponse needs."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Stream(self._body))


class _Stream(io.RawIOBase):
    """A body as io has it."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()
