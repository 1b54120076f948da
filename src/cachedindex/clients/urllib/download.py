"""Downloads one URL through a cache, with urllib, as curl would: redirects, and credentials for their own host only."""

from __future__ import annotations

import base64
import netrc
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from cachedindex import __version__
from cachedindex.clients.urllib.opener import CacheHandler, PrivacyWitness
from cachedindex.clients.urllib.program import insisting
from cachedindex.errors import IndexMissing
from cachedindex.lookup.cache import Cache
from cachedindex.model import Answer, Otherwise, Request, Send
from cachedindex.rules import urls
from cachedindex.rules.decide import Pass
from cachedindex.run.report import Report

if TYPE_CHECKING:
    from cachedindex.lookup.ahead import Ahead

_TIMEOUT = 60.0
"""Seconds without any progress; what has a copy waits for the option `timeout` only."""
_CHUNK = 1 << 16
_AUTHORIZATION = "Authorization"


class CutShort(OSError):
    """A body had less bytes than were announced."""


def pieces(url: str, cache: Cache | None, sha256: str = "", userinfo: str = "") -> Iterator[bytes]:
    """Yield the body of a URL; with a digest, the file that has it. `userinfo` is for a URL that has none.

    Raises what urllib and http.client raise, CutShort, or IndexMissing.
    """
    handlers = [] if cache is None else [CacheHandler(_Now(cache), IndexMissing), PrivacyWitness()]
    opener = urllib.request.build_opener(_Redirects(), *handlers)
    parts = urls.split(url)
    fragment = f"#sha256={sha256 or parts.sha256}" if sha256 or parts.sha256 else ""
    request = urllib.request.Request(parts.bare + fragment, headers={"User-Agent": f"cachedindex/{__version__}"})  # noqa: S310 - of http(s) only
    if parts.userinfo or userinfo:
        request.add_unredirected_header(_AUTHORIZATION, _basic(parts.userinfo or userinfo))
    with opener.open(request, timeout=_TIMEOUT) as response:
        came = 0
        while piece := response.read(_CHUNK):
            came += len(piece)
            yield piece
        if came < int(response.headers.get("Content-Length") or 0):  # http.client does not say so.
            raise CutShort("its answer broke off")


def of_netrc(url: str) -> str:
    """Return user and password for a URL's host from ~/.netrc, as in a URL; empty if there are none.

    OSError and netrc.NetrcParseError if the file cannot be read.
    """
    found = netrc.netrc().authenticators(urlsplit(url).hostname or "")
    return f"{found[0]}:{found[2]}" if found else ""


class _Now:
    """The cache, for one who wants what is there now."""

    ahead: Ahead | None = None

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    @property
    def report(self) -> Report:
        return self._cache.report

    def answer(
        self, request: Request, send: Send, keyring: None = None, otherwise: Otherwise | None = None
    ) -> Answer | Pass:
        return self._cache.answer(insisting(request), send, keyring, otherwise)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Keeps the credential on its own host, where urllib would drop it."""

    def redirect_request(self, req: urllib.request.Request, *given: Any) -> urllib.request.Request | None:
        following = super().redirect_request(req, *given)
        credential = req.get_header(_AUTHORIZATION)
        if following and credential and urls.origin(following.full_url) == urls.origin(req.full_url):
            following.add_unredirected_header(_AUTHORIZATION, credential)
        return following


def _basic(userinfo: str) -> str:
    user, _, password = userinfo.partition(":")
    return f"Basic {base64.b64encode(f'{unquote(user)}:{unquote(password)}'.encode()).decode()}"
