"""The command line as a newcomer finds it: without words, with wrong ones, and with one example for each command."""

from __future__ import annotations

import argparse
import io
import re
import shlex
import subprocess
import sys
from importlib import import_module

import pytest

from cachedindex.commands import flags, line, show
from cachedindex.commands.line import COMMANDS, main


def parsers() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cachedindex", exit_on_error=False)
    commands = parser.add_subparsers(required=True)
    for name in COMMANDS:
        import_module(f"cachedindex.commands.{name}").add_to(commands)
    return parser


def test_without_words_there_is_the_help_with_every_command_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f"\n    {name} " in out for name in COMMANDS)
    assert "example:\n  cachedindex run -- pip install" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_ends_with_one_example_which_is_a_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    _, _, example = capsys.readouterr().out.partition("\nexample:\n")
    program, *words = shlex.split(example)
    assert (program, words[0]) == ("cachedindex", name)
    parsers().parse_args(words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pip", "install", "six"], "pip: there is no such command; to run a program, write cachedindex run -- pip"),
        (["docter"], "docter: there is no such command; did you mean cachedindex doctor?"),
        (["run"], "there is no command; write cachedindex run -- COMMAND"),
        (["run", "--upgrade", "pip"], "options of the command that is run stand behind it"),
        (["run", "-U", "pip"], "-U: there is no such option; options of the command that is run stand behind it"),
        (["gc", "--max-sise", "1"], "did you mean --max-size?"),
    ],
    ids=" ".join,
)
def test_a_wrong_word_is_answered_with_the_right_one(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("run --offline pip install six", "run --offline=true pip install six"),
        ("run --offline --disable -- pip", "run --offline=true --disable=true -- pip"),
        ("run --offline no pip --offline x", "run --offline no pip --offline x"),
        ("run --timeout 5 --offline pip", "run --timeout 5 --offline=true pip"),
        ("run --timeout=5 --offline=no pip", "run --timeout=5 --offline=no pip"),
        ("run --refresh --offline pip", "run --refresh --offline pip"),
        ("run -- pip --offline x", "run -- pip --offline x"),
        ("doctor --offline", "doctor --offline=true"),
        ("hook install --python x", "hook install --python x"),
    ],
)
def test_a_truth_without_a_value_takes_no_word_of_the_command(words: str, given: str) -> None:
    assert flags.with_values(words.split()) == given.split()


def test_a_command_imports_no_other_one() -> None:
    assert set(line.known(["gc"])[1]) == {"gc"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("columns", "is_wide"), [("80", True), ("12", False)])
def test_a_table_fits_into_a_narrow_terminal(columns: str, is_wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(show, "_by_rich", lambda *_: False)
    monkeypatch.setattr("sys.stdout", out := Terminal())
    show.table(["what", "age"], [["six", "2 h"], ["a longer one", None]])
    wide = "what          age\nsix           2 h\na longer one\n"
    assert out.getvalue() == (wide if is_wide else "what: six\nage: 2 h\n\nwhat: a longer one\n")


def test_a_log_gets_whole_rows_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    show.table(["what"], [["a" * 300], ["\x1b[31mred"]])
    assert capsys.readouterr().out == f"what\n{'a' * 300}\n\\x1b[31mred\n"


def test_rich_draws_without_colours_if_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich", reason="SKIPPED FOR WANT OF RICH")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout", out := Terminal())
    show.table(["what", "[b]"], [["[red]six", ":smile: " + "long " * 20]])
    assert "[red]six" in out.getvalue()
    assert ":smile:" in out.getvalue()
    assert "\x1b[3" not in out.getvalue()
    assert max(len(re.sub("\x1b\\[[0-9;]*m", "", line)) for line in out.getvalue().splitlines()) <= 40


@pytest.mark.posix("a bash of its own")
def test_a_shell_completes_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "bash"])
    assert ended.value.code == 0
    script = capsys.readouterr().out
    for words, expected in (("pu", "purge"), ("purge --dry", "--dry-run")):
        last = words.split()[-1]
        asked = f"COMP_WORDS=(cachedindex {words}); COMP_CWORD={len(words.split())}; _shtab_cachedindex x {last} y"
        shell = ["bash", "-c", f'{script}\n{asked}; echo "${{COMPREPLY[@]}}"']
        ran = subprocess.run(shell, capture_output=True, text=True, check=True)
        assert ran.stdout.split() == [expected]


def test_without_shtab_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["--print-completion", "zsh"]) == 2
    assert "cachedindex[completion]" in capsys.readouterr().err
