"""What every edge needs: a request made of a URL, and a failure in a few words."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

from cachedindex.errors import Shortage, UpstreamFailed
from cachedindex.lookup.deadline import CONNECTS
from cachedindex.model import Identity, Request, Route
from cachedindex.rules import privacy, urls

ATTEMPT_TIMEOUT = 60.0
"""Seconds for which an attempt waits for a late answer if the client has set no timeout."""

OUTDATED = "a file is gone or has changed since its page was stored; the page is read again"
"""What a person reads who has just seen the client's message about that file."""

_ALERTS = ("UNKNOWN_CA", "ACCESS_DENIED")
"""The alerts about a client's certificate whose names do not say so (RFC 8446, section 6.2)."""
_TUNNEL = r"Tunnel connection failed: (\d{3}[^()<>']*)"
_PROXYS = ("401", "403", "407")
"""What a proxy answers to a user whom it does not serve; tinyproxy sends 401."""
_LATE = "it did not answer in time"
_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "its name could not be looked up"),
    (ConnectionRefusedError, "it refused the connection"),
    (ConnectionResetError, "it reset the connection"),
    (ssl.SSLCertVerificationError, "its certificate could not be verified"),
    (ssl.SSLError, "the TLS handshake failed"),
    (TimeoutError, _LATE),
)
_NUMBERS = {
    errno.ENETUNREACH: "network is unreachable",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETDOWN: "network is down",
    errno.EHOSTDOWN: "host is down",
    errno.EADDRNOTAVAIL: "cannot assign requested address",
}
"""In the words of strerror(3), which Windows has only for what is no socket's."""
_SHORTAGES = ("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "ENOENT", "ENOSPC", "EDQUOT", "EROFS")
"""What a system call says if this machine lacks something: a descriptor, memory, space, a folder, a certificate."""
_NAMED_CAUSES = {
    "TooManyRedirects": "it redirects too often",
    "ContentDecodingError": "its answer could not be decoded",
    "DecodeError": "its answer could not be decoded",
    "DecodingError": "its answer could not be decoded",
    "ChunkedEncodingError": "its answer broke off",
    "IncompleteRead": "its answer broke off",
    "RemoteProtocolError": "its answer broke off",
    "BadStatusLine": "its answer is not HTTP",
    "InvalidHeader": "its answer is not HTTP",
    "LineTooLong": "its answer is not HTTP",
    "InvalidSchema": "it redirects to an address that cannot be asked",
    "UnsupportedProtocol": "it redirects to an address that cannot be asked",
    "InvalidURL": "its address is not valid",
    "LocationParseError": "its address is not valid",
    "SSLError": "the TLS handshake failed",
    "ProxyError": "its proxy failed",
}
"""What exceptions of requests, httpx, urllib3 and http.client mean, by their names: each client has its own copies."""


def request_of(
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    trust: str,
    proxy: str = "",
    aside: str = "",
    certificate: str = "",
    gains: bool = False,
) -> Request:
    """Return the request without the credentials and the fragment of its URL.

    `aside` is the reason if the edge knows that the cache must leave a request to the client; `certificate` identifies
    the client's certificate; `gains` is as in Identity. An Authorization that differs in each request stays a header:
    nothing is stored for it.
    """
    parts = urls.split(url)
    lower = {name.lower(): value for name, value in headers.items()}
    kind = urls.kind(parts.bare, lower.get("accept", ""), parts.sha256)
    authorization = lower.get("authorization", "")
    if authorization:
        authorization = lower.pop("authorization") if privacy.is_lasting(authorization) else ""
    credential = privacy.credential(parts.userinfo, authorization, certificate)
    identity = Identity(credential, gains=gains, certified=bool(certificate))
    url = urls.of_file(parts.bare, parts.sha256) if parts.sha256 else parts.bare
    return Request(method, url, kind, lower, parts.sha256, Route(trust, _host(proxy)), identity, aside)


_RETRIED = r"too many (\d{3}) error responses"
"""What urllib3 raises if its retries end with an answer that it retries (urllib3 1.26 to 2, ResponseError)."""

PROGRAMMING = (AttributeError, NameError, TypeError)
"""What no network raises: an edge of ours does not fit the client's own code, and upstream is not to blame."""


def failure(
    error: Exception, asked: Request, url: str = "", hops: Sequence[Any] = (), *, answered: bool = False
) -> UpstreamFailed | Shortage:
    """Return a client's exception as the failure of a public URL, to which `hops`, its own responses, may have led.

    `answered` says that the answer had begun.
    """
    if any(map(_is_shortage, list(_chain(error, set(), with_context=False)))):
        return Shortage(cause(error), error)
    chain = list(_chain(error, set()))
    certified, words = asked.identity.certified, cause(error)
    connected, refused = not any(map(_was_connecting, chain)), _refused(chain)
    if certified and any(isinstance(link, (ConnectionError, ssl.SSLEOFError)) for link in chain) and connected:
        refused = refused or "handshake"  # TLS 1.3 refuses a certificate after the handshake; the alert may get lost.
    # Before the connection stands, all that is not TLS is between the client and its proxy.
    is_tls = any(isinstance(link, ssl.SSLError) for link in chain)
    if not connected and not is_tls and asked.route.proxy and urls.origin(url or asked.url) == urls.origin(asked.url):
        words = re.sub("^it(s?) (?!proxy)", lambda found: f"its proxy{chr(39) + 's' if found[1] else ''} ", words)
    is_final = refused == "certificate"
    failed = UpstreamFailed(words, error, hops, url=url, connected=connected, personal=bool(refused), final=is_final)
    failed.broken = answered and words != _LATE
    failed.abrupt = connected and not answered and words != _LATE
    return failed


def searched_pages(project: str, find_links: Iterable[object]) -> list[str]:
    """Return the last segments of the pages in which a search looks: the project's in each index, and find-links."""
    links = [str(link) for link in find_links]
    return [project, *(urls.project(link) for link in links if link.startswith(("http://", "https://")))]


def cause(error: BaseException) -> str:
    """Return in a few words why upstream gave no answer, by the exceptions at the bottom of a client's own."""
    chain = list(_chain(error, set()))
    if _refused(chain) == "certificate":
        return "it refused the client's certificate, or that there is none"
    for kind, words in _CAUSES:
        if any(isinstance(link, kind) for link in chain):
            return words
    if answered := next(filter(None, map(_answered, chain)), None):
        return answered
    if any("timeout" in type(link).__name__.lower() or "timed out" in str(link) for link in chain):
        return _LATE
    numbers = [link.errno for link in chain if isinstance(link, OSError) and link.errno]
    if numbers:
        return _NUMBERS.get(numbers[0]) or os.strerror(numbers[0]).lower()
    return _by_name(chain)


def _by_name(chain: Sequence[BaseException]) -> str:
    names = (base.__name__ for link in chain for base in type(link).__mro__)
    # Not its text, which may contain a URL with a signature, or a proxy's password; nor its name, which says nothing.
    return next((_NAMED_CAUSES[name] for name in names if name in _NAMED_CAUSES), "it could not be asked")


def _chain(error: BaseException, seen: set[int], *, with_context: bool = True) -> Iterator[BaseException]:
    """Yield an exception and those that caused it, in whichever attribute its library keeps them.

    Its context may be what the client was just handling when it asked, such as a file that is missing.
    """
    if id(error) in seen:
        return
    seen.add(id(error))
    yield error
    inner = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__ if with_context else None]
    for link in inner:
        if isinstance(link, BaseException):
            yield from _chain(link, seen, with_context=with_context)


def _is_shortage(error: BaseException) -> bool:
    """Return whether an exception is for want of something on this machine; those of names and TLS count otherwise."""
    if not isinstance(error, OSError) or isinstance(error, (socket.gaierror, ssl.SSLError)):
        return isinstance(error, MemoryError)
    return errno.errorcode.get(error.errno or 0, "").removeprefix("WSA") in _SHORTAGES


def _was_connecting(error: BaseException) -> bool:
    """Return whether an exception came from making a connection: before that, no index of an origin could answer."""
    return any(frame.f_code.co_name in CONNECTS for frame, _ in traceback.walk_tb(error.__traceback__))


def _refused(chain: Iterable[BaseException]) -> Literal["", "tunnel", "handshake", "certificate"]:
    """Return what was refused of this client, if another one may be answered; empty if nothing was."""
    for link in chain:
        alert = str(getattr(link, "reason", "")).partition("_ALERT_")[2] if isinstance(link, ssl.SSLError) else ""
        if "CERTIFICATE" in alert or alert in _ALERTS:
            return "certificate"
        if alert == "HANDSHAKE_FAILURE":  # Up to TLS 1.2, what a missing certificate is answered with, among others.
            return "handshake"
        if (_tunnel(link) or "")[:3] in _PROXYS:
            return "tunnel"
    return ""


def _answered(link: BaseException) -> str | None:
    """Return what an exception says of an answer, of the proxy or of upstream; None if it says nothing."""
    if tunnel := _tunnel(link):
        return f"its proxy answered {tunnel}"
    retried = re.fullmatch(_RETRIED, str(link))
    return f"it answered {retried[1]} again and again" if retried else None


def _tunnel(link: BaseException) -> str | None:
    """Return what a proxy answered to CONNECT, if that was no success (http.client, _tunnel)."""
    found = re.search(_TUNNEL, str(link)) if isinstance(link, OSError) else None
    return found and found[1].strip()


def _host(proxy: str) -> str:
    """Return a proxy's host and port, without the credentials that its URL may hold."""
    return urlsplit(proxy if "//" in proxy else f"//{proxy}").netloc.rpartition("@")[2]
