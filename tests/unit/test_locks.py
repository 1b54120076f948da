"""Locks on a real file system, without another process and on a clock of their own."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cachedindex.errors import StoreUnavailable
from cachedindex.store import locks, system
from cachedindex.store.locks import Locks
from tests.stored import age


class Clock:
    """The time, which goes on only if somebody sleeps; another process may do something then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.looks = 0
        self.meanwhile: Callable[[], object] = lambda: None
        monkeypatch.setattr(locks, "time", self)
        monkeypatch.setattr(locks, "_turns_left", 10.0)

    def monotonic(self) -> float:
        self.looks += 1
        assert self.looks < 10_000, "it waits for ever"
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_lock_is_taken_in_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    lock = Locks(tmp_path / "cache/locks-v1", tmp_path / "cache").try_lock("a")
    assert lock
    assert [path.name for path in (tmp_path / "cache/locks-v1").iterdir()] == ["a.flight"]
    lock.release()
    assert not list((tmp_path / "cache/locks-v1").iterdir())


@pytest.mark.usefixtures("nothing_left_open")
def test_a_lock_that_another_process_has_is_not_this_ones(tmp_path: Path) -> None:
    mine = Locks(tmp_path, tmp_path)
    with locks.holding(tmp_path / "a.flight", tmp_path) as is_held:
        assert is_held
        assert mine.try_lock("a") is None
        assert not mine.is_held_here("a"), "else this process would never wait for the other"
        with locks.holding(tmp_path / "a.flight", tmp_path) as is_held_twice:
            assert not is_held_twice
    lock = mine.try_lock("a")
    assert lock
    assert mine.is_held_here("a")
    lock.release()
    assert not mine.is_held_here("a")


@pytest.mark.usefixtures("nothing_left_open")
def test_a_lock_ends_although_a_fork_has_its_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = locks._opened
    copies: list[int] = []

    def copied(path: Path, root: Path) -> int:
        descriptor = opened(path, root)
        copies.append(os.dup(descriptor))
        return descriptor

    monkeypatch.setattr(locks, "_opened", copied)
    for _ in range(2):
        with locks.holding(tmp_path / "gc.lock", tmp_path) as is_held:
            assert is_held
    for copy in copies:
        os.close(copy)


@pytest.mark.usefixtures("nothing_left_open")
def test_a_fork_leaves_the_file_of_its_parents_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Locks(tmp_path, tmp_path).try_lock("a")
    assert lock
    monkeypatch.setattr(os, "getpid", lambda: -1)
    lock.release()
    assert (tmp_path / "a.flight").exists()


@pytest.mark.posix("an open file that can be removed")
@pytest.mark.usefixtures("nothing_left_open")
def test_a_lock_whose_file_is_removed_each_time_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked, mine = locks._locked, Locks(tmp_path, tmp_path)

    def removed(descriptor: int) -> Callable[[], None] | None:
        (tmp_path / "a.flight").unlink()
        return locked(descriptor)

    monkeypatch.setattr(locks, "_locked", removed)
    assert mine.try_lock("a") is None
    assert not mine.is_held_here("a")


@pytest.mark.usefixtures("nothing_left_open")
def test_a_system_that_cannot_lock_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(system, "lock", failing)
    mine = Locks(tmp_path, tmp_path)
    with pytest.raises(StoreUnavailable, match="lock"):
        mine.try_lock("a")
    assert not mine.is_held_here("a")
    with locks.holding(tmp_path / "gc.lock", tmp_path) as is_held:
        assert is_held, "two may do the same work"


@pytest.mark.usefixtures("nothing_left_open")
def test_a_lock_that_cannot_be_released_is_left_with_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(system, "unlock", failing)
    with locks.holding(tmp_path / "gc.lock", tmp_path) as is_held:
        assert is_held
    lock = Locks(tmp_path, tmp_path).try_lock("a")
    assert lock
    lock.release()


@pytest.mark.usefixtures("nothing_left_open")
def test_that_it_was_in_vain_to_wait_is_known_for_two_minutes(tmp_path: Path) -> None:
    mine, note = Locks(tmp_path, tmp_path), tmp_path / "a.vain"
    assert not mine.is_vain("a")
    for _ in range(2):  # An old note is made new.
        mine.note_vain("a")
        assert mine.is_vain("a")
        age(note, 119)
        assert mine.is_vain("a")
        age(note, 2)
        assert not mine.is_vain("a")
    age(note, -3600)
    assert not mine.is_vain("a"), "a clock was set back, and one would wait for nobody"


def test_the_mark_of_a_lock_changes_with_its_holder(tmp_path: Path) -> None:
    mine = Locks(tmp_path, tmp_path)
    assert mine.read_mark("a") is None
    marks = set()
    for _ in range(3):
        lock = mine.try_lock("a")
        assert lock
        marks.add(mine.read_mark("a"))
        lock.release()
        assert mine.read_mark("a") is None
    assert len(marks) == 3


# -- the turn to replace a file ----------------------------------------------------------------------------------------


@pytest.mark.posix("modes")
def test_one_waits_for_the_turn_to_replace_a_file(tmp_path: Path, clock: Clock) -> None:
    lock = tmp_path / ".page.lock.tmp"
    lock.touch()
    clock.meanwhile = lambda: clock.now < 0.1 or lock.unlink(missing_ok=True)
    with locks.replacing(tmp_path / "page"):
        assert clock.now == pytest.approx(0.1, abs=0.006)
        assert lock.exists()
        assert lock.stat().st_mode & 0o777 == 0o600
    assert not lock.exists()


def test_a_turn_that_does_not_end_is_waited_for_two_seconds_and_for_ten_in_all(tmp_path: Path, clock: Clock) -> None:
    lock, waited = tmp_path / ".page.lock.tmp", []
    for _ in range(8):
        lock.touch()
        with locks.replacing(tmp_path / "page"):
            waited.append(clock.now)
        assert lock.exists() == (len(waited) > 4), "whoever left it was killed, if that was waited for"
    assert waited == pytest.approx([2, 4, 6, 8, 10, 10, 10, 10], abs=0.05)


def test_where_no_lock_can_be_made_nobody_waits(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_made", lambda _: None)
    others = tmp_path / ".page.lock.tmp"
    with locks.replacing(tmp_path / "page"):
        others.touch()
    assert clock.now == 0
    assert others.exists()
