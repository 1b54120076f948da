"""Puts the adapter into pip: `PipSession.get_adapter` is what every look-up of pip 20.3 to 26.3 goes through."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Any

from cachedindex.clients import covered
from cachedindex.clients.pip import credentials, keyring, tracebacks
from cachedindex.clients.requests import sessions
from cachedindex.lookup.cache import Cache
from cachedindex.process import join

CLIENT = "pip"
latest: list[Any] = []
"""The session that asked last, if any did."""
_FORESEEN_SINCE = (23, 2)
"""Older pips ask for no metadata, or resolve in another way."""
_HEEDS_MAX_AGE_SINCE = (26, 2)
"""Older pips send `Cache-Control: max-age=0` with every page; since then only --refresh-package does (pip#13955)."""


def attach(session_module: ModuleType) -> None:
    """Make the sessions of pip's `_internal/network/session.py` answer through the cache."""
    process = covered.joined(CLIENT)
    if process.cache is None:
        return
    session = getattr(session_module, "PipSession", None)
    if session is None or not callable(getattr(session, "get_adapter", None)):
        process.report.warn("this pip keeps its sessions elsewhere; it continues without the cache")
        if process.run:
            process.run.add_uncovered(f"this pip ({'.'.join(map(str, version()))})")
        return
    session.get_adapter = sessions.answering(process.cache, session.get_adapter, partial(_options, cache=process.cache))
    tracebacks.shorten()


def _options(session: Any, cache: Cache) -> Mapping[str, Any]:
    latest[:] = [session]
    return {
        "heeds_max_age": heeds_max_age(),
        "fatal": _fatal,
        "keyring": partial(keyring.of, session, cache.report),
        "signed": partial(credentials.signed, session),
    }


def _fatal(text: str) -> Exception:
    """Return an exception that ends pip; it treats those of requests as a page without links (pip 26.3)."""
    from pip._internal.exceptions import InstallationError  # noqa: PLC0415 - only in a pip

    error: Exception = InstallationError(text)
    return error


def looks_ahead() -> bool:
    """Return whether look-ups may be begun before this pip makes them, so that a pip without any does not load them."""
    process = join(CLIENT)
    may = process.settings.ahead > 0 and not process.settings.offline and process.cache is not None
    return may and version() >= _FORESEEN_SINCE


def heeds_max_age(pip: str = CLIENT) -> bool:
    """Return whether a `max-age=0` of this pip, loaded by that name, is meant: older ones send it with every page."""
    return version(pip) >= _HEEDS_MAX_AGE_SINCE


def version(pip: str = CLIENT) -> tuple[int, ...]:
    """Return the numbers of the pip that is loaded by this name; (0,) if it does not say."""
    text = str(getattr(sys.modules.get(pip), "__version__", "0"))
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
