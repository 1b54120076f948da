"""pipenv: it looks everything up through a pip of its own, `pipenv.patched.pip` (pipenv 2022.8 to 2026.10)."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cachedindex.clients import covered
from cachedindex.process import join

if TYPE_CHECKING:
    from cachedindex.lookup.cache import Cache

_CLIENT = "pipenv"
_PIP = "pipenv.patched.pip"


def attach(session_module: ModuleType) -> None:
    """Make the sessions of pipenv's pip answer through the cache. The pips that it starts are covered as any other."""
    process = covered.joined(_CLIENT)
    if process.root is None:
        return
    session: Any = getattr(session_module, "PipSession", None)
    if not callable(getattr(session, "get_adapter", None)):
        covered.step_aside(process, _CLIENT)
        return
    ready = session.get_adapter
    own = covered.at_first(process, partial(_answering, ready))

    def get_adapter(session: Any, url: str) -> Any:
        return (own() or ready)(session, url)

    session.get_adapter = get_adapter


def _answering(ready: Callable[[Any, str], Any], cache: Cache) -> Callable[[Any, str], Any]:
    from cachedindex.clients.requests import sessions  # noqa: PLC0415 - only for a command that looks something up

    return sessions.answering(cache, ready, partial(_options, cache=cache))


def attach_finder(finder_module: ModuleType) -> None:
    """Make the finder of pipenv's pip search again, after upstream was asked; from the first one on that is made.

    Every command imports it, `--version` as well (pipenv/environment.py).
    """
    search_again = covered.at_first(join(_CLIENT), partial(_searching_again, finder_module))
    finder: Any = getattr(finder_module, "PackageFinder", None)
    if finder is None:
        search_again()  # It says so.
        return
    ready = finder.__init__

    @functools.wraps(ready)
    def make(instance: Any, *arguments: Any, **named: Any) -> None:
        search_again()
        ready(instance, *arguments, **named)

    finder.__init__ = make


def _searching_again(finder_module: ModuleType, cache: Cache) -> None:
    from cachedindex.clients.pip import finder  # noqa: PLC0415 - as above

    finder.search_again(finder_module, cache)


def _options(session: Any, cache: Cache) -> Mapping[str, Any]:
    from cachedindex.clients.pip import keyring, sessions as of_pip  # noqa: PLC0415 - as above

    return {
        "heeds_max_age": of_pip.heeds_max_age(_PIP),
        "fatal": _fatal,
        "keyring": partial(keyring.of, session, cache.report),
    }


def _fatal(text: str) -> Exception:
    error: Exception = sys.modules[f"{_PIP}._internal.exceptions"].InstallationError(text)
    return error
