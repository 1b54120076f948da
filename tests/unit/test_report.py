from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from cachedindex.model import Ended, Kind, Outcome
from cachedindex.run.folder import RunFolder
from cachedindex.run.report import Report, say
from cachedindex.run.summary import ago, summary, volume


def outcome(
    ended: Ended = "stale",
    kind: Kind = "page",
    age: float | None = 60,
    origin: str = "index",
    why: str = "",
    path: str = "simple/six/",
) -> Outcome:
    origin = f"https://{origin}.example"
    return Outcome(ended, kind, f"{origin}/{path}", origin, why or "no answer within 3 s", age)


def missed(*names: str, ended: Ended = "failed", why: str = "it refused the connection") -> list[Outcome]:
    """Return outcomes of pages, by their projects, and of files, by their names."""
    return [
        outcome(ended, "page" if name.isalpha() else "file", None, why=why, path=f"{name}/" if name.isalpha() else name)
        for name in names
    ]


def test_nothing_stale_says_nothing() -> None:
    assert summary([outcome("hit"), outcome("miss"), outcome("negative"), outcome("late")]) is None


@pytest.mark.parametrize(
    ("outcomes", "line"),
    [
        ([outcome()], "served 1 page stale, up to 1 min old (https://index.example: no answer within 3 s)"),
        (
            [outcome(), outcome("hit", age=9e9), outcome(age=7300), outcome(kind="other")],
            "served 2 pages and 1 download stale, up to 2 h 1 min old (https://index.example: no answer within 3 s)",
        ),
        (
            [outcome(kind="other"), outcome(kind="file"), outcome()],
            "served 1 page, 1 file and 1 download stale, up to 1 min old (https://index.example: no answer within 3 s)",
        ),
        (
            [outcome(why="once"), outcome(why="mostly"), outcome(why="mostly"), outcome(origin="mirror", why="gone")],
            "served 4 pages stale, up to 1 min old (https://index.example: mostly; https://mirror.example: gone)",
        ),
        (
            missed("six", ended="refused", why="offline = true"),
            "could not get six, of which nothing is stored (https://index.example: offline = true)",
        ),
        (
            missed("six", "flask", "six", "docopt-0.6.2.tar.gz"),
            (
                "could not get docopt-0.6.2.tar.gz, flask and six, of which nothing is stored "
                "(https://index.example: it refused the connection)"
            ),
        ),
        (
            missed("e", "d", "c", "b", "a", "six-1.0-py3-none-any.whl.metadata"),
            (
                "could not get six-1.0-py3-none-any.whl, a, b and 3 more, of which nothing is stored "
                "(https://index.example: it refused the connection)"
            ),
        ),
        (
            [outcome("failed", age=31 * 86400.0), *missed("flask")],
            (
                "could not get flask, of which nothing is stored (https://index.example: it refused the connection), "
                "could not get six (https://index.example: no answer within 3 s), "
                "whose copy is too old to stand in (31 d)"
            ),
        ),
        (
            [*missed("a"), *missed("b", "c", ended="refused", why="not asked: it refused the connection, 2 s ago")],
            ("could not get a, b and c, of which nothing is stored (https://index.example: it refused the connection)"),
        ),
        (
            [outcome("absent", age=7200), outcome("absent", age=60)],
            "took 2 pages as missing, as up to 2 h ago (https://index.example: no answer within 3 s)",
        ),
        (
            [
                outcome(),
                outcome("late", why="answers in 4.1 s"),
                outcome("late", origin="mirror", why="answers in 9 s"),
            ],
            "served 1 page stale, up to 1 min old (https://index.example: no answer within 3 s; it answers in 4.1 s)",
        ),
        (
            [outcome(), *missed("flask", ended="refused", why="offline = true")],
            (
                "served 1 page stale, up to 1 min old (https://index.example: no answer within 3 s), "
                "could not get flask, of which nothing is stored (https://index.example: offline = true)"
            ),
        ),
    ],
)
def test_how_much_how_old_from_where_and_why(outcomes: list[Outcome], line: str) -> None:
    assert summary(outcomes) == line


def test_what_was_had_after_all_and_what_nobody_missed_needs_no_words() -> None:
    assert summary([*missed("six"), outcome("miss", path="six/")]) is None
    assert summary(missed("pypi/six/json", "pypi/six/1.0/json")) is None
    assert summary([outcome("hit", path="six/"), *missed("six")]) is not None


def test_what_a_process_had_after_all_is_shared_with_the_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    report = Report(lambda _: None, run)
    for ended in ("miss", "failed", "miss"):
        report.add(outcome(ended))
    assert [each.ended for each in run.outcomes()] == ["failed", "miss"]


def test_look_ups_that_nobody_misses_are_kept_out() -> None:
    said: list[str] = []
    report = Report(said.append)
    with report.quiet():
        report.add(outcome("failed"))
        report.warn("it is down")
    report.add(outcome("hit"))
    assert ([each.ended for each in report.outcomes], said) == (["hit"], [])


@pytest.mark.parametrize(
    ("count", "line"),
    [(1, "1 damaged file set aside in {}, to be fetched again"), (2, "2 damaged files set aside in {}")],
)
def test_how_much_was_set_aside(count: int, line: str) -> None:
    damaged, line = ["/c/quarantine-v1/x"] * count, line.format(Path("/c/quarantine-v1"))
    assert (summary([], damaged) or "").startswith(line)
    assert f"stale, up to 1 min old (https://index.example: gone), {line}" in (
        summary([outcome(why="gone")], damaged) or ""
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (3_440_000, "3.4 MB"), (2e13, "20000.0 GB")],
)  # fmt: skip
def test_volumes(size: float, text: str) -> None:
    assert volume(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3600, "1 h"), (5400, "1 h 30 min"), (172_800, "2 d")],
)
def test_ages(seconds: float, text: str) -> None:
    assert ago(seconds) == text


@pytest.mark.parametrize("stderr", [None, io.StringIO()])
def test_a_line_goes_wherever_there_is_a_stderr(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO | None) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    say("it is")
    assert stderr is None or stderr.getvalue() == "cachedindex: it is\n"


def test_a_warning_is_printed_once() -> None:
    said: list[str] = []
    report = Report(said.append)
    for _ in range(3):
        report.warn("the disk is full")
    assert said == ["the disk is full"]


def test_of_several_warnings_about_one_thing_the_first_is_printed() -> None:
    said: list[str] = []
    report = Report(said.append)
    for message in ("cannot write", "cannot read", "cannot lock"):
        report.warn(message, about="the store")
    assert said == ["cannot write"]


def test_control_characters_of_an_index_do_not_reach_the_terminal() -> None:
    said: list[str] = []
    Report(said.append).warn("it answered 503 \x1b]0;owned\x07\n\x9b31m")
    assert said == [r"it answered 503 \x1b]0;owned\x07\x0a\x9b31m"]
