"""poetry: `Authenticator.create_session` makes every session of poetry 1.2 to 2.5 that looks anything up."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from cachedindex.clients import covered

if TYPE_CHECKING:
    from cachedindex.lookup.cache import Cache

_CLIENT = "poetry"


def attach(authenticator_module: ModuleType) -> None:
    """Make the sessions of poetry's `utils/authenticator.py` answer through the cache.

    poetry looks credentials up before it asks, in its configuration and in the keyring, so that a request has them.
    """
    process = covered.joined(_CLIENT)
    if process.root is None:
        return
    authenticator = getattr(authenticator_module, "Authenticator", None)
    if not callable(getattr(authenticator, "create_session", None)):
        covered.step_aside(process, _CLIENT)
        return
    own = covered.at_first(process, _answering)
    ready = authenticator.create_session  # type: ignore[union-attr]

    @functools.wraps(ready)
    def create_session(authenticator: Any) -> Any:
        session = ready(authenticator)
        get_adapter = own()
        if get_adapter:
            session.get_adapter = MethodType(get_adapter, session)
        return session

    authenticator.create_session = create_session  # type: ignore[union-attr]


def _answering(cache: Cache) -> Callable[[Any, str], Any]:
    from cachedindex.clients.requests import sessions  # noqa: PLC0415 - only for a command that looks something up

    def ready(session: Any, url: str) -> Any:
        return type(session).get_adapter(session, url)

    return sessions.answering(cache, ready, lambda _session: {"fatal": _fatal})


def _fatal(text: str) -> Exception:
    """Return an exception that ends poetry; it treats those of requests as an index that lacks the project."""
    exceptions: Any = sys.modules["poetry.exceptions"]
    kind = getattr(exceptions, "PoetryError", None) or exceptions.PoetryException  # Before poetry 2.
    error: Exception = kind(text)
    return error
