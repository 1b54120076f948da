from __future__ import annotations

import pytest

from cachedindex.model import Event, RunMemory
from cachedindex.rules import run_memory

A, B = "https://index.example/simple/a/", "https://index.example/simple/b/"


def test_the_latest_failure_counts_until_something_is_answered() -> None:
    events = [Event("failed", 1, A, "one"), Event("failed", 2, B, "two")]
    assert run_memory.recall(events) == RunMemory(failed=(2, "two"))
    assert run_memory.recall([*events, Event("answered", 3, B)]) == RunMemory()
    assert run_memory.recall([*events, Event("removed", 3, B)]) == RunMemory(missing={B: 3})


def test_what_is_missing_is_so_until_it_is_answered() -> None:
    events = [Event("removed", 1, A), Event("removed", 2, B), Event("answered", 3, A)]
    assert run_memory.recall(events) == RunMemory(missing={B: 2})


def test_a_failure_forgets_nothing_that_is_missing() -> None:
    assert run_memory.recall([Event("removed", 1, A), Event("failed", 2, B, "x")]) == RunMemory((2, "x"), {A: 1})


@pytest.mark.parametrize(
    ("state", "event", "worth"),
    [
        (RunMemory(), Event("answered", 1, A), False),
        (RunMemory(failed=(0, "x")), Event("answered", 1, A), True),
        (RunMemory(missing={A: 0}), Event("answered", 1, A), True),
        (RunMemory(missing={B: 0}), Event("answered", 1, A), False),
        (RunMemory(), Event("removed", 1, A), True),
        (RunMemory(), Event("failed", 1, A, "x"), True),
    ],
)
def test_a_healthy_build_has_nothing_to_note(state: RunMemory, event: Event, worth: bool) -> None:
    assert run_memory.worth_noting(state, event) is worth


@pytest.mark.parametrize(("now", "counts"), [(9, False), (10, True), (39, True), (40, False)])
def test_for_how_long_it_counts(now: float, counts: bool) -> None:
    state = RunMemory((10, "x"), {A: 10})
    assert bool(run_memory.failed_since(state, 30, now)) is counts
    assert run_memory.is_missing(state, A, 30, now) is counts
    assert not run_memory.is_missing(state, B, 30, now)
