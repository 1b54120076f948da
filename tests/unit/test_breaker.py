from __future__ import annotations

from typing import Any

import pytest

from cachedindex.model import Doubted, Event, Health
from cachedindex.rules import breaker, urls

A, B, C = (f"https://index.example/simple/{name}/" for name in "abc")
T = 1_000_000.0


def failed(at: float, url: str = A, cause: str = "no answer") -> Event:
    return Event("failed", T + at, url, cause)


def answered(at: float, url: str = A, took: float = 0.1) -> Event:
    return Event("answered", T + at, url, took=took)


def probing(at: float, token: str = "me") -> Event:
    return Event("probing", T + at, A, token)


def doubted(at: float, url: str = A, digest: str = "404") -> Event:
    return Event("doubted", T + at, url, digest)


def limited(at: float, seconds: float, url: str = A) -> Event:
    return Event("limited", T + at, url, "it answered 429", seconds)


OPEN = [failed(0, A), failed(1, B)]


@pytest.mark.parametrize(
    ("events", "url", "at", "admission"),
    [
        ([], A, 0, "ask"),
        # one URL that failed is left alone for a while, the origin is not
        ([failed(0)], A, 1, "hold"),
        ([failed(0)], B, 1, "ask"),
        ([failed(0)], A, 31, "ask"),
        ([failed(0), failed(1)], B, 2, "ask"),
        # the clock was set back since: it is not known how long ago that was
        ([failed(50)], A, 0, "ask"),
        # two URLs within the window open it for all
        (OPEN, C, 2, "hold"),
        ([failed(0, A), answered(1, C), failed(2, B)], C, 3, "hold"),
        ([failed(0, A), failed(61, B)], C, 62, "ask"),
        # a late answer takes its failure back
        ([failed(0, A), answered(1, A), failed(2, B)], C, 3, "ask"),
        ([failed(0, A), answered(1, A)], A, 2, "ask"),
        ([*OPEN, answered(2, A)], C, 3, "ask"),
        # which forgets what had failed
        ([*OPEN, answered(2, C), failed(3, C)], A, 4, "ask"),
        # half open after the pause: one probe
        (OPEN, C, 30, "hold"),
        (OPEN, C, 31, "probe"),
        ([*OPEN, probing(32)], C, 33, "hold"),
        # a probe that was killed blocks for one pause only
        ([*OPEN, probing(32)], C, 63, "probe"),
        # a failed probe doubles the pause, up to five minutes
        ([*OPEN, probing(32), failed(33, C)], C, 92, "hold"),
        ([*OPEN, probing(32), failed(33, C)], C, 93, "probe"),
        # a good one closes it
        ([*OPEN, probing(32), answered(33, C)], A, 34, "ask"),
        # in flight as it opened: no second opening
        ([*OPEN, failed(2, C)], A, 31, "probe"),
        ([probing(0), failed(1, A), failed(2, B), failed(3, C)], A, 33, "probe"),
        # stamps from the future are void, old ones forgotten
        ([failed(500, A), failed(501, B)], C, 2, "ask"),
        (OPEN, C, 180_000, "ask"),
    ],
)
def test_whether_an_origin_may_be_asked(events: list[Event], url: str, at: float, admission: str) -> None:
    assert breaker.admit(breaker.recall(events, T + at), url, T + at) == admission


def test_the_pause_grows_to_five_minutes_and_starts_anew_after_an_answer() -> None:
    events, at, pauses = list(OPEN), 1.0, []
    for _ in range(6):
        pause = breaker.recall(events, T + at).pause
        pauses.append(pause)
        at += pause
        events += [probing(at), failed(at, C)]
    assert pauses == [30, 60, 120, 240, 300, 300]
    events += [answered(at + 1, C), failed(at + 2, A), failed(at + 3, B)]
    assert breaker.recall(events, T + at + 3).pause == 30


def test_only_the_first_of_two_probers_probes() -> None:
    health = breaker.recall([*OPEN, probing(32, "one"), probing(32.1, "two")], T + 33)
    assert breaker.is_prober([health], "one")
    assert not breaker.is_prober([health], "two")
    assert breaker.is_prober([Health(), health], "one"), "at a closed breaker there is nothing to be first at"
    assert not breaker.is_prober([Health(opened=T)], "one"), "its own claim was not read"


def test_the_cause_of_the_url_itself_or_of_the_latest_failure() -> None:
    health = breaker.recall([failed(0, A, "first"), failed(1, B, "second")], T + 2)
    assert breaker.why(health, A, T + 20) == "first, 20 s ago"
    assert breaker.why(health, C, T + 20) == "second, 19 s ago"
    assert breaker.why(Health(), A, T)


def test_an_open_breaker_knows_its_cause_however_long_it_is_open() -> None:
    assert breaker.why(breaker.recall(OPEN, T + 400), C, T + 400) == "no answer, 399 s ago"


def test_a_limit_that_is_over_is_no_cause() -> None:
    health = breaker.recall([limited(0, 10), failed(60)], T + 61)
    assert breaker.why(health, A, T + 61) == "no answer, 1 s ago"
    assert breaker.why(breaker.recall([limited(0, 10)], T + 5), A, T + 5) == "it answered 429"


@pytest.mark.parametrize(("took", "slow"), [(1.5, True), (1.4, False)])
def test_which_answers_are_slow(took: float, slow: bool) -> None:
    assert breaker.is_slow(took) is slow


@pytest.mark.parametrize(
    ("events", "event", "worth"),
    [
        ([], answered(10), False),
        ([], answered(10, took=4), True),
        ([answered(0, B, took=1.6), answered(1, B, took=0.1)], answered(10, took=0.3), False),
        ([answered(0, B, took=4)], answered(10, took=4.2), False),
        ([answered(0, B, took=4)], answered(10, took=0.1), True),
        ([answered(0, B, took=4)], answered(10, took=1.6), True),
        ([answered(0, B, took=4)], answered(10, took=8), True),
        ([answered(0, B, took=4), doubted(1)], answered(2, B), True),
        ([doubted(0), answered(1, B)], answered(2), True),
        ([], failed(1), True),
        ([], limited(1, 5), True),
        ([failed(0)], answered(1), True),
        ([failed(0)], answered(1, B), False),
        (OPEN, answered(2, C), True),
        ([doubted(0)], answered(1), True),
        ([doubted(0)], answered(1, B), True),
        ([doubted(0), answered(1, B)], answered(2, C), False),
        ([doubted(0), answered(1, B)], answered(62, C), True),
        ([], doubted(0), True),
        ([doubted(0)], doubted(5), False),
        ([doubted(0)], doubted(5, digest="other"), True),
        ([], Event("removed", T, A), False),
        ([doubted(0)], Event("removed", T, A), True),
        ([failed(0)], failed(1), True),
    ],
)
def test_a_healthy_build_has_nothing_to_note(events: list[Event], event: Event, worth: bool) -> None:
    assert breaker.worth_noting(breaker.recall(events, event.at), event) is worth


def test_doubt_is_remembered_until_a_sound_answer() -> None:
    health = breaker.recall([doubted(0), doubted(5), doubted(6, B)], T + 7)
    assert health.doubted == {A: Doubted(T, T, "404"), B: Doubted(T + 6, T + 6, "404")}
    health = breaker.learn(health, answered(8, A))
    assert health.doubted == {B: Doubted(T + 6, T + 6, "404")}
    assert health.answered == T + 8


def test_another_doubtful_answer_begins_anew() -> None:
    health = breaker.recall([doubted(0), doubted(5, digest="other"), doubted(6, digest="other")], T + 7)
    assert health.doubted == {A: Doubted(T, T + 5, "other")}


def test_a_removal_that_is_believed_is_no_sound_answer_for_others() -> None:
    health = breaker.recall([doubted(0), doubted(1, B), Event("removed", T + 2, A)], T + 7)
    assert health.doubted == {B: Doubted(T + 1, T + 1, "404")}
    assert health.answered is None


def unreachable(at: float, url: str = A) -> Event:
    return Event("unreachable", T + at, url, "it refused the connection")


OTHER_A, OTHER_B = (f"https://index.example/other/simple/{name}/" for name in "ab")
NEW, OTHER_NEW = "https://index.example/simple/new/", "https://index.example/other/simple/new/"
GONE = [unreachable(0, A), unreachable(1, OTHER_A)]


@pytest.mark.parametrize(
    ("events", "at", "here", "there"),
    [
        # what one repository does is its own
        (OPEN, 2, "hold", "ask"),
        ([failed(0, A), failed(1, OTHER_A)], 2, "ask", "ask"),
        ([*OPEN, answered(2, OTHER_A)], 3, "hold", "ask"),
        ([failed(0, OTHER_A), failed(1, OTHER_B)], 2, "ask", "hold"),
        # what no repository could have answered is the origin's, whichever was asked
        (GONE, 2, "hold", "hold"),
        (GONE, 31, "probe", "probe"),
        ([unreachable(0, A), unreachable(1, A)], 2, "ask", "ask"),
        ([unreachable(0, A), unreachable(61, OTHER_A)], 62, "ask", "ask"),
        ([*GONE, probing(32)], 33, "hold", "hold"),
        ([*GONE, probing(32), unreachable(33, C)], 92, "hold", "hold"),
        ([*GONE, probing(32), unreachable(33, C)], 93, "probe", "probe"),
        # any answer shows that the origin is there; what a repository failed of stays its own
        ([*GONE, answered(2, OTHER_A)], 3, "ask", "ask"),
        ([*GONE, doubted(2, A)], 3, "ask", "ask"),
        ([*GONE, limited(2, 60, OTHER_A)], 3, "ask", "hold"),
        ([*GONE, failed(2, A), failed(3, B)], 4, "hold", "ask"),
        # a probe of the one is none of the other: neither its pause nor its next opening is another one
        ([*OPEN, probing(32), failed(33, C)], 34, "hold", "ask"),
        ([*OPEN, probing(32), failed(33, C), unreachable(34, A), unreachable(35, OTHER_A)], 66, "hold", "probe"),
        # a limit is as long as it was asked for, and five minutes at most
        ([limited(0, 60)], 59, "hold", "ask"),
        ([limited(0, 60)], 61, "ask", "ask"),
        ([limited(0, 86400)], 299, "hold", "ask"),
        ([limited(0, 86400)], 301, "ask", "ask"),
        ([limited(0, 60), limited(1, 5)], 30, "hold", "ask"),
        ([limited(0, 60), answered(1, A)], 30, "hold", "ask"),
        ([*OPEN, probing(32), limited(33, 5)], 39, "ask", "ask"),
    ],
)
def test_whether_a_repository_and_its_neighbour_may_be_asked(
    events: list[Event], at: float, here: str, there: str
) -> None:
    origin = breaker.recall(breaker.of_origin(events), T + at)
    for url, admission in ((NEW, here), (OTHER_NEW, there)):
        repository = breaker.recall(breaker.of_repository(events, urls.repository(url)), T + at)
        assert breaker.admit_by_all([repository, origin], url, T + at) == admission


def test_the_cause_is_that_of_the_breaker_that_holds_it_back() -> None:
    events = [limited(0, 60), *GONE[1:]]
    states = [breaker.recall(of, T + 2) for of in (breaker.of_repository(events, urls.repository(A)), events[1:])]
    assert breaker.why_held(states, A, T + 2) == "it answered 429"
    origin = breaker.recall(breaker.of_origin(GONE), T + 2)
    assert breaker.why_held([Health(), origin], C, T + 2) == "it refused the connection, 1 s ago"


def test_doubt_about_one_index_says_nothing_of_another() -> None:
    events = [doubted(0, A), doubted(1, B), doubted(2, C), answered(3, OTHER_A), doubted(4, OTHER_B)]
    here = breaker.recall(breaker.of_repository(events, urls.repository(A)), T + 5)
    there = breaker.recall(breaker.of_repository(events, urls.repository(OTHER_A)), T + 5)
    assert (len(here.doubted), here.answered) == (3, None)
    assert list(there.doubted) == [OTHER_B]


@pytest.mark.parametrize(
    ("events", "event", "worth"),
    [
        ([], answered(1), False),
        (OPEN, answered(2, OTHER_A), False),
        (GONE, answered(2, OTHER_B), True),
        (GONE, doubted(2, OTHER_B), True),
        (GONE[:1], answered(2, A), True),
        (GONE[:1], answered(2, B), False),
        ([*GONE, doubted(2, A)], doubted(3, A), False),
    ],
)
def test_an_answer_is_noted_if_it_tells_of_the_origin(events: list[Event], event: Event, worth: bool) -> None:
    own = breaker.of_repository(events, urls.repository(event.url))
    states = breaker.recall(own, event.at), breaker.recall(breaker.of_origin(events), event.at)
    assert breaker.worth_noting_by_any(states, event) is worth


@pytest.mark.parametrize("health", [Health(), breaker.recall(OPEN, T)])
def test_learning_changes_nothing_in_place(health: Any) -> None:
    before = repr(health)
    breaker.learn(health, failed(2, C))
    breaker.learn(health, answered(2, C))
    assert repr(health) == before


def test_a_failure_of_an_hour_ago_says_nothing() -> None:
    events = [Event("failed", 100.0, A, "503")]
    assert A in breaker.recall(events, 160.0).failed
    assert not breaker.recall(events, 3700.0).failed


REMOVED = Event("removed", T + 1, B)


@pytest.mark.parametrize(
    ("events", "left"),
    [
        # of each URL the latest failure, unless its repository has answered since
        ([failed(0), failed(1)], [failed(1)]),
        ([failed(0), answered(1, B)], [answered(1, B)]),
        ([failed(0), answered(1, OTHER_A)], [failed(0), answered(1, OTHER_A)]),
        ([failed(0), REMOVED], [failed(0), REMOVED]),
        # of each repository the latest answer
        ([answered(0, A), answered(1, B), answered(2, OTHER_A)], [answered(1, B), answered(2, OTHER_A)]),
        # of each URL since when it is in doubt, and since when in the same way
        ([doubted(0), doubted(1), doubted(2)], [doubted(0)]),
        ([doubted(0), doubted(1, digest="half"), doubted(2, digest="half")], [doubted(0), doubted(1, digest="half")]),
        ([doubted(0), answered(1)], [answered(1)]),
        # nothing for ever
        ([failed(0), failed(3 * 86400, B)], [failed(3 * 86400, B)]),
        ([], []),
    ],
)
def test_what_of_a_long_log_still_counts(events: list[Event], left: list[Event]) -> None:
    assert breaker.compacted(events) == left
