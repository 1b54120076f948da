"""A response of httpx as an answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from cachedindex.clients.bodies import Pieces, Whole, unzipped, with_page
from cachedindex.model import Answer, Disclosure, Native, Request

if TYPE_CHECKING:
    import httpx

_FROM_CACHE = ("from_cache", "hishel_from_cache")
"""What hishel notes in an answer of its own (hishel 0.0, and 1 to 2)."""


def answer(asked: Request, response: httpx.Response, disclosure: Disclosure) -> Answer:
    """Return the answer that a response is to a request; a page is read whole, anything else as it comes."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    begun = Answer(
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

    return with_page(asked, begun, response.iter_raw() if is_zipped else response.iter_bytes(), whole)


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
