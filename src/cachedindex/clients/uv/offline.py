"""uv has a cache of its own, and can be told to live on it: so it is, where none of its indexes answers.

It is not intercepted: uv writes the address that it asks into `uv.lock` (uv 0.13). `UV_OFFLINE` holds for all indexes
at once, and for what is no index. So one index that answers, or one that cannot be asked the way that uv would ask it,
leaves uv alone; and where its cache does not suffice, it is run again without.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from cachedindex.clients.common import cause, request_of
from cachedindex.clients.urllib.opener import answer_from, proxy_of
from cachedindex.clients.uv import indexes
from cachedindex.errors import NotAsked, UpstreamFailed
from cachedindex.lookup.deadline import attempt
from cachedindex.lookup.upstream import Upstream
from cachedindex.model import Answer, Request
from cachedindex.options import Settings
from cachedindex.process import Process
from cachedindex.rules import breaker

_RESOLVING = {"add", "build", "export", "lock", "pip", "remove", "run", "sync", "tool", "tree"}
"""The commands that look things up in an index; the others, such as `publish`, are not to be kept off the network."""
_ONCE = {"run", "tool", "-"}
"""A program may have run before uv ended, and standard input is read once."""
_FAILED = (1, 2)
"""uv 0.13 ends with 1 where it finds no solution, with 2 for other errors."""
_OURS_TO_JUDGE = ("its certificate could not be verified", "the TLS handshake failed")
"""Failures that may be Python's alone: uv has certificates of its own."""
_ASKED_FOR = "pip"
"""A project that most indexes have, with a small page; that one does not have it is an answer, too."""
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"


def environment(
    command: Sequence[str], process: Process, settings: Settings, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables to set for a command that is uv: `UV_OFFLINE`, where no index of it answers; it is said."""
    if process.upstream is None or not _resolves(command) or _insists(command, environ):
        return {}
    asked = indexes.of(command, environ)
    reasons = []
    for index in asked or ():
        why = _why_down(process.upstream, index, settings.for_url(index))
        if why is None:
            return {}
        reasons.append(f"{index}: {why}")
    if not reasons or not _has_cache(command, environ):
        return {}
    process.report.complain(f"{'; '.join(reasons)}; uv is to live on its own cache (UV_OFFLINE=1)")
    return {"UV_OFFLINE": "1"}


def may_run_again(command: Sequence[str], code: int) -> bool:
    """Return whether a uv that ended with this code has done nothing that must not be done twice."""
    repeatable = _resolves(command) and Path(command[0]).name != "uvx" and not _ONCE.intersection(command[1:])
    return code in _FAILED and repeatable


def _has_cache(command: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether uv has stored anything of an index; a slow one is better than none where it has not."""
    named = [value for option, value in pairwise(command) if option == "--cache-dir"]
    folder = named[-1] if named else indexes.said(command[0], "cache", "dir", environ=environ).strip()
    return any(Path(folder).glob("simple-v*/*/*"))


def _resolves(command: Sequence[str]) -> bool:
    return Path(command[0]).name == "uvx" or any(word in _RESOLVING for word in command[1:])


def _insists(command: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether somebody has said what is to be asked; uv 0.13 refuses `UV_OFFLINE` together with `--refresh`."""
    return "UV_OFFLINE" in environ or any(
        word.startswith(("--offline", "--no-offline", "--refresh")) for word in command[1:]
    )


def _why_down(upstream: Upstream, index: str, settings: Settings) -> str | None:
    """Return why an index is taken for down, after one question at most; None where it is not."""
    if settings.offline:
        return "offline = true"
    trust = "tls" if index.startswith("https:") else "http"
    asked = urllib.request.Request(f"{index}{_ASKED_FOR}/", headers={"Accept": _ACCEPT})  # noqa: S310 - of http(s) only
    request = request_of("GET", asked.full_url, asked.headers, trust=trust, proxy=proxy_of(asked))
    if upstream.admit(request) == "hold":
        return breaker.why(upstream.health(request), request.remembered_as)
    try:
        exchange = attempt(
            lambda: upstream.ask(request, None, lambda: _send(request, asked, settings.timeout)),
            lambda: settings.timeout,
            lambda _: None,
        )
    except UpstreamFailed as error:
        upstream.failed(request, error.cause)
        return error.cause
    except NotAsked:
        return None
    return exchange.judgement.why if exchange.judgement.fault else None


def _send(request: Request, asked: urllib.request.Request, timeout: float) -> Answer:
    try:
        native = urllib.request.build_opener().open(asked, timeout=timeout)
    except urllib.error.HTTPError as error:  # An answer all the same.
        native = error
    except Exception as error:
        if cause(error) in _OURS_TO_JUDGE:
            raise NotAsked(cause(error)) from error
        raise UpstreamFailed(cause(error), error) from error
    try:
        return answer_from(request, native)
    except Exception as error:
        raise UpstreamFailed(cause(error), error) from error
