"""pipenv: it looks everything up through a pip of its own, `pipenv.patched.pip` (pipenv 2022.8 to 2026.10)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Any

from cachedindex.clients import covered
from cachedindex.clients.pip import finder, keyring, sessions as of_pip
from cachedindex.clients.requests import sessions
from cachedindex.lookup.cache import Cache
from cachedindex.process import join

_CLIENT = "pipenv"
_PIP = "pipenv.patched.pip"


def attach(session_module: ModuleType) -> None:
    """Make the sessions of pipenv's pip answer through the cache. The pips that it starts are covered as any other."""
    process = covered.joined(_CLIENT)
    if process.cache is None:
        return
    session: Any = getattr(session_module, "PipSession", None)
    if not callable(getattr(session, "get_adapter", None)):
        covered.step_aside(process, _CLIENT)
        return
    session.get_adapter = sessions.answering(process.cache, session.get_adapter, partial(_options, cache=process.cache))


def attach_finder(finder_module: ModuleType) -> None:
    """Make the finder of pipenv's pip search again, after upstream was asked."""
    cache = join(_CLIENT).cache
    if cache:
        finder.search_again(finder_module, cache)


def _options(session: Any, cache: Cache) -> Mapping[str, Any]:
    return {
        "heeds_max_age": of_pip.heeds_max_age(_PIP),
        "fatal": _fatal,
        "keyring": partial(keyring.of, session, cache.report),
    }


def _fatal(text: str) -> Exception:
    error: Exception = sys.modules[f"{_PIP}._internal.exceptions"].InstallationError(text)
    return error
