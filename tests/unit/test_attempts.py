"""For how long an attempt of our own holds its look-up up."""

from __future__ import annotations

from typing import Any

import pytest

from cachedindex.lookup.attempts import _Attempt
from cachedindex.lookup.context import Lookup
from cachedindex.lookup.origin import Admission
from cachedindex.model import Health, Record, Request
from cachedindex.options import Settings
from tests.values import replace

PAGE = Request("GET", "https://index.example/simple/six/", "page", {})
COPY = Record(PAGE.url, PAGE.url, {}, 0.0, 0.0, 0.1, 0, "", b"", "html")
NOTHING: Any = None


@pytest.mark.parametrize(
    ("pause", "took", "open_for", "seconds"),
    [
        (None, 0.1, None, 3),
        (None, 4.0, None, 8),
        # a probe: a second after the first pause, and the usual deadline after long ones
        (30.0, 0.1, None, 1),
        (60.0, 4.0, None, 2),
        (300.0, 0.1, None, 3),
        # an open one, without which the client would give up
        (None, 0.1, 60.0, 60),
        (None, 0.1, 0.0, 3),
    ],
)
def test_how_long_a_look_up_waits(pause: float | None, took: float, open_for: float | None, seconds: float) -> None:
    lookup = Lookup(PAGE, Settings(), replace(COPY, took=took))
    attempt = _Attempt(NOTHING, lookup, {}, NOTHING, NOTHING, Admission(Health(), pause), open_for)
    assert attempt.seconds() == pytest.approx(seconds)


def test_a_slow_answer_meanwhile_counts_and_a_quick_one_does_not() -> None:
    lookup = Lookup(PAGE, Settings(), COPY)
    attempt = _Attempt(NOTHING, lookup, {}, NOTHING, NOTHING, Admission(Health(took=4.0)))
    assert [attempt.seconds(took) for took in (0.1, 5.0)] == [8, 10]
