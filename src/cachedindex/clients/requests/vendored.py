"""The copy of requests and urllib3 that a ready adapter comes from: its redirects, its responses, its exceptions.

requests itself, pip's vendored copy and pipenv's are three different libraries in one process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag

from cachedindex.clients.replay import http_response
from cachedindex.clients.requests.cookies import Cookies
from cachedindex.errors import CachedIndexError
from cachedindex.lookup import deadline
from cachedindex.model import Answer
from cachedindex.rules import privacy, urls

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter


class Library:
    """The copy of requests and urllib3 that an adapter comes from."""

    def __init__(self, adapter: HTTPAdapter) -> None:
        """Find it; CachedIndexError where the adapter comes from none."""
        bases = {cls.__module__: cls for cls in type(adapter).__mro__ if cls.__name__ == "HTTPAdapter"}
        home = next((name for name in bases if name.endswith("requests.adapters")), None)
        if home is None:
            raise CachedIndexError(f"{type(adapter).__name__} is no adapter of requests")
        self._http_adapter: Any = bases[home]
        requests = self._http_adapter.__module__.rpartition(".")[0]
        self.adapters: Any = sys.modules[f"{requests}.adapters"]
        self.select_proxy: Callable[[str, Any], str | None] = self.adapters.select_proxy
        self._jar: Any = sys.modules[f"{requests}.cookies"].RequestsCookieJar
        self._chain = type("Chain", (Hops, sys.modules[f"{requests}.sessions"].SessionRedirectMixin), {})
        urllib3 = self.adapters.PoolManager.__module__.rpartition(".")[0]
        self._http_response: Any = sys.modules[f"{urllib3}.response"].HTTPResponse

    def chain(self, pick: Callable[[str], HTTPAdapter], cookies: Cookies, *, trust_env: bool) -> Hops:
        """Return what follows redirects with the adapters that `pick` returns, as a session with this `trust_env`."""
        return self._chain(pick, cookies, self._jar(), trust_env)  # type: ignore[no-any-return]

    def response(self, adapter: HTTPAdapter, request: PreparedRequest, answer: Answer) -> Any:
        """Return an answer as a response of this copy; the keywords are common to urllib3 1.26 and 2."""
        headers = {name: value for name, value in answer.headers.items() if name != "transfer-encoding"}
        source: Any = answer.native and answer.native.response
        last = getattr(source, "request", request)
        raw = self._http_response(
            body=http_response(answer, request.method or "GET"),
            headers=headers,
            # requests takes cookies from there.
            original_response=getattr(getattr(source, "raw", None), "_original_response", None),
            status=answer.status,
            reason=answer.reason,
            version=11,
            preload_content=False,
            decode_content=False,
            enforce_content_length=False,
            request_method=request.method,
            request_url=request.path_url,
        )
        # HTTPAdapter's own: CacheControl's would store it once more.
        response = self._http_adapter.build_response(adapter, last, raw)
        # What a URL asks for within the answer holds for the URL at the end, too (RFC 9110, section 10.2.2).
        fragment = urldefrag(request.url or "").fragment
        response.url = f"{answer.url}#{fragment}" if fragment and "#" not in answer.url else answer.url
        response.history = list(getattr(source, "history", ()))
        response.from_cache = "; hit" in headers.get("cache-status", "")
        return response

    def redirect(self, adapter: HTTPAdapter, request: PreparedRequest, url: str) -> Any:
        """Return a response that redirects the request to this URL."""
        headers = {"location": urls.bare(url), "content-length": "0"}
        return self.response(adapter, request, Answer(302, "Found", request.url or "", headers, BytesIO()))


class Hops:
    """A look-up's way along its redirects, with requests' own rules of what to take along."""

    max_redirects = 30
    resolve_redirects: Any

    def __init__(
        self,
        pick: Callable[[str], HTTPAdapter],
        cookies: Cookies,
        jar: Any,
        trust_env: bool,  # noqa: FBT001 - the mixin reads it by this name
    ) -> None:
        self._pick = pick
        self._cookies = cookies
        self.cookies = jar
        self.trust_env = trust_env
        self.private = False
        self.asking = ""  # Where a redirect led to.
        self.responses: list[Response] = []
        self._trust = "http"
        self._known = ""

    def follow(self, request: PreparedRequest, trust: str, options: Mapping[str, Any]) -> Response:
        """Return the response at the end; `trust` is the first hop's, which no other may fall short of."""
        self._trust = trust
        self._known = str(request.headers.get("authorization", ""))
        first = self.send(request, **options)
        for _ in self.resolve_redirects(first, request, **options):
            pass
        *history, response = self.responses
        response.history = history
        return response

    def onward(self, response: Response, request: PreparedRequest) -> PreparedRequest:
        """Return what a session asks for after a redirect."""
        following: PreparedRequest = next(self.resolve_redirects(response, request, yield_requests=True))
        return following

    def send(self, request: PreparedRequest, *, allow_redirects: bool = False, **options: Any) -> Response:
        """Send one hop; called by resolve_redirects, which may have found credentials in a netrc, or a cookie."""
        del allow_redirects
        url = request.url or ""
        if self.responses:
            self.asking = urls.public(url)
            deadline.asking(self.asking)
        origin, adapter = urls.origin(url), self._pick(url)
        authorization = str(request.headers.get("authorization", ""))
        names = {name.lower() for name in request.headers}
        if "cookie" in names and self._cookies.are_anybodys(origin, str(request.headers["cookie"]), authorization):
            names.discard("cookie")
        shown = privacy.disclosed(names, authorization, self._known)
        if shown.other or authorization:
            self._cookies.identify(origin)
        less = privacy.trusted_less(trust_of(adapter, url, options["verify"]), self._trust)
        self.private = self.private or shown.other or shown.gained or less
        response = adapter.send(request, **options)
        if response.cookies:
            self._cookies.remember(origin, response.cookies.items(), authorization)
        self.responses.append(response)
        return response


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


def trust_of(adapter: Any, url: str, verify: Any) -> str:
    """Return how the peer is verified, by asking the adapter itself: pip's for trusted hosts overrides `verify`."""
    if not url.lower().startswith("https:"):
        return "http"
    connection: Any = SimpleNamespace(cert_reqs=None)
    try:
        adapter.cert_verify(connection, url, verify, None)
    except OSError:  # There is no such bundle: the client will say so when it asks.
        return "unverified"
    if connection.cert_reqs == "CERT_NONE":
        return "unverified"
    return "tls" if verify is True else f"ca {verify}"
