"""The transport adapter for requests and every vendored copy of it, around the client's own adapter.

Proxies, certificates, retries and trust stay the client's. No copy of requests or urllib3 is imported but the one that
the client's adapter comes from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cachedindex.clients import tls
from cachedindex.clients.bodies import CHUNK, Whole, unzipped, with_page
from cachedindex.clients.common import ATTEMPT_TIMEOUT, PROGRAMMING, failure, request_of
from cachedindex.clients.cookies import Cookies
from cachedindex.clients.requests.vendored import Hops, Library, Raw, hides_credential, is_known, trust_of
from cachedindex.errors import CachedIndexError, IndexMissing, Shortage, UpstreamFailed
from cachedindex.lookup.cache import Cache
from cachedindex.model import Answer, Disclosure, Keyring, Native, Otherwise, Request, Send
from cachedindex.rules import pages, privacy, urls
from cachedindex.rules.decide import Pass

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from requests.adapters import BaseAdapter, HTTPAdapter
else:
    # No base class at run time: each copy of requests has another, and none of them checks for it.
    BaseAdapter = object

_SILENT = ("GET", "HEAD")
"""Methods that send upstream nothing about the user."""
_CONNECTIONS = 80
"""Connections to one host that a twin keeps: as many as look-ups may be begun ahead, and those of the client."""


class IndexAdapter(BaseAdapter):
    """Answers from the cache what it can, and sends the rest through the adapter that it wraps."""

    def __init__(
        self,
        inner: HTTPAdapter,
        cache: Cache | None,
        pick: Callable[[str], HTTPAdapter] | None = None,
        *,
        heeds_max_age: bool = True,
        trust_env: bool = True,
        fatal: Callable[[str], Exception] = IndexMissing,
        keyring: Callable[[PreparedRequest], Keyring | None] = lambda _request: None,
        signed: Callable[[PreparedRequest], PreparedRequest | None] = lambda request: request,
    ) -> None:
        """Wrap `inner`; without a cache, pass everything. CachedIndexError if `inner` is no adapter of requests.

        `pick` returns the client's own adapter for a URL that a redirect leads to, by default `inner` again. With
        `heeds_max_age=False`, a request's `max-age=0` is ignored, as one that the client always sends.
        `trust_env` is the session's: whether redirects may use proxies and credentials of the environment. `fatal`
        makes the exception that ends the client's work if `missing-index = fail`. `keyring` returns where the client
        gets credentials for a request after a 401, if it asks no person for them. `signed` returns a request that the
        client has not made yet with the cookies and the credential that it would have; None if they are not known.
        """
        self._inner = inner
        self._cache = cache
        self._pick = pick or (lambda _url: inner)
        self._heeds_max_age = heeds_max_age
        self._trust_env = trust_env
        self._fatal = fatal
        self._keyring = keyring
        self._signed = signed
        self._cookies = Cookies()
        if cache:
            self._library = Library(inner)
        self._twins: dict[tuple[int, bool], HTTPAdapter] = {}
        self._may_add = not is_known(inner, "add_headers")
        self._hides = {scheme: hides_credential(inner, f"{scheme}:") for scheme in ("http", "https")}

    def __getattr__(self, name: str) -> Any:
        """Return the wrapped adapter's attribute."""
        if "_inner" not in self.__dict__:  # copy and pickle ask before `__init__` has set it.
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __setattr__(self, name: str, value: object) -> None:
        """Set on the wrapped adapter the attributes that it has, such as its retries."""
        inner = self.__dict__.get("_inner")
        is_its = inner is not None and name in vars(inner) and not name.startswith("_")
        object.__setattr__(inner if is_its else self, name, value)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """Pass for the wrapped adapter: pip keeps a resumed download if its adapter is CacheControl's (pip 25.3)."""
        return type(self.__dict__.get("_inner", self))

    def close(self) -> None:
        """Close the wrapped adapter, and the connections of our own attempts."""
        for twin in list(self._twins.values()):
            twin.close()
        self._inner.close()

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - the signature is requests'
        timeout: Any = None,
        verify: Any = True,  # noqa: FBT002
        cert: Any = None,
        proxies: Any = None,
        **more: Any,
    ) -> Response:
        """Return the response, or raise what the wrapped adapter raised: the same object."""
        options = {"stream": stream, "timeout": timeout, "verify": verify, "cert": cert, "proxies": proxies, **more}
        response: Response | None = None
        failed: Exception | None = None
        if self._cache:
            try:
                response = self._answered(self._cache, request, options)
            except (UpstreamFailed, Shortage) as reason:
                failed = reason.original
            except IndexMissing as missing:
                failed = self._fatal(f"cachedindex: {missing}")
            except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
                self._cache.report.internal_error(error)
        if failed:
            raise failed  # Outside of the handlers, so that it keeps its own `__context__`.
        return self._inner.send(request, **options) if response is None else response

    def _answered(self, cache: Cache, request: PreparedRequest, options: Mapping[str, Any]) -> Response | None:
        asked = self._asked(request, options)
        sent: list[tuple[int, float]] = []

        def send(headers: Mapping[str, str], *, patient: bool) -> Answer:
            began = time.monotonic()
            answer = self._ask(asked, request, options, headers, self._pick if patient else self._twin, patient=patient)
            sent.append((answer.status, time.monotonic() - began))
            return answer

        def afresh(headers: Mapping[str, str], *, patient: bool) -> Answer:
            del patient
            pick: Callable[[str], HTTPAdapter] = lambda url: self._made_twin(self._pick(url), is_cached=False)  # noqa: E731
            return self._ask(asked, request, options, headers, pick, patient=False)

        otherwise = Otherwise(partial(self._as_nobody, request, options), afresh)
        answer = cache.answer(asked, send, self._keyring(request), otherwise)
        if isinstance(answer, Pass):
            return None
        if cache.ahead:
            cache.ahead.heard(asked, partial(self._alike, request, options), sent)
        return self._response(request, answer)

    def _alike(self, request: PreparedRequest, options: Mapping[str, Any], url: str) -> tuple[Request, Send] | None:
        """Return the request for another URL, and what sends it in the same way, as one try in a thread of its own.

        A cache of the client's own may answer a patient one, as it may answer the client. None if it is not known as
        whom the client would ask.
        """
        bare = request.copy()
        bare.prepare_url(url, None)
        for name in ("authorization", "cookie"):
            bare.headers.pop(name, None)
        alike = self._signed(bare)
        if alike is None:
            return None
        asked = self._asked(alike, options)

        def send(headers: Mapping[str, str], *, patient: bool) -> Answer:
            pick = partial(self._twin, is_cached=patient)
            return self._ask(asked, alike, options, headers, pick, patient=patient)

        return asked, send

    def _as_nobody(
        self, request: PreparedRequest, options: Mapping[str, Any], url: str, accept: str | None = None
    ) -> tuple[Request, Send] | None:
        """Return the request for a URL of another origin, and what sends it, without a credential of this one.

        None if this adapter may add one by itself.
        """
        if self._may_add or any(self._hides.values()):
            return None
        bare, options = request.copy(), {**options, "cert": None}
        bare.prepare_url(url, None)
        named = privacy.neutral({name: str(value) for name, value in request.headers.items()})
        bare.prepare_headers({**named, "Accept": accept} if accept else named)
        options["proxies"] = self._chain(self._twin).rebuild_proxies(bare, options["proxies"])
        asked = self._asked(bare, options)

        def send(headers: Mapping[str, str], *, patient: bool) -> Answer:
            del patient
            return self._ask(asked, bare, options, headers, self._twin, patient=False)

        return asked, send

    def _asked(self, request: PreparedRequest, options: Mapping[str, Any]) -> Request:
        url = request.url or ""
        dropped = () if self._heeds_max_age else ("cache-control",)
        if "cookie" in request.headers and self._are_anybodys(request):
            dropped = (*dropped, "cookie")
        trust = trust_of(self._inner, url, options["verify"])
        aside = "it has a body" if request.body else ""
        if trust == "unknown":  # Nothing stored may stand for what the client would refuse.
            aside = "how its peer is verified is not known"
        asked = request_of(
            request.method or "GET",
            url,
            {name: str(value) for name, value in request.headers.items() if name.lower() not in dropped},
            trust=trust,
            proxy=self._library.select_proxy(url, options["proxies"]) or "",
            aside=aside,
            certificate=tls.certificate(options["cert"]) if options["cert"] else "",
            gains=self._hides.get(url.lower().partition(":")[0], False),
        )
        if self._may_add:
            asked = asked._replace(identity=asked.identity._replace(may_gain=True))
        if asked.aside or asked.method not in _SILENT or privacy.unscoped(asked):
            self._cookies.identify(urls.origin(url))
        return asked

    def _are_anybodys(self, request: PreparedRequest) -> bool:
        """Return whether the cookies of a request identify nobody."""
        cookies, credential = str(request.headers["cookie"]), str(request.headers.get("authorization", ""))
        return self._cookies.are_anybodys(urls.origin(request.url or ""), cookies, credential)

    def _ask(
        self,
        asked: Request,
        request: PreparedRequest,
        options: Mapping[str, Any],
        headers: Mapping[str, str],
        pick: Callable[[str], HTTPAdapter],
        *,
        patient: bool,
    ) -> Answer:
        ours = request.copy()
        ours.headers.update(headers)
        chain = self._chain(pick)
        if not patient:
            options = {**options, "timeout": options["timeout"] or ATTEMPT_TIMEOUT}
        response: Response | None = None
        try:
            response = chain.follow(ours, asked.route.trust, options)
            return _answer(asked, response, Disclosure(chain.private, chain.gained))
        except (*PROGRAMMING, CachedIndexError):
            raise
        except Exception as error:
            hops = [response for response in chain.responses if response.is_redirect]
            raise failure(error, asked, chain.asking, hops, answered=response is not None) from error

    def _chain(self, pick: Callable[[str], HTTPAdapter]) -> Hops:
        return self._library.chain(pick, self._cookies, trust_env=self._trust_env)

    def _twin(self, url: str, *, is_cached: bool = False) -> HTTPAdapter:
        """Return the adapter for a URL once more, without retries and with connections of its own."""
        adapter = self._pick(url)
        twin = self._twins.get((id(adapter), is_cached))
        if twin is None:
            try:
                twin = self._twins[id(adapter), is_cached] = self._made_twin(adapter, is_cached=is_cached)
            except Exception as error:
                name = type(adapter).__name__
                raise CachedIndexError(f"{name} cannot be copied ({type(error).__name__}: {error})") from error
        return twin

    def _made_twin(self, adapter: HTTPAdapter, *, is_cached: bool) -> HTTPAdapter:
        """Return a twin of an adapter, with CacheControl's cache or without.

        Not by copy.copy: HTTPAdapter.__getstate__ would lose pip's TLS context (pip 26.3, network/session.py).
        """
        twin: HTTPAdapter = object.__new__(type(adapter))
        twin.__dict__.update(adapter.__dict__, max_retries=self._library.retry, proxy_manager={})
        state = twin.__dict__
        if not is_cached:  # No methods for CacheControl: its own cache must not answer for upstream.
            state["cacheable_methods"] = ()
        # urllib3 warns of each connection that has no room to be kept.
        kept = max(state["_pool_maxsize"], _CONNECTIONS)
        # As HTTPAdapter calls it: a project's adapter may require the keyword (requests 2.34, adapters.py).
        twin.init_poolmanager(state["_pool_connections"], kept, block=state["_pool_block"])
        pools, given = (getattr(each, "poolmanager", None) for each in (twin, adapter))
        if pools and given:  # What a user has passed to init_poolmanager by hand is known there only.
            pools.connection_pool_kw = {**given.connection_pool_kw, **pools.connection_pool_kw}
        return twin

    def _response(self, request: PreparedRequest, answer: Answer) -> Response:
        response: Any = answer.untouched if answer.native else None
        if response is None:
            response = self._library.response(self._inner, request, answer)
        # pip repeats a request with credentials through it (pip 26.3, network/auth.py, handle_401).
        response.connection = self
        return response  # type: ignore[no-any-return]


def _answer(asked: Request, response: Response, disclosure: Disclosure) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    answer = Answer(
        response.status_code,
        response.reason or "",
        response.url,
        headers,
        Raw(response),
        disclosure=disclosure,
        age=_age(response, headers),
        native=Native(response),
    )
    if response.status_code == HTTPStatus.NOT_MODIFIED:
        _ = response.content  # Reading its empty body gives the connection back for the next page.

    # Not by urllib3, which takes gzip that breaks off for the whole body.
    is_zipped = headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip")
    # urllib3 1.26 does not compare a body with its length. tell() counts the bytes on the wire; after a 304, the body
    # that CacheControl returns has been read once before (pip 23.2).
    before = response.raw.tell() if pages.is_read_whole(asked) else 0

    def whole(body: bytes) -> Whole:
        if is_zipped:
            response.close()
        found = unzipped(body) if is_zipped else Whole(body, len(body))
        return found._replace(came=response.raw.tell() - before)

    return with_page(
        asked, answer, _pieces(response, is_zipped=is_zipped, is_known=answer.announced is not None), whole
    )


def _pieces(response: Response, *, is_zipped: bool, is_known: bool) -> Iterator[bytes]:
    """Read a body: at once, if its length is known; still encoded, if gzip made it."""
    if is_known:
        yield response.raw.read(decode_content=False) if is_zipped else response.content
    elif is_zipped:
        yield from iter(lambda: response.raw.read(CHUNK, decode_content=False), b"")
    else:
        yield from response.iter_content(CHUNK)


def _age(response: Response, headers: Mapping[str, str]) -> float:
    """Return the seconds that a response has been in the client's own cache; 0 if it was not there."""
    if not getattr(response, "from_cache", False):
        return 0.0
    try:
        return max(0.0, time.time() - parsedate_to_datetime(headers.get("date", "")).timestamp())
    except (TypeError, ValueError):  # No date, or none that can be read.
        return 0.0
