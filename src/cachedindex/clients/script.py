"""The adapter for build scripts on plain requests: it brings its own settings and says its line through logging."""

from __future__ import annotations

import atexit
import logging
from typing import TYPE_CHECKING

from cachedindex import config
from cachedindex.assembly import assemble
from cachedindex.clients.adapter import IndexAdapter
from cachedindex.errors import CachedIndexError
from cachedindex.report import summary

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter

_logger = logging.getLogger("cachedindex")


class CachedIndexAdapter(IndexAdapter):
    """`session.mount("https://index.example/", CachedIndexAdapter(index_ttl="10 min"))`."""

    def __init__(self, inner: HTTPAdapter | None = None, *, trust_env: bool = True, **options: object) -> None:
        """Take the adapter to wrap, by default a new HTTPAdapter, and options as the reference names them.

        `trust_env` is what the session has. Raises SettingsError for an option that is wrong.
        """
        own = {name.replace("_", "-"): _text(value) for name, value in options.items() if value is not None}
        process = assemble(config.load(own, "CachedIndexAdapter"), _logger.warning)
        ready = inner or _plain()
        try:
            super().__init__(ready, process.cache, trust_env=trust_env)
        except CachedIndexError as error:
            process.report.broken(error)
            super().__init__(ready, None)
        self._report = None if process.run else process.report
        """None in a run: whoever began it says it for all its processes."""
        atexit.register(self._say_summary)

    def close(self) -> None:
        """Close as the wrapped adapter does, and say what was served stale."""
        super().close()
        atexit.unregister(self._say_summary)
        self._say_summary()

    def _say_summary(self) -> None:
        line = summary(self._report.outcomes) if self._report else None
        self._report = None
        if line:
            _logger.warning(line)


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple, set)) else str(value)


def _plain() -> HTTPAdapter:
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - who brings an adapter may use another copy of requests

    return HTTPAdapter()
