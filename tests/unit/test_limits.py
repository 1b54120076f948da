from __future__ import annotations

import time
from io import BytesIO

import pytest

from cachedindex.model import Answer
from cachedindex.rules import limits

URL = "https://index.example/simple/six/"


@pytest.mark.parametrize(
    ("status", "said", "seconds"),
    [
        (429, "60", 60),
        (503, " 60 ", 60),
        (429, "0", 0),
        (429, "86400", 300),
        (429, "-5", 0),
        (429, "1.5", 0),
        (429, "soon", 0),
        (429, "", 0),
        # an HTTP date, in any zone, or in none
        (429, "Thu, 01 Jan 1970 00:02:00 GMT", 60),
        (429, "Thu, 01 Jan 1970 01:02:00 +0100", 60),
        (429, "Thu, 01 Jan 1970 00:02:00", 60),
        (429, "Thu, 01 Jan 1970 00:00:30 GMT", 0),
        (429, "Fri, 02 Jan 1970 00:00:00 GMT", 300),
        (429, "Thu, 01 Jan 99999 00:00:00 GMT", 0),
        # another status asks for nothing
        (200, "60", 0),
        (404, "60", 0),
        (500, "60", 0),
        (502, "60", 0),
    ],
)
def test_for_how_long_upstream_is_left_alone(status: int, said: str, seconds: float) -> None:
    answer = Answer(status, "Reason", URL, {"retry-after": said}, BytesIO())
    assert limits.wait(answer, 60.0) == seconds


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="SKIPPED FOR WANT OF TZSET, which Windows has not")
def test_a_date_without_a_zone_is_not_one_of_this_machines_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Answer(429, "Reason", URL, {"retry-after": "Thu, 01 Jan 1970 00:02:00"}, BytesIO())
    monkeypatch.setenv("TZ", "XYZ+5")
    time.tzset()
    try:
        assert limits.wait(answer, 60.0) == 60
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_answer_that_says_nothing_of_it_is_no_limit() -> None:
    assert limits.wait(Answer(429, "Reason", URL, {}, BytesIO()), 60.0) == 0
