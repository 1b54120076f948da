"""The copy of httpx that a transport comes from: its requests, its responses, its redirects, its exceptions."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cachedindex.clients.bodies import CHUNK
from cachedindex.clients.cookies import Cookies
from cachedindex.clients.httpx import made
from cachedindex.errors import CachedIndexError
from cachedindex.lookup import deadline
from cachedindex.model import Answer, Body
from cachedindex.rules import privacy, urls

if TYPE_CHECKING:
    from httpx import BaseTransport, Request, Response

_OF_THE_WIRE = ("transfer-encoding", "set-cookie")
_CACHES = "hishel"
"""The package whose transports are caches around others (hishel 0.0 to 2)."""


class Library:
    """The copy of httpx that a transport comes from."""

    def __init__(self, transport: BaseTransport) -> None:
        """Find the copy; CachedIndexError if the transport comes from none, or from one that is built otherwise."""
        bases = {cls.__name__: cls.__module__ for cls in type(transport).__mro__}
        package = bases.get("BaseTransport", "").partition("._transports")[0]
        found: Any = sys.modules.get(package)
        if not hasattr(getattr(found, "Client", None), "_build_redirect_request"):
            raise CachedIndexError(f"{type(transport).__name__} is no transport of httpx")
        self._httpx = found
        self._stream: Any = type("Stream", (Stream, self._httpx.SyncByteStream), {})

    def following(self, pick: Callable[[str], BaseTransport], cookies: Cookies) -> Following:
        """Return a follower of redirects, by the transports that `pick` returns."""
        client = self._httpx.Client(transport=self._httpx.BaseTransport(), trust_env=False)
        return Following(self, client, pick, cookies)

    def too_many(self, request: Request) -> Exception:
        """Return the exception of a client that has followed as many redirects as it may."""
        error: Exception = self._httpx.TooManyRedirects("Exceeded maximum allowed redirects.", request=request)
        return error

    def hides_credential(self, transport: Any, url: str) -> bool:
        """Return whether a transport may add a credential that is no header: by its own code, or by a certificate."""
        inner = innermost(transport)
        if type(inner) is not self._httpx.HTTPTransport:
            return True
        return url.lower().startswith("https:") and made.of(inner).hides

    def again(self, request: Request, headers: Mapping[str, str], timeout: float | None) -> Request:
        """Return a request once more, without user and password in its URL, which httpx does not send.

        `headers` are added; `timeout` holds if the request has none.
        """
        named = request.headers.copy()
        named.update(headers)
        limits = request.extensions.get("timeout") or {}
        if timeout:
            limits = {name: limits.get(name) or timeout for name in ("connect", "read", "write", "pool")}
        extensions = {**request.extensions, "timeout": limits} if limits else request.extensions
        url = urls.bare(str(request.url))
        again: Request = self._httpx.Request(
            request.method, url, headers=named, stream=request.stream, extensions=extensions
        )
        return again

    def elsewhere(self, request: Request, url: str, headers: Mapping[str, str]) -> Request:
        """Return a request for another URL, with these headers, and nothing of the first one but its time limits."""
        limits = {name: value for name, value in request.extensions.items() if name == "timeout"}
        other: Request = self._httpx.Request("GET", url, headers=headers, extensions=limits)
        return other

    def response(self, answer: Answer) -> Response:
        """Return an answer as a response."""
        source: Any = answer.native and answer.native.response
        if answer.untouched:
            return self._response(source.status_code, source.headers, source.stream, source.extensions)
        headers = [(name, value) for name, value in answer.headers.items() if name not in _OF_THE_WIRE]
        headers += [("set-cookie", value) for value in (source.headers.get_list("set-cookie") if source else ())]
        extensions = {"http_version": b"HTTP/1.1", "reason_phrase": answer.reason.encode("ascii", "ignore")}
        return self._response(answer.status, headers, self._stream(answer.body), extensions)

    def redirect(self, url: str) -> Response:
        """Return a response that redirects to this URL."""
        return self._response(302, {"location": url, "content-length": "0"}, self._httpx.ByteStream(b""), {})

    def _response(self, status: int, headers: Any, stream: Any, extensions: Any) -> Response:
        made: Response = self._httpx.Response(status, headers=headers, stream=stream, extensions=extensions)
        return made


class Following:
    """Follows the redirects of a look-up, by httpx' own rules for headers and cookies.

    So the deadline covers the whole chain, and only the answer at its end is judged. A client's own `send` would log
    each request once more.
    """

    def __init__(self, library: Library, client: Any, pick: Callable[[str], BaseTransport], cookies: Cookies) -> None:
        self._library = library
        self._client = client
        self._pick = pick
        self._cookies = cookies
        self.private = self.gained = False
        self.asking = ""  # Where a redirect led to.
        self._trust = "http"
        self._known = ""

    def follow(self, request: Request, trust: str) -> Response:
        """Return the response at the end; `trust` is how the first hop's peer is verified."""
        self._trust = trust
        self._known = request.headers.get("authorization", "")
        for _ in range(self._client.max_redirects + 1):
            response = self._sent(request)
            if not response.has_redirect_location:
                return response
            response.read()  # So that its connection is used again.
            request = self._client._build_redirect_request(request, response)  # noqa: SLF001 - no other way to its rules
            self.asking = urls.public(str(request.url))
            deadline.asking(self.asking)
        raise self._library.too_many(request)

    def _sent(self, request: Request) -> Response:
        url = str(request.url)
        origin, authorization = urls.origin(url), request.headers.get("authorization", "")
        transport = self._pick(url)
        names = {name.lower() for name in request.headers}
        if "cookie" in names and self._cookies.are_anybodys(origin, request.headers["cookie"], authorization):
            names.discard("cookie")
        shown = privacy.disclosed(names, authorization, self._known)
        if shown.other or authorization:
            self._cookies.identify(origin)
        known = made.of(innermost(transport))
        less = privacy.trusted_less(trust_for(url, known), self._trust)
        self.private = self.private or shown.other or shown.gained or less
        self.gained = self.gained or self._library.hides_credential(transport, url)
        response = transport.handle_request(request)
        response.request = request
        self._client.cookies.extract_cookies(response)
        if "set-cookie" in response.headers:
            self._cookies.remember(origin, response.cookies.items(), authorization)
        return response


class Stream:
    """A body as httpx reads it."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._body.read(CHUNK), b"")

    def close(self) -> None:
        """Close the body."""
        self._body.close()


def trust_for(url: str, known: made.Tls) -> str:
    """Return how the peer at a URL is verified."""
    return known.trust if url.lower().startswith("https:") else "http"


def innermost(transport: Any) -> Any:
    """Return the transport that a cache of the client's own is around."""
    while type(transport).__module__.partition(".")[0] == _CACHES or _is_derived(transport):
        below = getattr(transport, "next_transport", None) or getattr(transport, "_transport", None)
        if below is None:
            break
        transport = below
    return transport


def without_retries(transport: Any) -> Any:
    """Return a transport of httpx once more, with connections of its own, and without retries.

    Any other one is returned as it is: httpx' clients are shared by threads, and so are their transports.
    """
    pool = getattr(transport, "_pool", None)
    if pool is None or not all(hasattr(pool, name) for name in ("_connections", "_requests", "_retries")):
        return transport
    twin, own = copy.copy(transport), copy.copy(pool)
    own._connections, own._requests, own._retries = [], [], 0  # noqa: SLF001 - httpcore 1.0, httpcore2 2.16
    twin._pool = own  # noqa: SLF001
    return twin


def _is_derived(transport: Any) -> bool:
    """Return whether the class of a transport is derived from a cache's."""
    return any(cls.__module__.partition(".")[0] == _CACHES for cls in type(transport).__mro__)
