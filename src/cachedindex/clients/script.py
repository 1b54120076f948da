"""What the edges of build scripts have in common: options as arguments, and lines that go through logging."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from cachedindex import sources
from cachedindex.process import Process, join

_logger = logging.getLogger("cachedindex")


def joined(name: str, options: Mapping[str, object]) -> Process:
    """Join once for each set of options: edges with the same ones share what pages promise, and one summary.

    `name` is the edge's. Raises SettingsError for a wrong option.
    """
    own = {name.replace("_", "-"): _text(value) for name, value in options.items() if value is not None}
    # A script may wait for an upload, or for an index to come back, by asking again and again.
    loaded = sources.load({"negative": "0", **own}, name)
    return join((name, *sorted(own.items())), loaded, say=_log)


def _log(line: str) -> None:
    _logger.warning("cachedindex: %s", line)  # Without a configured formatter, only this names the logger.


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple, set)) else str(value)
