"""The dates that HTTP headers have (RFC 9110, section 5.6.7)."""

from __future__ import annotations

from calendar import timegm
from email.utils import parsedate_to_datetime


def moment(text: str) -> float:
    """Return the time of a date in seconds since the epoch, which counts as UTC without a zone; 0 if it is none."""
    try:
        return float(timegm(parsedate_to_datetime(text).utctimetuple()))
    except (ValueError, OverflowError):
        return 0.0
