"""The transport for httpx, around a client's own.

Proxies, certificates, retries and trust stay the client's. No copy of httpx is imported but the one that the client's
transport comes from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from cachedindex.clients.bodies import Pieces, Whole, unzipped, with_page
from cachedindex.clients.common import ATTEMPT_TIMEOUT, PROGRAMMING, failure, request_of
from cachedindex.clients.cookies import Cookies
from cachedindex.clients.httpx import made
from cachedindex.clients.httpx.library import Library, innermost, trust_for, without_retries
from cachedindex.clients.httpx.redirects import Redirected
from cachedindex.errors import CachedIndexError, IndexMissing, Shortage, UpstreamFailed
from cachedindex.lookup.cache import Cache
from cachedindex.model import Answer, Disclosure, Keyring, Native, Request
from cachedindex.rules import privacy, urls
from cachedindex.rules.decide import Pass

if TYPE_CHECKING:
    import httpx
    from httpx import BaseTransport
else:
    # No base class at run time: each copy of httpx has another, and no client checks for it.
    BaseTransport = object

_SILENT = ("GET", "HEAD")
"""Methods that send upstream nothing about the user."""
_FROM_CACHE = ("from_cache", "hishel_from_cache")
"""What hishel notes in an answer of its own (hishel 0.0, and 1 to 2)."""


class IndexTransport(BaseTransport):
    """Answers from the cache what it can, and sends the rest through the transport that it wraps."""

    def __init__(
        self,
        inner: BaseTransport,
        cache: Cache | None,
        pick: Callable[[str], BaseTransport] | None = None,
        *,
        fatal: Callable[[str], Exception] = IndexMissing,
        keyring: Callable[[httpx.Request], Keyring | None] = lambda _request: None,
    ) -> None:
        """Wrap `inner`; without a cache, pass everything. CachedIndexError if `inner` is no transport of httpx.

        `pick` returns the client's own transport for a URL, by default always `inner`. `fatal` makes the exception
        that ends the client's work if `missing-index = fail`. `keyring` returns where the client gets credentials for a
        request after a 401, if it asks no person for them.
        """
        self._cache = cache
        self._pick = pick or (lambda _url: inner)
        self._fatal = fatal
        self._keyring = keyring
        self._cookies = Cookies()
        self._redirected = Redirected()
        self._twins: dict[int, BaseTransport] = {}
        self._inner = inner
        if cache:
            self._library = Library(inner)

    def __enter__(self) -> BaseTransport:  # type: ignore[override]
        """Open the wrapped transport."""
        self._inner.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Close as `close` does."""
        self.close()

    def close(self) -> None:
        """Close the wrapped transport, and the connections of our own attempts."""
        self._redirected.forget()
        for twin in list(self._twins.values()):
            twin.close()
        self._inner.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response, or raise what the wrapped transport raised: the same object."""
        response: httpx.Response | None = None
        failed: Exception | None = None
        if self._cache:
            try:
                response = self._redirected.take(request) or self._answered(self._cache, request)
            except (UpstreamFailed, Shortage) as reason:
                failed = reason.original
            except IndexMissing as missing:
                failed = self._fatal(f"cachedindex: {missing}")
            except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
                self._cache.report.internal_error(error)
        if failed:
            raise failed  # Outside of the handlers, so that it keeps its own `__context__`.
        return self._pick(str(request.url)).handle_request(request) if response is None else response

    def _answered(self, cache: Cache, request: httpx.Request) -> httpx.Response | None:
        asked = self._asked(request)

        def send(headers: Mapping[str, str], *, patient: bool) -> Answer:
            return self._ask(asked, request, headers, patient=patient)

        answer = cache.answer(asked, send, self._keyring(request))
        if isinstance(answer, Pass):
            return None
        return self._shown(request, asked, answer)

    def _shown(self, request: httpx.Request, asked: Request, answer: Answer) -> httpx.Response:
        """Return the answer, or a redirect to the address that it has.

        A file that is kept elsewhere is returned at once: the client may have another transport there, and the signed
        address of a copy may have expired.
        """
        response = self._library.response(answer)
        here, there = urls.public(str(request.url)), urls.public(answer.url)
        if here == there or (asked.kind != "page" and urls.origin(here) != urls.origin(there)):
            return response
        self._redirected.keep(answer.url, response)
        return self._library.redirect(urls.bare(answer.url))

    def _asked(self, request: httpx.Request) -> Request:
        url = str(request.url)
        transport = self._pick(url)
        known, inner = made.of(innermost(transport)), innermost(transport)
        headers = dict(request.headers)
        if "cookie" in headers and self._cookies.are_anybodys(
            urls.origin(url), headers["cookie"], headers.get("authorization", "")
        ):
            del headers["cookie"]
        trust = trust_for(url, known)
        has_body = "content-length" in headers or "transfer-encoding" in headers
        aside = "it has a body" if has_body else ""
        if trust == "unknown":  # Nothing stored may stand for what the client would refuse.
            aside = "how its peer is verified is not known"
        asked = request_of(
            request.method,
            urls.bare(url) + (f"#{request.url.fragment}" if request.url.fragment else ""),
            headers,
            trust=trust,
            proxy=made.proxy_of(inner),
            aside=aside,
            certificate=known.certificate,
            gains=self._library.hides_credential(transport, url),
        )
        if aside or asked.method not in _SILENT or privacy.unscoped(asked):
            self._cookies.identify(urls.origin(url))
        return asked

    def _ask(self, asked: Request, request: httpx.Request, headers: Mapping[str, str], *, patient: bool) -> Answer:
        following = self._library.following(self._pick if patient else self._twin, self._cookies)
        response: httpx.Response | None = None
        try:
            again = self._library.again(request, headers, None if patient else ATTEMPT_TIMEOUT)
            response = following.follow(again, asked.route.trust)
            return _answer(asked, response, Disclosure(following.private, following.gained))
        except (*PROGRAMMING, CachedIndexError):
            raise
        except Exception as error:
            raise failure(error, asked, following.asking, answered=response is not None) from error

    def _twin(self, url: str) -> BaseTransport:
        """Return the transport for a URL once more, without the client's own cache: it must not answer for upstream."""
        inner = innermost(self._pick(url))
        if id(inner) not in self._twins:
            self._twins[id(inner)] = without_retries(inner)
        return self._twins[id(inner)]


def _answer(asked: Request, response: httpx.Response, disclosure: Disclosure) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    answer = Answer(
        response.status_code,
        response.reason_phrase,
        str(response.request.url),
        headers,
        _Raw(response),
        disclosure=disclosure,
        age=_age(response, headers),
        native=Native(response),
    )
    if response.status_code == HTTPStatus.NOT_MODIFIED:
        response.read()  # Reading its empty body gives the connection back for the next page.
    # Not by httpx, which takes gzip that breaks off for the whole body.
    is_zipped = headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip")

    def whole(body: bytes) -> Whole:
        response.close()
        found = unzipped(body) if is_zipped else Whole(body, len(body))
        return found._replace(came=response.num_bytes_downloaded)

    return with_page(asked, answer, response.iter_raw() if is_zipped else response.iter_bytes(), whole)


class _Raw(Pieces):
    """A response's body as it comes over the wire."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__((), _lazily(response.iter_raw), response)


def _lazily(begin: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    yield from begin()


def _age(response: httpx.Response, headers: Mapping[str, str]) -> float:
    """Return the seconds that a response has been in the client's own cache; 0 if it was not there."""
    if not any(response.extensions.get(name) for name in _FROM_CACHE):
        return 0.0
    try:
        return max(0.0, time.time() - parsedate_to_datetime(headers.get("date", "")).timestamp())
    except (TypeError, ValueError):  # No date, or none that can be read.
        return 0.0
