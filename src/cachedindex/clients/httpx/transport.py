"""The transport for httpx, around a client's own.

Proxies, certificates, retries and trust stay the client's. No copy of httpx is imported but the one that the client's
transport comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from cachedindex.clients.common import ATTEMPT_TIMEOUT, PROGRAMMING, failure, request_of
from cachedindex.clients.cookies import Cookies
from cachedindex.clients.httpx import made, received
from cachedindex.clients.httpx.library import Library, innermost, trust_for, without_retries
from cachedindex.clients.httpx.redirects import Redirected
from cachedindex.errors import CachedIndexError, IndexMissing, Shortage, UpstreamFailed
from cachedindex.lookup.cache import Cache
from cachedindex.model import Answer, Disclosure, Keyring, Otherwise, Request, Send
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
            pick = self._pick if patient else self._twin
            return self._ask(asked, request, headers, pick, patient=patient)

        def afresh(headers: Mapping[str, str], *, patient: bool) -> Answer:
            del patient
            return self._ask(asked, request, headers, self._made_twin, patient=False)

        otherwise = Otherwise(partial(self._as_nobody, request), afresh)
        answer = cache.answer(asked, send, self._keyring(request), otherwise)
        if isinstance(answer, Pass):
            return None
        return self._shown(request, asked, answer)

    def _as_nobody(self, request: httpx.Request, url: str, accept: str | None = None) -> tuple[Request, Send] | None:
        """Return the request for a URL of another origin, and what sends it, without a credential of this one.

        None if a transport may show one by itself: it cannot be made once more without its certificate.
        """
        if self._shows_credential(str(request.url)) or self._shows_credential(url):
            return None
        named = privacy.neutral(dict(request.headers))
        bare = self._library.elsewhere(request, url, {**named, "accept": accept} if accept else named)
        asked = self._asked(bare)

        def send(headers: Mapping[str, str], *, patient: bool) -> Answer:
            del patient
            return self._ask(asked, bare, headers, self._twin, patient=False)

        return asked, send

    def _shows_credential(self, url: str) -> bool:
        transport = self._pick(url)
        certificate = made.of(innermost(transport)).certificate
        return bool(certificate) or self._library.hides_credential(transport, url)

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

    def _ask(
        self,
        asked: Request,
        request: httpx.Request,
        headers: Mapping[str, str],
        pick: Callable[[str], BaseTransport],
        *,
        patient: bool,
    ) -> Answer:
        following = self._library.following(pick, self._cookies)
        response: httpx.Response | None = None
        try:
            again = self._library.again(request, headers, None if patient else ATTEMPT_TIMEOUT)
            response = following.follow(again, asked.route.trust)
            return received.answer(asked, response, Disclosure(following.private, following.gained))
        except (*PROGRAMMING, CachedIndexError):
            raise
        except Exception as error:
            raise failure(error, asked, following.asking, answered=response is not None) from error

    def _twin(self, url: str) -> BaseTransport:
        """Return the one twin of the transport for a URL."""
        inner = innermost(self._pick(url))
        if id(inner) not in self._twins:
            self._twins[id(inner)] = self._made_twin(url)
        return self._twins[id(inner)]

    def _made_twin(self, url: str) -> BaseTransport:
        """Return the transport for a URL once more, without the client's own cache: it must not answer for upstream."""
        twin: BaseTransport = without_retries(innermost(self._pick(url)))
        return twin
