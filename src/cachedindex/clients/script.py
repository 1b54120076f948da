"""The adapter for build scripts on plain requests: it brings its own settings and says its line through logging."""

from __future__ import annotations

import atexit
import logging
from typing import TYPE_CHECKING

from cachedindex import config
from cachedindex.assembly import assemble
from cachedindex.clients.adapter import IndexAdapter
from cachedindex.report import Report, summary

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter

_logger = logging.getLogger("cachedindex")


class CachedIndexAdapter(IndexAdapter):
    """`session.mount("https://index.example/", CachedIndexAdapter(index_ttl="10 min"))`."""

    def __init__(self, inner: HTTPAdapter | None = None, **options: object) -> None:
        """Take the adapter to wrap, by default a new HTTPAdapter, and options as the reference names them.

        Raises SettingsError for an option that is wrong.
        """
        own = {name.replace("_", "-"): str(value) for name, value in options.items()}
        process = assemble(config.load(own, "CachedIndexAdapter"), _logger.warning)
        super().__init__(inner or _plain(), process.cache)
        if process.run is None:
            atexit.register(_close, process.report)


def _plain() -> HTTPAdapter:
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - who brings an adapter may use another copy of requests

    return HTTPAdapter()


def _close(report: Report) -> None:
    line = summary(report.outcomes)
    if line:
        _logger.warning(line)
