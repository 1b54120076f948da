"""Whether an index of a uv is down: by what this host knows of it, or by one request."""

from __future__ import annotations

import signal
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus

from cachedindex.clients.common import cause, failure, request_of
from cachedindex.clients.urllib.opener import answer_from, proxy_of
from cachedindex.errors import DeadlinePassed, NotAsked, Shortage, UpstreamFailed
from cachedindex.lookup.context import Exchange
from cachedindex.lookup.deadline import call_with_deadline
from cachedindex.lookup.upstream import Upstream
from cachedindex.model import Answer, Request
from cachedindex.named import NamedTuple
from cachedindex.options import Settings

_PYTHONS_OWN = (
    "its certificate could not be verified", "the TLS handshake failed", "its address is not valid",
    "it could not be asked",
)  # fmt: skip
"""Failures that uv may not have: it has certificates of its own, and encodes a path that is not in ASCII."""
_ASKED_FOR = "pip"
"""A project that most indexes have, with a small page; a 404 is an answer, too."""
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"


class Down(NamedTuple):
    """Why an index counts as down."""

    why: str
    pretends: bool = False
    """Whether it answers with a status of 200, as a login page does: uv stores that in place of what it had."""


def why_down(upstream: Upstream, index: str, settings: Settings) -> Down | None:
    """Return why an index counts as down, after one request at most; None if it does not."""
    if settings.offline:
        return Down("offline = true")
    trust = "tls" if index.startswith("https:") else "http"
    asked = urllib.request.Request(f"{index}{_ASKED_FOR}/", headers={"Accept": _ACCEPT})  # noqa: S310 - of http(s) only
    request = request_of("GET", asked.full_url, asked.headers, trust=trust, proxy=proxy_of(asked))
    origin = upstream.origin(request)
    try:
        origin.admit()
    except NotAsked as reason:
        return Down(str(reason))

    def send(headers: Mapping[str, str], *, patient: bool) -> Answer:
        del headers, patient
        return _send(request, asked, settings.timeout)

    def ask() -> Exchange:
        # `run` waits for signals, which go to any thread that does not block them.
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        return upstream.ask(origin, None, {}, send, patient=False)

    try:
        exchange = call_with_deadline(
            ask,
            settings.timeout,
            lambda: settings.timeout,
            lambda _: None,
        )
    except DeadlinePassed as passed:
        origin.failed(UpstreamFailed(str(passed), connected=passed.connected))
        return Down(str(passed))
    except UpstreamFailed as reason:
        origin.failed(reason)
        return Down(reason.cause)
    except (NotAsked, Shortage):
        return None
    return _by(exchange)


def _by(exchange: Exchange) -> Down | None:
    means = exchange.meaning
    if means.note in ("failed", "limited"):
        return Down(means.why)
    is_no_page = exchange.answer.status == HTTPStatus.OK and means.store == "nothing"
    return Down(means.why, pretends=True) if is_no_page else None


def _send(request: Request, asked: urllib.request.Request, timeout: float) -> Answer:
    try:
        native = urllib.request.build_opener().open(asked, timeout=timeout)
    except urllib.error.HTTPError as error:  # An answer all the same.
        native = error
    except Exception as error:
        if cause(error) in _PYTHONS_OWN:
            raise NotAsked(cause(error)) from error
        raise failure(error, request) from error
    try:
        return answer_from(request, native)
    except Exception as error:
        raise failure(error, request) from error
