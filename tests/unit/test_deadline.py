from __future__ import annotations

import threading
from typing import Any

import pytest

from cachedindex.errors import DeadlinePassed, NotAsked
from cachedindex.lookup import deadline
from cachedindex.lookup.deadline import call_with_deadline


@pytest.fixture(autouse=True)
def every_place_is_free() -> None:
    """Begin with all places: attempts of other tests in this process may still be under way."""
    deadline._forget_threads()


def attempt(work: Any, patience: Any, late: Any = lambda _: None) -> Any:
    return call_with_deadline(work, patience(), patience, late)


def test_a_result_in_time() -> None:
    assert attempt(lambda: 42, lambda: 60.0) == 42


def test_an_error_in_time_is_the_same_object() -> None:
    error = KeyError("x")

    def work() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        attempt(work, lambda: 60.0)
    assert caught.value is error


def test_work_goes_on_after_the_deadline() -> None:
    let_go, done = threading.Event(), threading.Event()
    late: list[str] = []

    def work() -> str:
        let_go.wait()
        return "result"

    def keep(result: str) -> None:
        late.append(result)
        done.set()

    with pytest.raises(DeadlinePassed, match=r"no answer within 0\.01 s"):
        attempt(work, lambda: 0.01, keep)
    let_go.set()
    assert done.wait(60)
    assert late == ["result"]


def test_patience_that_grows_meanwhile_is_granted() -> None:
    let_go = threading.Event()
    patience = iter([0.01, 60.0, 60.0, 60.0])

    def allowed() -> float:
        seconds = next(patience)
        if seconds > 1:
            let_go.set()
        return seconds

    def work() -> str:
        let_go.wait()
        return "late"

    assert attempt(work, allowed) == "late"


def test_no_more_threads_than_allowed_hang_about() -> None:
    let_go = threading.Event()
    ended = threading.Semaphore(0)

    def work() -> None:
        let_go.wait()
        ended.release()

    for _ in range(deadline._MOST_THREADS):
        with pytest.raises(DeadlinePassed, match="no answer within"):
            attempt(work, lambda: 0.001)
    with pytest.raises(NotAsked, match="8 attempts were still waiting"):
        attempt(work, lambda: 0.001)
    let_go.set()
    for _ in range(deadline._MOST_THREADS):
        assert ended.acquire(timeout=60)


def test_a_machine_without_threads_serves_the_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    for _ in range(2 * deadline._MOST_THREADS):
        with pytest.raises(NotAsked, match="no thread to ask with"):
            attempt(lambda: 1, lambda: 60.0)


@pytest.mark.parametrize("connected", [True, False])
def test_whether_there_was_a_connection_when_the_deadline_passed(connected: bool) -> None:
    let_go, working = threading.Event(), threading.Event()

    def connect() -> None:
        working.set()
        let_go.wait()

    def read() -> None:
        working.set()
        let_go.wait()

    def patience() -> float:
        assert working.wait(60)
        return 0.0

    with pytest.raises(DeadlinePassed) as caught:
        call_with_deadline(read if connected else connect, 0.01, patience, lambda _: None)
    let_go.set()
    assert caught.value.connected is connected


def test_where_a_redirect_had_led_when_the_deadline_passed() -> None:
    let_go, working = threading.Event(), threading.Event()

    def work() -> None:
        deadline.asking("https://cdn.example/six/")
        working.set()
        let_go.wait()

    def patience() -> float:
        assert working.wait(60)
        return 0.0

    deadline.asking("https://index.example/")  # Nobody waits for this thread under a deadline.
    with pytest.raises(DeadlinePassed) as caught:
        call_with_deadline(work, 0.01, patience, lambda _: None)
    let_go.set()
    assert caught.value.url == "https://cdn.example/six/"
