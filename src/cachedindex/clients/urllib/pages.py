"""Asks for pages of an index by itself, if no client is there to ask for them: with urllib, without credentials."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Mapping

from cachedindex import __version__
from cachedindex.clients.common import cause
from cachedindex.clients.urllib.opener import Answering, CacheHandler, PrivacyWitness
from cachedindex.errors import IndexMissing
from cachedindex.named import NamedTuple
from cachedindex.rules import pages

_TIMEOUT = 15.0
"""Seconds without any progress, pip's own."""
_LARGEST = 128 << 20
_ACCEPTED = {"json": "application/vnd.pypi.simple.v1+json, text/html;q=0.1", "html": "text/html"}


class Said(NamedTuple):
    """What an index says of a page now."""

    page: pages.Page | None
    """None if it has no sound page."""
    why: str = ""
    """Why not."""


def headers(form: str) -> Mapping[str, str]:
    """Return the headers of a request for a page that prefers one form, as that of pip or of buildout does."""
    return {"Accept": _ACCEPTED[form], "User-Agent": f"cachedindex/{__version__}"}


def through(cache: Answering) -> Callable[[str, str], None]:
    """Return a function that looks a page up through a cache, given its URL and form; an error is an outcome, too."""
    opener = urllib.request.build_opener(CacheHandler(cache, IndexMissing), PrivacyWitness())

    def look_up(url: str, form: str) -> None:
        try:
            with opener.open(_request(url, form), timeout=_TIMEOUT) as response:
                response.read(_LARGEST)
        except (OSError, IndexMissing, ValueError):  # The cache has reported it.
            pass

    return look_up


def said(url: str, form: str = "json") -> Said:
    """Return what an index says of a project now; nothing is stored, and no copy counts."""
    try:
        with urllib.request.build_opener().open(_request(url, form), timeout=_TIMEOUT) as response:
            body, media, final = response.read(_LARGEST), response.headers.get("Content-Type", ""), response.url
        return Said(pages.read(url, media, body, final))
    except urllib.error.HTTPError as error:
        return Said(None, f"it answered {error.code} {error.reason}")
    except pages.NoIndexPage as error:
        return Said(None, f"it answered with {error}")
    except Exception as error:  # noqa: BLE001 - whatever urllib raises for a network that fails
        return Said(None, cause(error))


def _request(url: str, form: str) -> urllib.request.Request:
    return urllib.request.Request(url, headers=dict(headers(form)))  # noqa: S310 - of http(s) only
