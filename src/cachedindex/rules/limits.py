"""For how long upstream asks to be left alone."""

from __future__ import annotations

from http import HTTPStatus

from cachedindex.model import Answer, number
from cachedindex.options import FAIL_TIMEOUT_LIMIT
from cachedindex.rules import dates

_LIMITING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def wait(answer: Answer, now: float) -> float:
    """Return the seconds that a Retry-After asks for, up to the longest pause, or 0 (RFC 9110, section 10.2.3)."""
    if answer.status not in _LIMITING:
        return 0.0
    said = answer.headers.get("retry-after", "").strip()
    seconds = number(said)
    return min(max(0.0, dates.moment(said) - now if seconds is None else float(seconds)), FAIL_TIMEOUT_LIMIT)
