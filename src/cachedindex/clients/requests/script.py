"""The adapter for build scripts on plain requests: it brings its own settings and says its line through logging."""

from __future__ import annotations

import atexit
import functools
import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cachedindex import sources
from cachedindex.clients.requests.adapter import IndexAdapter
from cachedindex.clients.requests.redirects import Redirects
from cachedindex.errors import CachedIndexError, UpstreamFailed
from cachedindex.lookup.cache import Cache
from cachedindex.process import Process, assemble
from cachedindex.rules import urls
from cachedindex.run.report import Report, summary

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter

    from cachedindex.clients.requests.redirects import Hop

_logger = logging.getLogger("cachedindex")
_processes: dict[tuple[tuple[str, str], ...], Process] = {}
"""By their options. Adapters with the same ones share what pages promise, and what was said."""


class CachedIndexAdapter(IndexAdapter):
    """`session.mount("https://index.example/", CachedIndexAdapter(index_ttl="10 min"))`."""

    def __init__(self, inner: HTTPAdapter | None = None, *, trust_env: bool = True, **options: object) -> None:
        """Take the adapter to wrap, by default a new HTTPAdapter, and options as the reference names them.

        `trust_env` is what the session has. Raises SettingsError for an option that is wrong.
        """
        self._options = {"trust_env": trust_env, **options}
        own = {name.replace("_", "-"): _text(value) for name, value in options.items() if value is not None}
        self._process = _process(own)
        self._redirects = Redirects()
        ready = inner or _plain()
        try:
            super().__init__(ready, self._process.cache, trust_env=trust_env)
        except CachedIndexError as error:
            self._process.report.broken(error)
            super().__init__(ready, None)

    def _answered(self, cache: Cache, request: PreparedRequest, options: Mapping[str, Any]) -> Response | None:
        hop = self._redirects.onward(request)
        return self._redirects.begun(self._hops(cache, request, options), request) if hop is None else hop

    def _hops(self, cache: Cache, request: PreparedRequest, options: Mapping[str, Any]) -> Sequence[Hop]:
        """Return all that a session would see on its way to the answer; nothing where it is to ask by itself."""
        try:
            response = super()._answered(cache, request, options)
        except UpstreamFailed as failure:
            return [*failure.hops, failure]
        if response is None:
            return []
        if not response.history and urls.public(response.url) != urls.public(request.url or ""):
            # A copy, of which only the end is kept.
            redirect = self._library.redirect(self._inner, request, response.url)
            response.request = self._chain(self._pick).onward(redirect, request)
            return [redirect, response]
        return [*response.history, response]

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as the wrapped adapter does: a copy shares what its process has, not what this one had."""
        return _again, (self._inner, self._options)

    def close(self) -> None:
        """Close as the wrapped adapter does, and say what was served stale."""
        self._redirects.close()
        super().close()
        _say_summary(self._process)


def _again(inner: HTTPAdapter, options: Mapping[str, Any]) -> CachedIndexAdapter:
    return CachedIndexAdapter(inner, **options)


def _process(own: Mapping[str, str]) -> Process:
    key = tuple(sorted(own.items()))
    if key not in _processes:
        # A script may wait for an upload, or for an index to come back, by asking again and again.
        _processes[key] = _assembled(sources.load({"negative": "0", **own}, "CachedIndexAdapter"))
        atexit.register(_say_summary, _processes[key])
        if hasattr(os, "register_at_fork"):  # A fork has its parent's outcomes, and its atexit functions.
            os.register_at_fork(after_in_child=functools.partial(_forget, _processes[key].report))
    return _processes[key]


def _assembled(loaded: sources.Loaded) -> Process:
    try:
        return assemble(loaded, _say)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
        report = Report(_say)
        report.broken(error)
        return Process(None, report, None)


def _say(line: str) -> None:
    _logger.warning("cachedindex: %s", line)  # Where logging is not set up, nothing else tells who says it.


def _say_summary(process: Process) -> None:
    """Say what was served stale since the last time; in a run whoever began it says it for all its processes."""
    report = process.report
    # Of what failed the script has been told by an exception of its own.
    told = [outcome for outcome in report.outcomes if outcome.ended != "failed"]
    line = None if process.run else summary(told, report.damaged)
    _forget(report)
    if line:
        _say(line)


def _forget(report: Report) -> None:
    report.outcomes.clear()
    report.damaged.clear()


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple, set)) else str(value)


def _plain() -> HTTPAdapter:
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - who brings an adapter may use another copy of requests

    return HTTPAdapter()
