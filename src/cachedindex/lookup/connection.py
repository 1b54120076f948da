"""Whether an attempt got as far as a connection: before it has one, no index of an origin could answer."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable

_CONNECTS = "connect"
"""The method in which http.client, and so urllib and every urllib3, looks a name up, connects, passes a proxy, and
shakes hands for TLS."""


def was_missing(errors: Iterable[BaseException]) -> bool:
    """Return whether one of the exceptions came from making a connection."""
    return any(
        frame.f_code.co_name == _CONNECTS for error in errors for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def is_missing(thread: int | None) -> bool:
    """Return whether a thread, by its identifier, is just making a connection."""
    frame = sys._current_frames().get(thread or 0)  # noqa: SLF001 - its documented name
    return frame is not None and any(each.f_code.co_name == _CONNECTS for each, _ in traceback.walk_stack(frame))
