"""The copy of requests and urllib3 that a ready adapter comes from: its redirects, its responses, its exceptions.

requests itself, pip's vendored copy and pipenv's are three different libraries in one process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag

from cachedindex.clients import tls
from cachedindex.clients.cookies import Cookies
from cachedindex.clients.replay import http_response
from cachedindex.errors import CachedIndexError
from cachedindex.lookup import deadline
from cachedindex.model import Answer
from cachedindex.rules import privacy, urls

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter


_PIPS = "pip._internal.network.session"
_OWN_CODE = ("requests.adapters", "cachecontrol.adapter", _PIPS)
"""The ends of the names of modules that add no credential."""
_WAYS = (
    "send", "cert_verify", "request_url", "get_connection", "get_connection_with_tls_context",
    "build_connection_pool_key_attributes", "proxy_manager_for",
)  # fmt: skip
"""The methods of an HTTPAdapter in which a subclass could add one; it shows what `add_headers` adds."""
_TLS = ("ssl_context", "cert_file", "key_file")
"""What may hold a certificate among the options of a PoolManager."""


class Library:
    """The copy of requests and urllib3 that an adapter comes from."""

    def __init__(self, adapter: HTTPAdapter) -> None:
        """Find the copy of an adapter; CachedIndexError if it comes from none."""
        bases = {cls.__module__: cls for cls in type(adapter).__mro__ if cls.__name__ == "HTTPAdapter"}
        home = next((name for name in bases if name.endswith("requests.adapters")), None)
        if home is None:
            raise CachedIndexError(f"{type(adapter).__name__} is no adapter of requests")
        self._http_adapter: Any = bases[home]
        requests = self._http_adapter.__module__.rpartition(".")[0]
        self.adapters: Any = sys.modules[f"{requests}.adapters"]
        self.select_proxy: Callable[[str, Any], str | None] = self.adapters.select_proxy
        # They may not be loaded yet, as with `python -X lazy_imports=all` (PEP 810).
        self._jar: Any = import_module(f"{requests}.cookies").RequestsCookieJar
        self._chain = type("Chain", (Hops, import_module(f"{requests}.sessions").SessionRedirectMixin), {})
        urllib3 = self.adapters.PoolManager.__module__.rpartition(".")[0]
        self.retry: Any = _retrying(self.adapters.Retry)
        """The retries of an attempt of ours."""
        self._http_response: Any = import_module(f"{urllib3}.response").HTTPResponse

    def chain(self, pick: Callable[[str], HTTPAdapter], cookies: Cookies, *, trust_env: bool) -> Hops:
        """Return a follower of redirects, by the adapters that `pick` returns, as a session with this `trust_env`."""
        return self._chain(pick, cookies, self._jar(), trust_env)  # type: ignore[no-any-return]

    def response(self, adapter: HTTPAdapter, request: PreparedRequest, answer: Answer) -> Any:
        """Return an answer as a response of this copy; the keywords are common to urllib3 1.26 and 2."""
        headers = {name: value for name, value in answer.headers.items() if name != "transfer-encoding"}
        source: Any = answer.native and answer.native.response
        last = getattr(source, "request", request)
        raw = self._http_response(
            body=http_response(answer, request.method or "GET"),
            headers=headers,
            # requests takes the cookies from it.
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
        # By HTTPAdapter's own method: CacheControl's would store it once more.
        response = self._http_adapter.build_response(adapter, last, raw)
        # A URL's fragment holds for the URL at the end of its redirects, too (RFC 9110, section 10.2.2).
        fragment = urldefrag(request.url or "").fragment
        response.url = f"{answer.url}#{fragment}" if fragment and "#" not in answer.url else answer.url
        response.history = list(getattr(source, "history", ()))
        response.from_cache = "; hit" in headers.get("cache-status", "")
        if isinstance(answer.body, BytesIO) and request.method != "HEAD" and "content-encoding" not in headers:
            response._content = answer.body.getvalue()  # noqa: SLF001 - it would read the same in pieces of 10 kB
        return response

    def redirect(self, adapter: HTTPAdapter, request: PreparedRequest, url: str) -> Any:
        """Return a response that redirects the request to this URL."""
        headers = {"location": urls.bare(url), "content-length": "0"}
        return self.response(adapter, request, Answer(302, "Found", request.url or "", headers, BytesIO()))


def _retrying(retry: Any) -> Any:
    """Return retries of this copy's class: none, but for a connection that was kept and turns out to be closed.

    A server closes it after some seconds, maybe just as the next request arrives; urllib3 gets over that only if it has
    retries left (urllib3 1.26 to 2, connectionpool.py, urlopen).
    """
    none = retry(0, read=False)

    def increment(_: Any, *given: Any, error: Any = None, _pool: Any = None, **named: Any) -> Any:
        was_kept = _pool is not None and _pool.num_requests > _pool.num_connections
        if was_kept and any(isinstance(each, ConnectionError) for each in getattr(error, "args", ())):
            return none
        return none.increment(*given, error=error, _pool=_pool, **named)

    return type("OneForAKeptConnection", (retry,), {"increment": increment})(0, read=False)


class Hops:
    """Follows the redirects of a look-up, by requests' own rules for headers and cookies.

    So the deadline covers the whole chain, and only the answer at its end is judged.
    """

    max_redirects = 30
    resolve_redirects: Any
    rebuild_proxies: Any

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
        self.private = self.gained = False
        self.asking = ""  # Where a redirect led to.
        self.responses: list[Response] = []
        self._trust = "http"
        self._known = ""

    def follow(self, request: PreparedRequest, trust: str, options: Mapping[str, Any]) -> Response:
        """Return the response at the end; `trust` is how the first hop's peer is verified."""
        self._trust = trust
        self._known = str(request.headers.get("authorization", ""))
        first = self.send(request, **options)
        for _ in self.resolve_redirects(first, request, **options):
            pass
        *history, response = self.responses
        response.history = history
        return response

    def onward(self, response: Response, request: PreparedRequest) -> PreparedRequest:
        """Return the request that a session sends after a redirect."""
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
        before = set(map(str.lower, request.headers))
        response = adapter.send(request, **options)
        self._look_again(response.request, before, authorization)
        self.gained = self.gained or hides_credential(adapter, url)
        if response.cookies:
            self._cookies.remember(origin, response.cookies.items(), authorization)
        self.responses.append(response)
        return response

    def _look_again(self, sent: Any, before: set[str], authorization: str) -> None:
        """Note what the adapter has added to a request: HTTPAdapter.add_headers is for that."""
        headers = {name.lower(): str(value) for name, value in getattr(sent, "headers", {}).items()}
        after = headers.get("authorization", "")
        added = (headers.keys() - before - {"authorization"}) | ({"authorization"} if after != authorization else set())
        shown = privacy.disclosed(added, after, self._known)
        self.private = self.private or shown.other
        self.gained = self.gained or shown.gained


class Raw:
    """A response's body as it comes over the wire."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, still encoded."""
        data: bytes = self._response.raw.read(None if size < 0 else size, decode_content=False)
        return data

    def close(self) -> None:
        """Close the response."""
        self._response.close()


def hides_credential(adapter: Any, url: str) -> bool:
    """Return whether an adapter may add a credential that is no header: by code of its own, or a TLS context.

    A context does not say whether it has a client certificate. pip's own has none: pip sends `cert`.
    """
    if not all(is_known(adapter, name) for name in _WAYS if hasattr(adapter, name)):
        return True
    options = getattr(getattr(adapter, "poolmanager", None), "connection_pool_kw", {})
    is_pips = _defines(adapter, "init_poolmanager").endswith(_PIPS)
    return url.lower().startswith("https:") and not is_pips and any(options.get(name) for name in _TLS)


def is_known(adapter: Any, name: str) -> bool:
    """Return whether a method of an adapter is of requests, of CacheControl or of pip, which add no credential."""
    return _defines(adapter, name).endswith(_OWN_CODE)


def _defines(adapter: Any, name: str) -> str:
    """Return the module that defines a method of an adapter."""
    if name in vars(adapter):
        return ""
    return next((cls.__module__ for cls in type(adapter).__mro__ if name in vars(cls)), "")


def trust_of(adapter: Any, url: str, verify: Any) -> str:
    """Return how the peer is verified, by the adapter's own method: pip's for trusted hosts overrides `verify`."""
    if not url.lower().startswith("https:"):
        return "http"
    connection: Any = SimpleNamespace(cert_reqs=None)
    try:
        adapter.cert_verify(connection, url, verify, None)
        if connection.cert_reqs == "CERT_NONE":
            return "unverified"
        return "tls" if verify is True else tls.trust_in(Path(verify))
    except (OSError, TypeError):  # There is no such bundle, or it cannot be read: the client will fail and report it.
        return "unknown"
