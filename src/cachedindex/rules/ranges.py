"""Which part of a stored body a request asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

_BYTES = r"(?i)bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*"


def wanted(asked: Mapping[str, str], stored: Mapping[str, str], size: int) -> range | Literal["whole", "none"]:
    """Return the positions of the wanted bytes; "whole" if all are wanted, "none" if the body has none of them.

    `asked` and `stored` are headers by lower-case name. Several ranges at once, another unit, a malformed range, and
    one whose If-Range does not match are ignored, as section 14.2 allows: then the answer is the whole body.
    """
    found = re.fullmatch(_BYTES, asked.get("range", "").strip())
    if not found or found[1] == found[2] == "" or not _holds(asked.get("if-range"), stored):
        return "whole"
    if not found[1]:  # A suffix range: the last bytes.
        start, stop = max(size - int(found[2]), 0), size
    else:
        start, stop = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < start:
            return "whole"
    return range(start, stop) if start < stop else "none"


def _holds(condition: str | None, stored: Mapping[str, str]) -> bool:
    """Return whether the stored body is the one that the client has a part of (RFC 9110, section 13.1.5)."""
    if condition is None:
        return True
    if condition.startswith("W/"):  # A weak validator does not show that the bytes are the same.
        return False
    return condition.strip() in (stored.get("etag"), stored.get("last-modified"))
