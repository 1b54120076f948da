from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from cachedindex.rules.eviction import Entry, plan

HOUR = 3600.0
DAY = 24 * HOUR
NOW = 1000 * DAY


def record(path: str, age: float, blob: str | None = None, size: int = 1) -> Entry:
    return Entry(path, size, NOW - age, blob)


def blob(path: str, age: float, size: int = 100) -> Entry:
    return Entry(path, size, NOW - age)


@pytest.mark.parametrize(
    ("records", "blobs", "limit", "going"),
    [
        # within the limit nothing goes, and at the limit neither
        ([record("a", DAY, "A")], [blob("A", DAY)], 101, []),
        # beyond it, the least recently used goes, down to 90 %
        ([record("a", 1, size=50), record("b", 3, size=30), record("c", 2, size=30)], [], 100, ["b"]),
        ([record("a", 1, size=50), record("b", 3, size=5), record("c", 2, size=50)], [], 100, ["b", "c"]),
        # a blob goes after the record that names it, however young it is, and however recently it was touched
        ([record("a", 2, "A"), record("b", 1, "B")], [blob("A", 0), blob("B", 9)], 150, ["a", "A"]),
        # a blob that another record names stays until that goes as well
        ([record("a", 3, "A"), record("b", 2), record("c", 1, "A")], [blob("A", 9)], 102, ["a", "b", "c", "A"]),
        ([record("a", 3, "A", size=20), record("c", 1, "A")], [blob("A", 9)], 120, ["a"]),
        # of two used at once the path decides
        ([record("b", 1, size=60), record("a", 1, size=60)], [], 100, ["a"]),
        # what no record names goes at once, unless its record may be on its way
        ([], [blob("old", HOUR + 1), blob("new", HOUR)], math.inf, ["old"]),
        ([record("a", 1, size=100)], [blob("old", HOUR + 1)], 100, ["old"]),
        # what nobody used for long goes, wherever the limit is, and takes its blob along
        ([record("a", 61 * DAY, "A"), record("b", 60 * DAY)], [blob("A", 1)], math.inf, ["a", "A"]),
        ([record("a", 61 * DAY, "A"), record("b", 1, "A")], [blob("A", 1)], math.inf, ["a"]),
        # and what goes for that may be enough for the limit
        ([record("a", 61 * DAY, size=50), record("b", 2, size=95)], [], 100, ["a"]),
        # a record whose blob is gone already
        ([record("a", 61 * DAY, "A")], [], math.inf, ["a"]),
        ([], [], 0, []),
    ],
)  # fmt: skip
def test_what_goes(records: Sequence[Entry], blobs: Sequence[Entry], limit: float, going: Sequence[str]) -> None:
    assert [entry.path for entry in plan(records, blobs, limit, 60 * DAY, NOW)] == going


def test_no_more_absences_stay_than_are_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cachedindex.rules.eviction._MOST_ABSENCES", 2)
    absences = [replace(record(name, age), is_absence=True) for name, age in (("a", 4), ("b", 3), ("c", 2))]
    page = record("old", 5)
    assert plan([page, *absences], [], math.inf, 60 * DAY, NOW) == absences[:1]
    assert plan([page, *absences], [], 2, 60 * DAY, NOW) == [absences[0], page, absences[1]]


ages = st.floats(0, 100 * DAY)
sizes = st.integers(0, 1000)
a_blob = st.builds(blob, st.sampled_from("ABCD"), ages, sizes)


@given(
    st.lists(st.builds(record, st.text("ab", min_size=1), ages, st.none() | st.sampled_from("ABCDE"), sizes)),
    st.lists(a_blob, unique_by=lambda entry: entry.path),
    st.floats(0, 5000),
)
def test_no_record_stays_without_its_blob_and_the_limit_is_kept(
    records: Sequence[Entry], blobs: Sequence[Entry], limit: float
) -> None:
    going = plan(records, blobs, limit, 60 * DAY, NOW)
    left_records = [entry for entry in records if not any(entry is gone for gone in going)]
    left_blobs = [entry for entry in blobs if not any(entry is gone for gone in going)]
    paths = {entry.path for entry in blobs}
    assert {entry.blob for entry in left_records} & paths <= {entry.path for entry in left_blobs}
    unnamed = [entry for entry in left_blobs if entry.path not in {entry.blob for entry in left_records}]
    assert all(NOW - entry.used <= HOUR for entry in unnamed)
    assert not left_records or sum(entry.size for entry in (*left_records, *left_blobs)) <= limit
    assert len(going) == len({id(entry) for entry in going})
