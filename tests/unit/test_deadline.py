from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cachedindex.errors import DeadlinePassed, NotAsked, Shortage
from cachedindex.lookup import deadline, worker
from cachedindex.lookup.deadline import call_with_deadline


@pytest.fixture(autouse=True)
def every_place_is_free() -> None:
    """Begin with none left: attempts of other tests in this process may still be under way."""
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


def test_a_result_that_comes_at_the_deadline_is_the_callers_or_late_but_never_both() -> None:
    late: list[int] = []
    in_time, too_late = deadline._Job(lambda: 1, late.append), deadline._Job(lambda: 2, late.append)
    in_time.run()
    assert not in_time.give_up()
    assert in_time.result() == 1
    assert too_late.give_up()
    too_late.run()
    assert late == [2]


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


def test_an_attempt_whose_caller_is_interrupted_is_left_to_itself() -> None:
    let_go, came, jobs = threading.Event(), threading.Event(), []

    def work() -> int:
        jobs.append(deadline._working.job)
        let_go.wait()
        return 1

    def interrupted() -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call_with_deadline(work, 0.01, interrupted, lambda _: came.set())
    assert jobs[0].given_up is not None
    let_go.set()
    assert came.wait(60)


def test_each_place_has_attempts_of_its_own() -> None:
    let_go = threading.Event()

    def ask(place: str, work: Callable[[], object], seconds: float) -> object:
        return call_with_deadline(work, seconds, lambda: seconds, lambda _: None, place)

    for _ in range(deadline._MOST_LEFT):
        with pytest.raises(DeadlinePassed, match="no answer within"):
            ask("a dead index", let_go.wait, 0.001)
    with pytest.raises(NotAsked, match="8 attempts were still waiting"):
        ask("a dead index", lambda: 1, 60.0)
    assert ask("a healthy index", lambda: 1, 60.0) == 1
    jobs = list(deadline._left["a dead index"])
    let_go.set()
    for job in jobs:
        assert job.done.acquire(timeout=60)
    assert ask("a dead index", lambda: 1, 60.0) == 1
    assert not deadline._left


def test_attempts_that_are_waited_for_take_no_place() -> None:
    callers = 5 * deadline._MOST_LEFT
    together = threading.Barrier(callers, timeout=60)
    ended = threading.Semaphore(0)

    def call() -> None:
        attempt(together.wait, lambda: 60.0)
        ended.release()

    for _ in range(callers):
        threading.Thread(target=call, daemon=True).start()
    for _ in range(callers):
        assert ended.acquire(timeout=60)


@pytest.mark.posix("a shutdown that ends what another thread reads")
def test_an_answer_that_drips_for_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(deadline, "_LONGEST", 0.0)
    read = ours.makefile("rb").readline  # As http.client reads.
    with pytest.raises(DeadlinePassed):
        call_with_deadline(read, 0.1, lambda: 0.1, lambda _: None, "a dripping index")
    (job,) = deadline._left["a dripping index"]
    assert call_with_deadline(lambda: 1, 60.0, lambda: 60.0, lambda _: None, "a dripping index") == 1
    assert job.done.acquire(timeout=60)
    theirs.close()
    ours.close()


class Encrypted(socket.socket):
    """As ssl.SSLSocket, whose `shutdown` first has it be no longer encrypted, while another thread uses it."""

    is_encrypted = True

    def shutdown(self, how: int) -> None:
        self.is_encrypted = False
        super().shutdown(how)


@pytest.mark.posix("a shutdown that ends what another thread reads")
def test_an_attempt_that_is_ended_sends_nothing_in_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    encrypted = Encrypted(ours.family, ours.type, ours.proto, ours.detach())
    monkeypatch.setattr(deadline, "_LONGEST", 0.0)
    with pytest.raises(DeadlinePassed):
        call_with_deadline(encrypted.makefile("rb").readline, 0.1, lambda: 0.1, lambda _: None, "an encrypted index")
    (job,) = deadline._left["an encrypted index"]
    assert call_with_deadline(lambda: 1, 60.0, lambda: 60.0, lambda _: None, "an encrypted index") == 1
    assert job.done.acquire(timeout=60)
    assert encrypted.is_encrypted
    theirs.close()
    encrypted.close()


def test_a_machine_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: worker.Work) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(worker, "start", start)
    with pytest.raises(Shortage, match="no thread to ask with"):
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
