"""A request as buildout's index reader will make it, before it does so."""

from __future__ import annotations

import ssl
import urllib.request
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import unquote

from cachedindex.rules import urls

_PLAIN = {
    urllib.request.ProxyHandler, urllib.request.UnknownHandler, urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler, urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPRedirectHandler,
    urllib.request.HTTPErrorProcessor, urllib.request.FTPHandler, urllib.request.FileHandler,
    urllib.request.DataHandler,
}  # fmt: skip


def are_plain(handlers: Iterable[object]) -> bool:
    """Return whether requests may be sent by several threads at once, and nobody is asked who the user is.

    So it is if the handlers are those that urllib has by itself, and TLS is the standard library's own.
    """
    return {type(each) for each in handlers} <= _PLAIN and ssl.SSLContext.__module__ == ssl.__name__


def addressed(request: urllib.request.Request, url: str) -> urllib.request.Request:
    """Return the request for another URL, as the same reader makes it (setuptools 80.2, package_index.py).

    Whoever is named in the URL asks, and nobody else.
    """
    userinfo = urls.split(url).userinfo
    headers = {name: value for name, value in request.headers.items() if name != "Authorization"}
    if userinfo:
        url = url.replace(f"{userinfo}@", "", 1)
        headers["Authorization"] = f"Basic {b64encode(unquote(userinfo).encode()).decode()}"
    other = urllib.request.Request(url, None, headers)  # noqa: S310 - of the same kind as the first one
    if "Host" in request.unredirected_hdrs:
        other.add_unredirected_header("Host", other.host)
    return other
