"""Takes our files out of the tracebacks that pip prints for an index that fails, so that they are those of pip alone.

pip before 25.3, and every pip for a file that it downloads by `pip download` or `pip wheel`, lets the exception of its
own copy of requests through to its last handler, which logs it (pip 20.3 to 26.3, cli/base_command.py).
"""

from __future__ import annotations

import logging
from pathlib import Path
from types import TracebackType

_LOGGER = "pip._internal.cli.base_command"
_OURS = str(Path(__file__).parents[2])


def shorten() -> None:
    """Have pip's last handler log tracebacks without frames of ours."""
    logging.getLogger(_LOGGER).addFilter(_shorten)


def _shorten(record: logging.LogRecord) -> bool:
    if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
        kind, error, _ = record.exc_info
        _take_out(error, set())
        record.exc_info = (kind, error, error.__traceback__)
    return True


def _take_out(error: BaseException | None, seen: set[int]) -> None:
    """Take our frames out of the traceback of an exception, and of those that led to it."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = without_ours(error.__traceback__)
    _take_out(error.__cause__, seen)
    _take_out(error.__context__, seen)


def without_ours(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of this package."""
    if traceback is None:
        return None
    rest = without_ours(traceback.tb_next)
    if traceback.tb_frame.f_code.co_filename.startswith(_OURS):
        return rest
    return TracebackType(rest, traceback.tb_frame, traceback.tb_lasti, traceback.tb_lineno)
