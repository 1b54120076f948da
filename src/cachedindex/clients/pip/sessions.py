"""Puts the adapter into pip: `PipSession.get_adapter` is what every look-up of pip 20.3 to 26.3 goes through."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from cachedindex import sources
from cachedindex.clients.requests.adapter import IndexAdapter
from cachedindex.lookup.cache import Cache
from cachedindex.process import Process, assemble
from cachedindex.run import environment
from cachedindex.run.folder import Run
from cachedindex.run.report import finish
from cachedindex.sources import RUN_VARIABLE

_HEEDS_MAX_AGE_SINCE = (26, 2)
"""Older pips send `Cache-Control: max-age=0` with every page; since then only --refresh-package does (pip#13955)."""


_active: list[Cache] = []


def attach(session_module: ModuleType) -> None:
    """Make the sessions of pip's `_internal/network/session.py` answer through the cache."""
    process = _process()
    if process.cache is None:
        return
    session = getattr(session_module, "PipSession", None)
    if session is None or not callable(getattr(session, "get_adapter", None)):
        process.report.complain("this pip keeps its sessions elsewhere; it works on without the cache")
        return
    session.get_adapter = _through(process.cache, session.get_adapter)
    _active.append(process.cache)


def _process() -> Process:
    """Take part in the run above; a pip on its own, where the hook is installed, is a run with those that it starts."""
    environment.rejoin()
    loaded = sources.load()
    if loaded.settings.disable or Run.handed_down():
        return assemble(loaded)
    own = Run.begin()
    os.environ[RUN_VARIABLE] = str(own.folder)
    process = assemble(loaded, run=own)
    atexit.register(finish, own, process.store)
    return process


def attached() -> Cache | None:
    """Return the cache that pip's sessions answer through; None where they do not."""
    return _active[-1] if _active else None


def _through(cache: Cache, ready: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    heeds_max_age = _version() >= _HEEDS_MAX_AGE_SINCE

    def get_adapter(session: Any, url: str) -> Any:
        """Return pip's own adapter for the URL, wrapped once."""
        inner = ready(session, url)
        if not url.lower().startswith(("http://", "https://")):
            return inner
        wrapped: dict[int, IndexAdapter] = session.__dict__.setdefault("_cachedindex_adapters", {})
        if id(inner) not in wrapped:
            try:
                pick = partial(ready, session)
                trust_env = getattr(session, "trust_env", True)
                wrapped[id(inner)] = IndexAdapter(
                    inner, cache, pick, heeds_max_age=heeds_max_age, trust_env=trust_env, fatal=_fatal
                )
            except Exception as error:  # noqa: BLE001 - an adapter that is built in another way than those we know
                cache.report.broken(error)
                return inner
        return wrapped[id(inner)]

    return get_adapter


def _fatal(text: str) -> Exception:
    """Return what pip shows as an error; what requests raises it takes for a page without links (pip 26.3)."""
    from pip._internal.exceptions import InstallationError  # noqa: PLC0415 - only in a pip

    error: Exception = InstallationError(text)
    return error


def _version() -> tuple[int, ...]:
    text = str(getattr(sys.modules.get("pip"), "__version__", "0"))
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
