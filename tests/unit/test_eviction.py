from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from cachedindex.rules.eviction import Ages, Cut

HOUR = 3600.0
DAY = 24 * HOUR
NOW = 1000 * DAY
Entry = tuple[float, int]
"""An age in seconds, and a size."""


def measured(entries: Sequence[Entry]) -> Ages:
    ages = Ages(NOW)
    for age, size in entries:
        ages.add(NOW - age, size)
    return ages


def going(cut: Cut, entries: Sequence[Entry]) -> list[Entry]:
    return [(age, size) for age, size in entries if cut.takes(NOW - age, size)]


@pytest.mark.parametrize(
    ("entries", "limit", "gone"),
    [
        # within the limit nothing goes, and at the limit neither
        ([(DAY, 100)], 101, []),
        ([(DAY, 100)], 100, []),
        ([(DAY, 100)], math.inf, []),
        # beyond it, the least recently used goes, down to 90 %, in whatever order they come
        ([(1, 50), (30, 30), (20, 30)], 100, [(30, 30)]),
        ([(1, 50), (30, 5), (20, 50)], 100, [(30, 5), (20, 50)]),
        ([(20, 50), (30, 5), (1, 50)], 100, [(20, 50), (30, 5)]),
        # of those of one age, as many as are needed
        ([(1, 40), (1, 40), (1, 40)], 100, [(1, 40)]),
        ([(1, 40), (1, 40), (1, 40), (9, 1)], 100, [(1, 40), (9, 1)]),
        # ages that differ by one percent are one age
        ([(1010, 40), (1015, 40), (1, 40)], 100, [(1010, 40)]),
        ([(HOUR, 40), (DAY, 40), (0, 40)], 0, [(HOUR, 40), (DAY, 40), (0, 40)]),
        ([], 0, []),
    ],
)
def test_what_goes(entries: Sequence[Entry], limit: float, gone: Sequence[Entry]) -> None:
    assert going(measured(entries).beyond(limit), entries) == gone


def test_what_was_used_since_its_age_was_taken_stays() -> None:
    cut = measured([(DAY, 100), (0, 100)]).beyond(0)
    assert not cut.takes(NOW + 1, 100)


def test_so_many_go_that_the_rest_is_kept() -> None:
    absences = [(4.0, 1), (30.0, 1), (20.0, 1)]
    assert going(measured(absences).without(1), absences) == [(30.0, 1)]
    assert going(measured(absences).without(0), absences) == []
    assert going(measured(absences).without(-1), absences) == []
    assert going(measured([(9, 40), (9, 40)]).without(40), [(9, 40), (9, 40)]) == [(9, 40)]


def test_a_sum_goes_on_where_another_process_left_it() -> None:
    first = measured([(DAY, 60)])
    second = Ages(NOW, first.sums)
    second.add(NOW - 1, 50)
    assert going(second.beyond(100), [(DAY, 60), (1, 50)]) == [(DAY, 60)]


@given(st.lists(st.tuples(st.floats(0, 100 * DAY), st.integers(1, 1000))), st.floats(0, 50_000))
def test_the_limit_is_kept_and_no_more_goes_than_one_entry_too_many(entries: list[Entry], limit: float) -> None:
    gone = going(measured(entries).beyond(limit), entries)
    total, freed = sum(size for _, size in entries), sum(size for _, size in gone)
    assert total - freed <= limit or not entries
    if gone:
        assert total > limit
        assert freed - max(size for _, size in gone) < total - 0.9 * limit
        youngest = min(age for age, _ in gone)
        stays = [age for age, size in entries if (age, size) not in gone]
        assert all(age <= (1 + youngest) * 2 ** (1 / 32) - 1 + 1e-6 for age in stays)
