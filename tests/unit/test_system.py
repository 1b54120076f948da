"""What differs between operating systems: on each of them, and the rules of Windows by a system that is pretended."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cachedindex import sources
from cachedindex.errors import StoreUnavailable
from cachedindex.options import Settings
from cachedindex.store import private, system

ON_WINDOWS = sys.platform == "win32"


class Clock:
    """The time, which goes on only if somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(system, "time", clock)
    monkeypatch.setattr(system, "_vain_left", 5.0)
    return clock


def held_until(clock: Clock, end: float) -> Callable[[str], str]:
    def work(name: str) -> str:
        if clock.now < end:
            raise PermissionError(name)
        return name

    return system.insisting(work)


def test_what_another_program_has_is_tried_again_for_half_a_second(clock: Clock) -> None:
    assert held_until(clock, 0.3)("record") == "record"
    assert clock.now == pytest.approx(0.3, abs=0.02)
    clock.now = 0.0
    with pytest.raises(PermissionError):
        held_until(clock, 0.7)("record")
    assert clock.now == pytest.approx(0.5, abs=0.02)


def test_other_failures_are_not_waited_for(clock: Clock) -> None:
    def missing() -> None:
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        system.insisting(missing)()
    assert clock.now == 0


def test_a_process_waits_five_seconds_in_vain_and_what_helped_does_not_count(clock: Clock) -> None:
    for _ in range(20):
        held_until(clock, clock.now + 0.4)("record")
    before = clock.now
    for _ in range(30):
        with pytest.raises(PermissionError):
            held_until(clock, 1e9)("record")
    assert clock.now - before == pytest.approx(5, abs=0.2)


@pytest.mark.skipif(ON_WINDOWS, reason="SKIPPED ON WINDOWS, where a call lies in between")
def test_nothing_lies_between_us_and_posix() -> None:
    assert system.files is os
    assert system.of_host("/etc/x") == Path("/etc/x")
    assert system.encoding(sys.stderr) == "utf-8"


def test_which_status_is_a_junctions(tmp_path: Path) -> None:
    assert not system.is_junction(tmp_path.lstat())
    tags = {0: False, 0xA0000003: True, 0xA000000C: True, 0x80000013: False}  # none, junction, link, deduplicated
    for tag, is_one in tags.items():
        status: Any = SimpleNamespace(st_reparse_tag=tag)
        assert system.is_junction(status) is is_one


def test_a_lock_keeps_another_descriptor_out(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert system.lock(first)
    assert not system.lock(second)
    system.unlock(first)
    assert system.lock(second)
    system.unlock(second)
    os.close(first)
    os.close(second)


def test_who_may_write_where(tmp_path: Path) -> None:
    assert system.may_write(tmp_path)
    assert not system.may_write(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


# -- as on Windows -----------------------------------------------------------------------------------------------------


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Pretend that no file has an owner, and return the folder for this user's own data."""
    own = tmp_path / "Local"
    own.mkdir()
    monkeypatch.setattr(system, "IS_WINDOWS", True)
    monkeypatch.setattr(system, "HAS_USERS", False)
    monkeypatch.setattr(system, "local_data", own.resolve)
    return own


def test_no_place_of_the_host_is_on_a_drive_of_windows(windows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("/etc/cachedindex.cfg", "/var/cache/cachedindex", "/proc/self/mountinfo"):
        assert system.of_host(path) is None
    monkeypatch.setattr(sources, "_HOST_FILE", None)
    monkeypatch.setattr(sources, "_HOST_FOLDER", None)
    environ = {"LOCALAPPDATA": str(windows), "XDG_CACHE_HOME": str(windows)}
    assert sources.cache_folder(Settings(), environ) == windows / "cachedindex"
    assert sources.places(Settings(), environ) == (windows / "cachedindex",)
    assert sources.load(environ={"XDG_CONFIG_HOME": str(windows)}).places == {}


def test_private_content_is_kept_below_the_users_own_data_only(windows: Path, tmp_path: Path) -> None:
    for root in (windows / "cachedindex", tmp_path / "cache"):
        root.mkdir()
    mine = private.Private(windows / "cachedindex", lambda: None)
    mine.secure()
    assert mine.is_own()
    other = private.Private(tmp_path / "cache", lambda: None)
    with pytest.raises(StoreUnavailable, match="LOCALAPPDATA") as first:
        other.secure()
    with pytest.raises(StoreUnavailable) as second:
        other.secure()
    assert [first.value.is_known, second.value.is_known] == [False, True], "one build of many says it"
    other.folder.mkdir(parents=True)
    assert not other.is_own(), "whoever may write there can make it"


@pytest.mark.skipif(ON_WINDOWS, reason="SKIPPED ON WINDOWS, where not every user may make a link")
def test_a_junction_into_the_users_own_data_does_not_count_by_its_name(windows: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (windows / "cachedindex").symlink_to(tmp_path / "open")
    assert not system.keeps_private(windows / "cachedindex")
