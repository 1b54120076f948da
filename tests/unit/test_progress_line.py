"""How far a command has got: a bar on a terminal, lines in a log."""

from __future__ import annotations

import io

import pytest

from cachedindex.commands import progress
from cachedindex.commands.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_a_log_gets_a_line_every_ten_seconds(clock: Clock) -> None:
    log = io.StringIO()
    shown = Progress(2, log)
    for clock.now in range(25):  # type: ignore[assignment]
        shown.show(1, f"at {clock.now}\x1b")
    shown.end()
    assert log.getvalue() == "cachedindex: 1 of 2 done, at 10\\x1b\ncachedindex: 1 of 2 done, at 20\\x1b\n"


def test_a_terminal_gets_a_bar_that_goes(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "50")
    terminal = Terminal()
    shown = Progress(2, terminal)
    shown.show(1, "3 pages" * 20)
    shown.show(1, "too soon")
    assert terminal.getvalue().startswith("\r\x1b[K[##########----------] 1 of 2 done, 3 pages")
    assert len(terminal.getvalue()) == len("\r\x1b[K") + 49
    shown.end()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_dumb_terminal_is_a_log(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    shown = Progress(2, terminal)
    clock.now = 11.0
    shown.show(1, "3 pages")
    shown.end()
    assert terminal.getvalue() == "cachedindex: 1 of 2 done, 3 pages\n"
