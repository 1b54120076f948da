"""The urllib twin of the adapter: a handler in the global opener, ahead of all others; `send` is the rest of the chain.

So proxies, certificates and whatever other extensions add stay in force. Only public parts of urllib.request are used.
"""

from __future__ import annotations

import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from email.message import Message
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.response import addinfourl

from cachedindex.assembly import broken
from cachedindex.clients.asking import ATTEMPT_TIMEOUT, cause, request_of, with_page
from cachedindex.engine import Cache
from cachedindex.errors import UpstreamFailed
from cachedindex.model import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOP_BY_HOP = ("transfer-encoding", "connection")


class _Thread(threading.local):
    """What a thread is doing: while it asks for us, our handler stays out of the way."""

    asking = False
    saw_credentials = False


_thread = _Thread()


class CacheHandler(urllib.request.BaseHandler):
    """Answers from the cache what it can, before any handler that would open a connection."""

    handler_order = 0

    def __init__(self, cache: Cache) -> None:
        """Take the process's cache."""
        self._cache = cache

    def default_open(self, req: urllib.request.Request) -> Any:
        """Return a response, raise what the other handlers raised (the same object), or None to leave it to them."""
        if _thread.asking or req.type not in ("http", "https"):
            return None
        failed: Exception | None = None
        try:
            answer = self._answer(req)
            return None if answer is None else answer.native or _response(answer)
        except UpstreamFailed as failure:
            failed = failure.original
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
            broken(self._cache.report, error)
        if failed:
            raise failed
        return None

    def _answer(self, req: urllib.request.Request) -> Answer | None:
        asked = self._asked(req)
        # The caller's default may be in force in its own thread only for as long as it waits.
        timeout = socket.getdefaulttimeout() if _is_default(req.timeout) else req.timeout

        def send(headers: Mapping[str, str], *, patient: bool) -> Answer:
            seconds = timeout if patient else timeout or ATTEMPT_TIMEOUT
            return self._ask(asked, _copy(req, headers), seconds)

        answer = self._cache.answer(asked, send)
        if answer and isinstance(answer.native, urllib.error.HTTPError):
            raise UpstreamFailed(str(answer.native), answer.native)
        return answer

    def _asked(self, req: urllib.request.Request) -> Request:
        url = req.full_url
        proxy = urllib.request.getproxies().get(req.type, "") if not urllib.request.proxy_bypass(req.host) else ""
        headers = dict(req.header_items())
        return request_of(req.get_method(), url, headers, trust=self._trust(url), proxy=proxy)

    def _trust(self, url: str) -> str:
        if not url.lower().startswith("https:"):
            return "http"
        handlers: list[Any] = vars(self.parent)["handlers"]
        contexts = (getattr(handler, "_context", None) for handler in handlers)
        unverified = any(context and context.verify_mode == ssl.CERT_NONE for context in contexts)
        return "unverified" if unverified else "tls"

    def _ask(self, asked: Request, req: urllib.request.Request, timeout: float | None) -> Answer:
        with _asking():
            try:
                native = self.parent.open(req, timeout=timeout)
            except urllib.error.HTTPError as error:  # An answer all the same.
                native = cast("Any", error)
            except Exception as error:
                raise UpstreamFailed(cause(error), error) from error
            private = _thread.saw_credentials
            try:
                return _read(asked, native, private=private)
            except Exception as error:
                raise UpstreamFailed(cause(error), error) from error


class CredentialsWitness(urllib.request.BaseHandler):
    """Sees each request as it leaves, redirected ones too, after every handler that may add an Authorization."""

    handler_order = 10_000

    def http_request(self, req: urllib.request.Request) -> urllib.request.Request:
        """Remember whether there was one."""
        if any(name.lower() in ("authorization", "cookie") for name, _ in req.header_items()):
            _thread.saw_credentials = True
        return req

    https_request = http_request


def install(cache: Cache) -> None:
    """Put the handlers into the global opener, and into every one that is installed later."""
    add = _adder(cache)
    original = urllib.request.install_opener

    def install_opener(opener: urllib.request.OpenerDirector | None) -> None:
        original(add(opener) if opener is not None else opener)

    urllib.request.install_opener = install_opener
    current = getattr(urllib.request, "_opener", None)
    install_opener(current or urllib.request.build_opener())


def _adder(cache: Cache) -> Callable[[urllib.request.OpenerDirector], urllib.request.OpenerDirector]:
    def add(opener: urllib.request.OpenerDirector) -> urllib.request.OpenerDirector:
        if not any(isinstance(handler, CacheHandler) for handler in opener.handlers):  # type: ignore[attr-defined]
            opener.add_handler(CacheHandler(cache))
            opener.add_handler(CredentialsWitness())
        return opener

    return add


@contextmanager
def _asking() -> Iterator[None]:
    """Keep our handler out of what this thread asks. A redirect makes a new request, so a mark on one would be lost."""
    _thread.asking, _thread.saw_credentials = True, False
    try:
        yield
    finally:
        _thread.asking = False


def _copy(req: urllib.request.Request, headers: Mapping[str, str]) -> urllib.request.Request:
    """Return a request for another thread to work with, as the handlers change theirs."""
    copied = urllib.request.Request(  # noqa: S310 - only http and https come here
        req.full_url, None, {**req.headers, **headers}, req.origin_req_host, req.unverifiable, req.get_method()
    )
    copied.unredirected_hdrs = dict(req.unredirected_hdrs)
    return copied


def _read(asked: Request, native: Any, *, private: bool) -> Answer:
    headers = {name.lower(): value for name, value in native.headers.items()}
    reason = native.msg if isinstance(native.msg, str) else native.reason
    answer = Answer(native.status, str(reason), native.url, headers, native, private=private, native=native)
    if "content-encoding" in headers:  # urllib's clients decode it themselves, if they do.
        return answer

    def read() -> tuple[bytes, int]:
        page = native.read()
        return page, len(page)

    return with_page(asked, answer, read)


def _response(answer: Answer) -> Any:
    message = Message()
    for name, value in answer.headers.items():
        if name not in _HOP_BY_HOP:
            message[name] = value
    response: Any = addinfourl(cast("IO[bytes]", answer.body), message, answer.url, answer.status)
    response.msg = answer.reason  # HTTPErrorProcessor reads it.
    return response


def _is_default(timeout: object) -> bool:
    return not isinstance(timeout, (int, float, type(None)))
