from __future__ import annotations

import pytest

from cachedindex.model import Event, RunMemory
from cachedindex.rules import run_memory

A, B = "https://index.example/simple/a/", "https://index.example/simple/b/"
INDEX = "https://index.example/simple/"
NEIGHBOUR = "https://index.example/other/simple/a/"


def test_the_latest_failure_counts_until_something_is_answered() -> None:
    events = [Event("failed", 1, A, "one"), Event("failed", 2, B, "two")]
    assert run_memory.recall(events) == RunMemory(failed={INDEX: (2, "two")})
    assert run_memory.recall([*events, Event("answered", 3, B)]) == RunMemory()
    assert run_memory.recall([*events, Event("removed", 3, B)]) == RunMemory(missing={B: 3})


def test_what_is_missing_is_so_until_it_is_answered() -> None:
    events = [Event("removed", 1, A), Event("removed", 2, B), Event("answered", 3, A)]
    assert run_memory.recall(events) == RunMemory(missing={B: 2})


def test_a_failure_forgets_nothing_that_is_missing() -> None:
    assert run_memory.recall([Event("removed", 1, A), Event("failed", 2, B, "x")]) == RunMemory(
        {INDEX: (2, "x")}, {A: 1}
    )


@pytest.mark.parametrize(
    ("state", "event", "worth"),
    [
        (RunMemory(), Event("answered", 1, A), False),
        (RunMemory(failed={INDEX: (0, "x")}), Event("answered", 1, A), True),
        (RunMemory(failed={"": (0, "x")}), Event("answered", 1, A), True),
        (RunMemory(failed={INDEX: (0, "x")}), Event("answered", 1, NEIGHBOUR), False),
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
    state = RunMemory({INDEX: (10, "x")}, {A: 10})
    assert bool(run_memory.failed_since(state, A, 30, now)) is counts
    assert run_memory.is_missing(state, A, 30, now) is counts
    assert not run_memory.is_missing(state, B, 30, now)


@pytest.mark.parametrize(
    ("events", "here", "there"),
    [
        ([Event("failed", 10, A, "x")], "x", None),
        ([Event("unreachable", 10, A, "x")], "x", "x"),
        ([Event("unreachable", 10, A, "x"), Event("failed", 11, A, "y")], "y", "x"),
        ([Event("unreachable", 10, A, "x"), Event("answered", 11, NEIGHBOUR)], None, None),
        ([Event("failed", 10, A, "x"), Event("answered", 11, NEIGHBOUR)], "x", None),
    ],
)
def test_what_failed_at_one_repository_says_nothing_of_another(
    events: list[Event], here: str | None, there: str | None
) -> None:
    memory = run_memory.recall(events)
    found = [run_memory.failed_since(memory, url, 30, 12) for url in (B, NEIGHBOUR)]
    assert [seen and seen[1] for seen in found] == [here, there]


ABRUPT = [Event("abrupt", 10, A, "x")]


@pytest.mark.parametrize(
    ("events", "well"),
    [
        (ABRUPT, {B}),
        ([*ABRUPT, Event("abrupt", 11, A, "x")], {B}),
        ([*ABRUPT, Event("abrupt", 11, B, "y")], set()),
        ([*ABRUPT, Event("failed", 11, B, "it hangs")], set()),
        ([*ABRUPT, Event("unreachable", 11, A, "it refused")], set()),
        ([Event("failed", 9, A, "it hangs"), *ABRUPT], set()),
        ([*ABRUPT, Event("answered", 11, B), Event("abrupt", 12, B, "y")], {A}),
        ([*ABRUPT, Event("abrupt", 100, B, "y")], {A}),
        ([Event("failed", 10, A, "it hangs")], set()),
    ],
)
def test_a_page_that_fails_at_once_may_be_the_only_one(events: list[Event], well: set[str]) -> None:
    memory = run_memory.recall(events)
    assert run_memory.failed_since(memory, B, 60, events[-1].at)
    assert {url for url in (A, B) if run_memory.may_be_well(memory, url)} == well
