"""Sets uv offline, so that it uses its own cache, if none of its indexes answers.

uv is not intercepted: it writes the address that it asks into `uv.lock` (uv 0.13). `UV_OFFLINE` holds for all indexes
at once, and for downloads from any other host. So uv is left alone if one index answers, or cannot be asked the way
that uv would ask it; and if its cache does not suffice, it is run again without the variable.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from cachedindex.clients.common import cause, failure, request_of
from cachedindex.clients.urllib.opener import answer_from, proxy_of
from cachedindex.clients.uv import indexes
from cachedindex.errors import DeadlinePassed, NotAsked, Shortage, UpstreamFailed
from cachedindex.lookup.deadline import call_with_deadline
from cachedindex.lookup.upstream import Upstream
from cachedindex.model import Answer, Request
from cachedindex.options import Settings
from cachedindex.process import Process

_RESOLVING = {"add", "build", "export", "lock", "pip", "remove", "run", "sync", "tool", "tree"}
"""The commands that look things up in an index; the others, such as `publish`, need the network."""
_ONCE = {"run", "tool", "-"}
"""A program may have run before uv ended, and standard input is read once."""
_FAILED = (1, 2)
"""uv 0.13 ends with 1 if it finds no solution, with 2 for other errors."""
_PYTHONS_OWN = ("its certificate could not be verified", "the TLS handshake failed")
"""Failures that uv may not have, as it has certificates of its own."""
_ASKED_FOR = "pip"
"""A project that most indexes have, with a small page; a 404 is an answer, too."""
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"


def offline_variables(process: Process, command: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set for a uv: `UV_OFFLINE` if none of its indexes answers, of which it warns."""
    if process.upstream is None or not _resolves(command) or _has_choice(command, environ):
        return {}
    reasons = []
    for index in indexes.of(command, environ) or ():
        why = _why_down(process.upstream, index, process.settings.for_url(index))
        if why is None:
            return {}
        reasons.append(f"{index}: {why}")
    if not reasons or not _has_cache(command, environ):
        return {}
    process.report.warn(f"{'; '.join(reasons)}; uv uses its own cache (UV_OFFLINE=1)")
    return {"UV_OFFLINE": "1"}


def may_run_again(command: Sequence[str], code: int) -> bool:
    """Return whether a uv that ended with this code can be run again, as it did nothing that must be done once."""
    repeatable = _resolves(command) and Path(command[0]).name != "uvx" and not _ONCE.intersection(command[1:])
    return code in _FAILED and repeatable


def _has_cache(command: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether uv has stored a page of any index; if not, offline is no help."""
    named = [value for option, value in pairwise(command) if option == "--cache-dir"]
    folder = named[-1] if named else indexes.output(command[0], "cache", "dir", environ=environ).strip()
    return any(Path(folder).glob("simple-v*/*/*"))


def _resolves(command: Sequence[str]) -> bool:
    return Path(command[0]).name == "uvx" or any(word in _RESOLVING for word in command[1:])


def _has_choice(command: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether the user has chosen; uv 0.13 refuses `UV_OFFLINE` together with `--refresh`."""
    return "UV_OFFLINE" in environ or any(
        word.startswith(("--offline", "--no-offline", "--refresh")) for word in command[1:]
    )


def _why_down(upstream: Upstream, index: str, settings: Settings) -> str | None:
    """Return why an index counts as down, after one request at most; None if it does not."""
    if settings.offline:
        return "offline = true"
    trust = "tls" if index.startswith("https:") else "http"
    asked = urllib.request.Request(f"{index}{_ASKED_FOR}/", headers={"Accept": _ACCEPT})  # noqa: S310 - of http(s) only
    request = request_of("GET", asked.full_url, asked.headers, trust=trust, proxy=proxy_of(asked))
    origin = upstream.origin(request)
    try:
        origin.admit()
    except NotAsked as reason:
        return str(reason)

    def send(headers: Mapping[str, str], *, patient: bool) -> Answer:
        del headers, patient
        return _send(request, asked, settings.timeout)

    try:
        exchange = call_with_deadline(
            lambda: upstream.ask(origin, None, {}, send, patient=False),
            settings.timeout,
            lambda: settings.timeout,
            lambda _: None,
        )
    except DeadlinePassed as passed:
        origin.failed(UpstreamFailed(str(passed), connected=passed.connected))
        return str(passed)
    except UpstreamFailed as reason:
        origin.failed(reason)
        return reason.cause
    except (NotAsked, Shortage):
        return None
    return exchange.meaning.why if exchange.meaning.note in ("failed", "limited") else None


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
