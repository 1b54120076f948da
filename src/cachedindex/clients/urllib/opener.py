"""The edge for urllib: a handler in the global opener, ahead of all others, which ask upstream for it.

So proxies, certificates and the handlers of other extensions stay in force.
"""

from __future__ import annotations

import re
import socket
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from cachedindex.clients.bodies import CHUNK, Whole, with_page
from cachedindex.clients.common import ATTEMPT_TIMEOUT, PROGRAMMING, failure, request_of
from cachedindex.clients.replay import http_response
from cachedindex.clients.urllib import alike
from cachedindex.errors import IndexMissing, Shortage, UpstreamFailed
from cachedindex.lookup import deadline
from cachedindex.model import Answer, Disclosure, Native, Otherwise, Request, Send
from cachedindex.rules import privacy, urls
from cachedindex.rules.decide import Pass
from cachedindex.run.report import Report

if TYPE_CHECKING:
    from cachedindex.lookup.ahead import Ahead


class _Thread(threading.local):
    """What a thread asks upstream for us, during which our handler does nothing, and what the witness saw of it."""

    asking = False
    plain = False
    known = ""
    url = ""
    saw_private = False
    saw_credential = False


_thread = _Thread()


_INDEX_READERS = re.compile(r"\bsetuptools/|vnd\.pypi\.simple")
"""What buildout's index reader sends as its User-Agent (zc.buildout 3.3 to 6.0.1), or another one as its Accept."""

_MAKES_NONE = sys.version_info < (3, 12)
"""Whether a handler has no TLS context unless it was given one."""


class Answering(Protocol):
    """The cache of the process, or what a client puts before it."""

    @property
    def report(self) -> Report:
        """Where errors of our own are reported."""
        ...

    @property
    def ahead(self) -> Ahead | None:
        """The look-ups that are begun before the client makes them; None if none are."""
        ...

    def answer(
        self, request: Request, send: Send, keyring: None = None, otherwise: Otherwise | None = None
    ) -> Answer | Pass:
        """Return the answer to a request, as `lookup.cache.Cache` does."""
        ...


class CacheHandler(urllib.request.BaseHandler):
    """Answers from the cache what it can, before any handler that would open a connection."""

    handler_order = 0

    def __init__(self, cache: Answering, fatal: Callable[[str], Exception]) -> None:
        """`fatal` makes the exception that ends the client's work if `missing-index = fail`."""
        self._cache = cache
        self._fatal = fatal

    def default_open(self, req: urllib.request.Request) -> Any:
        """Return a response, raise what the other handlers raised (the same object), or None to leave it to them."""
        if _thread.asking or req.type not in ("http", "https"):
            return None
        failed: Exception | None = None
        try:
            answer = self._answer(req)
            return None if isinstance(answer, Pass) else answer.untouched or _response(answer, req.get_method())
        except (UpstreamFailed, Shortage) as reason:
            failed = reason.original
        except IndexMissing as missing:
            failed = self._fatal(f"cachedindex: {missing}")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
            self._cache.report.internal_error(error)
        if failed:
            raise failed
        return None

    def _answer(self, req: urllib.request.Request) -> Answer | Pass:
        asked = self._asked(req)
        # The default is read now, since the caller may change it before an attempt in another thread ends.
        timeout = socket.getdefaulttimeout() if _is_default(req.timeout) else req.timeout
        sent: list[tuple[int, float]] = []
        send = self._sending(asked, req, timeout, sent)
        answer = self._cache.answer(asked, send, otherwise=Otherwise(partial(self._as_nobody, req, timeout), send))
        if self._cache.ahead and not (asked.of_recipe or isinstance(answer, Pass)):
            self._cache.ahead.heard(asked, partial(self._alike, req, timeout), sent)
        native = None if isinstance(answer, Pass) else answer.untouched
        if isinstance(native, urllib.error.HTTPError):
            raise UpstreamFailed(str(native), native)
        return answer

    def _sending(
        self, asked: Request, req: urllib.request.Request, timeout: float | None, sent: list[tuple[int, float]]
    ) -> Send:
        """Return what sends a request; it adds to `sent` the status of each answer, and the seconds that it took."""

        def send(headers: Mapping[str, str], *, patient: bool) -> Answer:
            began, seconds = time.monotonic(), timeout if patient else timeout or ATTEMPT_TIMEOUT
            answer = self._ask(asked, _copy(req, headers), seconds)
            sent.append((answer.status, time.monotonic() - began))
            return answer

        return send

    def _alike(self, req: urllib.request.Request, timeout: float | None, url: str) -> tuple[Request, Send] | None:
        """Return the request for another URL, and what sends it in the same way; None if that is not known."""
        handlers: list[Any] = vars(self.parent)["handlers"]
        if not alike.are_plain(each for each in handlers if type(each).__module__ != __name__):
            return None
        other = alike.addressed(req, url)
        asked = self._asked(other)
        return asked, self._sending(asked, other, timeout, [])

    def _as_nobody(
        self, req: urllib.request.Request, timeout: float | None, url: str, accept: str | None = None
    ) -> tuple[Request, Send] | None:
        """Return the request for a URL of another origin, and what sends it, without a credential of this one.

        None if a handler may add one that nobody can see.
        """
        headers = {**privacy.neutral(dict(req.header_items())), **({"Accept": accept} if accept else {})}
        bare = urllib.request.Request(url, headers=headers)  # noqa: S310 - a mirror's, of http(s) only
        if self._hides_credential(bare.type):
            return None
        asked = self._asked(bare)
        return asked, self._sending(asked, bare, timeout or ATTEMPT_TIMEOUT, [])

    def _asked(self, req: urllib.request.Request) -> Request:
        url = req.full_url
        headers = dict(req.header_items())
        aside = "asked with a body" if req.data is not None else ""
        if headers.get("Accept-encoding", "identity") != "identity":  # urllib decodes nothing; its client will.
            aside = "asked for in an encoding"
        trust, gains = self._trust(url), self._hides_credential(req.type)
        asked = request_of(req.get_method(), url, headers, trust=trust, proxy=proxy_of(req), aside=aside, gains=gains)
        said = f"{asked.headers.get('user-agent')} {asked.headers.get('accept')}"
        of_recipe = _INDEX_READERS.search(said) is None
        return asked._replace(identity=asked.identity._replace(may_gain=True), of_recipe=of_recipe)

    def _hides_credential(self, scheme: str) -> bool:
        """Return whether a handler may add a credential that is no header, by code of its own or a TLS context.

        A context does not say whether it has a client certificate. Since Python 3.12 a handler without one makes one,
        which allows post-handshake authentication, unlike one that somebody has made (http.client).
        """
        handlers: list[Any] = [each for each in vars(self.parent)["handlers"] if each is not self]
        opening = [each for each in handlers for name in ("default_open", f"{scheme}_open") if hasattr(each, name)]
        contexts = [context for each in handlers if (context := getattr(each, "_context", None))]
        is_given = any(_MAKES_NONE or not context.post_handshake_auth for context in contexts)
        makers = (ssl.create_default_context, getattr(ssl, "_create_unverified_context", None))
        is_replaced = getattr(ssl, "_create_default_https_context", None) not in makers
        is_foreign = any(type(each).__module__ != urllib.request.__name__ for each in opening)
        return is_foreign or (scheme == "https" and (is_given or is_replaced))

    def _trust(self, url: str) -> str:
        if not url.lower().startswith("https:"):
            return "http"
        handlers: list[Any] = vars(self.parent)["handlers"]
        contexts = [context for handler in handlers if (context := getattr(handler, "_context", None))]
        # Up to Python 3.11 a handler without a context has http.client make one, by a function that people replace.
        replaced = getattr(ssl, "_create_default_https_context", None) is not ssl.create_default_context
        unverified = any(context.verify_mode == ssl.CERT_NONE for context in contexts) or (replaced and not contexts)
        return "unverified" if unverified else "tls"

    def _ask(self, asked: Request, req: urllib.request.Request, timeout: float | None) -> Answer:
        known = req.get_header("Authorization", "")
        with _asking(plain=asked.route.trust == "http", known=known):
            try:
                native = self.parent.open(req, timeout=timeout)
            except urllib.error.HTTPError as error:  # It is an answer all the same.
                native = cast("Any", error)
            except PROGRAMMING:
                raise
            except Exception as error:
                raise failure(error, asked, _thread.url) from error
            try:
                answer = answer_from(asked, native)
                gained = _thread.saw_credential or asked.identity.gains
                return answer._replace(disclosure=Disclosure(_thread.saw_private, gained))
            except PROGRAMMING:
                raise
            except Exception as error:
                raise failure(error, asked, _thread.url, answered=True) from error


class PrivacyWitness(urllib.request.BaseHandler):
    """Sees each request, redirected ones too, after every handler that may add a credential.

    It looks as the request leaves, and again when it was answered: a handler may add one only as it connects.
    """

    handler_order = 10_000

    def http_request(self, req: urllib.request.Request) -> urllib.request.Request:
        """Note a credential that the first request did not have, and a hop over plain http after TLS."""
        self._look(req)
        _thread.url = urls.public(req.full_url)
        deadline.asking(_thread.url)
        _thread.saw_private |= req.type == "http" and not _thread.plain
        return req

    def http_response(self, req: urllib.request.Request, response: Any) -> Any:
        """Look at the request again."""
        self._look(req)
        return response

    https_request, https_response = http_request, http_response

    def _look(self, req: urllib.request.Request) -> None:
        names = [name.lower() for name, _ in req.header_items()]
        shown = privacy.disclosed(names, req.get_header("Authorization", ""), _thread.known)
        _thread.saw_credential |= shown.gained
        _thread.saw_private |= shown.other


class _Unbuilt(urllib.request.OpenerDirector):
    """Builds the global opener when it is first used, as urllib does: with the proxies that are set by then."""

    def open(self, *arguments: Any, **named: Any) -> Any:
        """Install a real opener, with the handlers that were added meanwhile, and open by that."""
        opener = urllib.request.build_opener(*vars(self)["handlers"])
        if getattr(urllib.request, "_opener", None) is self:
            urllib.request.install_opener(opener)
        return opener.open(*arguments, **named)


def install(cache: Answering, fatal: Callable[[str], Exception] = IndexMissing) -> None:
    """Put the handlers into the global opener, and into every one that is installed later.

    `fatal` makes the exception that ends the client's work if `missing-index = fail`.
    """
    original = urllib.request.install_opener

    def install_opener(opener: urllib.request.OpenerDirector | None) -> None:
        original(opener)
        _add(cache, fatal, opener)

    urllib.request.install_opener = install_opener
    first = getattr(urllib.request, "_opener", None)
    is_first = first is None or getattr(first, "is_cachedindex", False)  # The hook's, which nobody has used yet.
    install_opener(_Unbuilt() if is_first else first)


def _add(cache: Answering, fatal: Callable[[str], Exception], opener: object) -> None:
    # It may be None, or something that merely looks like an opener.
    if not isinstance(opener, urllib.request.OpenerDirector):
        return
    if not any(isinstance(handler, CacheHandler) for handler in vars(opener)["handlers"]):
        opener.add_handler(CacheHandler(cache, fatal))
        opener.add_handler(PrivacyWitness())


@contextmanager
def _asking(*, plain: bool, known: str) -> Iterator[None]:
    """Mark this thread as asking for us. A mark on the request would be lost, as a redirect makes a new request."""
    _thread.asking, _thread.url, _thread.plain, _thread.known = True, "", plain, known
    _thread.saw_private = _thread.saw_credential = False
    try:
        yield
    finally:
        _thread.asking = False


def _copy(req: urllib.request.Request, headers: Mapping[str, str]) -> urllib.request.Request:
    """Return a copy of a request for another thread, since handlers change requests."""
    copied = urllib.request.Request(  # noqa: S310 - only http and https come here
        req.full_url, None, {**req.headers, **headers}, req.origin_req_host, req.unverifiable, req.get_method()
    )
    copied.unredirected_hdrs = dict(req.unredirected_hdrs)
    return copied


def proxy_of(req: urllib.request.Request) -> str:
    """Return the proxy that urllib uses by itself; empty if it uses none."""
    return urllib.request.getproxies().get(req.type, "") if not urllib.request.proxy_bypass(req.host) else ""


def answer_from(asked: Request, native: Any) -> Answer:
    """Return a response of urllib as an answer; a page's body is read."""
    headers = _joined(native.headers.items())
    reason = native.msg if isinstance(native.msg, str) else native.reason
    answer = Answer(native.status, str(reason), native.url, headers, native, native=Native(native))
    if "content-encoding" in headers:  # Nobody asked for it, and nobody here decodes it.
        return answer

    def pieces() -> Iterator[bytes]:
        if answer.announced is not None:  # http.client notices only so that it is shorter.
            yield native.read()
        else:
            yield from iter(lambda: native.read(CHUNK), b"")

    def whole(body: bytes) -> Whole:
        native.close()
        return Whole(body, len(body))

    return with_page(asked, answer, pieces(), whole)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by lower-case name; several of one name are one list (RFC 9110, section 5.3), but for cookies."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers and key != "set-cookie" else value
    return headers


def _response(answer: Answer, method: str) -> Any:
    response: Any = http_response(answer, method)
    # The same attributes as AbstractHTTPHandler.do_open sets.
    response.url = answer.url
    response.msg = response.reason
    return response


def _is_default(timeout: object) -> bool:
    return not isinstance(timeout, (int, float, type(None)))
