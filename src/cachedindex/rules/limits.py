"""For how long upstream asks to be left alone."""

from __future__ import annotations

from email.utils import mktime_tz, parsedate_tz
from http import HTTPStatus

from cachedindex.model import Answer, number
from cachedindex.options import FAIL_TIMEOUT_LIMIT

_LIMITING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def wait(answer: Answer, now: float) -> float:
    """Return the seconds that a Retry-After asks for, up to the longest pause, or 0 (RFC 9110, section 10.2.3)."""
    if answer.status not in _LIMITING:
        return 0.0
    said = answer.headers.get("retry-after", "").strip()
    seconds = number(said)
    return min(max(0.0, _until(said) - now if seconds is None else float(seconds)), FAIL_TIMEOUT_LIMIT)


def _until(said: str) -> float:
    """Return the time that an HTTP date says; the epoch if it is none."""
    try:
        date = parsedate_tz(said)
        return float(mktime_tz((*date[:9], date[9] or 0))) if date else 0.0
    except (ValueError, OverflowError):  # Whatever it is, it asks for nothing.
        return 0.0
