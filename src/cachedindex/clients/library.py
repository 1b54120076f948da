"""The copy of requests and urllib3 that a ready adapter comes from: its redirects, its responses, its exceptions.

requests itself, pip's vendored copy and pipenv's are three different libraries in one process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from cachedindex.model import Answer

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter


class Library:
    """The copy of requests and urllib3 that an adapter comes from."""

    def __init__(self, adapter: HTTPAdapter) -> None:
        self._http_adapter: Any = next(
            cls
            for cls in type(adapter).__mro__
            if cls.__name__ == "HTTPAdapter" and cls.__module__.endswith("requests.adapters")
        )
        requests = self._http_adapter.__module__.rpartition(".")[0]
        self.adapters: Any = sys.modules[f"{requests}.adapters"]
        self.select_proxy: Callable[[str, Any], str | None] = self.adapters.select_proxy
        self._jar: Any = sys.modules[f"{requests}.cookies"].RequestsCookieJar
        self._chain = type("Chain", (Hops, sys.modules[f"{requests}.sessions"].SessionRedirectMixin), {})
        urllib3 = self.adapters.PoolManager.__module__.rpartition(".")[0]
        self._http_response: Any = sys.modules[f"{urllib3}.response"].HTTPResponse

    def chain(self, pick: Callable[[str], HTTPAdapter]) -> Hops:
        """Return what follows redirects with the adapters that `pick` returns."""
        return self._chain(pick, self._jar())  # type: ignore[no-any-return]

    def response(self, adapter: HTTPAdapter, request: PreparedRequest, answer: Answer) -> Any:
        """Return an answer as a response of this copy; the keywords are common to urllib3 1.26 and 2."""
        headers = {name: value for name, value in answer.headers.items() if name != "transfer-encoding"}
        raw = self._http_response(
            body=answer.body,
            headers=headers,
            status=answer.status,
            reason=answer.reason,
            version=11,
            preload_content=False,
            decode_content=False,
            enforce_content_length=False,
            request_method=request.method,
        )
        # HTTPAdapter's own: CacheControl's would store it once more.
        response = self._http_adapter.build_response(adapter, request, raw)
        response.url = answer.url
        response.from_cache = "; hit" in headers.get("cache-status", "")
        return response


class Hops:
    """A look-up's way along its redirects, with requests' own rules of what to take along."""

    max_redirects = 30
    trust_env = True
    resolve_redirects: Any

    def __init__(self, pick: Callable[[str], HTTPAdapter], jar: Any) -> None:
        self._pick = pick
        self.cookies = jar
        self.private = False

    def follow(self, request: PreparedRequest, options: Mapping[str, Any]) -> Response:
        """Return the response at the end."""
        response = self.send(request, **options)
        history = []
        for hop in self.resolve_redirects(response, request, **options):
            history.append(response)
            response = hop
        response.history = history
        return response

    def send(self, request: PreparedRequest, *, allow_redirects: bool = False, **options: Any) -> Response:
        """Send one hop; called by resolve_redirects, which may have found credentials in a netrc."""
        del allow_redirects
        self.private = self.private or "authorization" in request.headers
        return self._pick(request.url or "").send(request, **options)


class Raw:
    """A response's body as it comes over the wire."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, in whatever encoding they came."""
        data: bytes = self._response.raw.read(None if size < 0 else size, decode_content=False)
        return data

    def close(self) -> None:
        """Close the response."""
        self._response.close()
