"""`cachedindex run`: exit codes, signals, streams and mistakes as a shell user expects them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import Run

CACHEDINDEX = (sys.executable, "-m", "cachedindex")


@pytest.mark.parametrize("code", [0, 1, 42])
def test_the_exit_code_is_the_commands(run: Run, code: int) -> None:
    ran = run(*CACHEDINDEX, "run", "--", sys.executable, "-c", f"import sys; print('out'); sys.exit({code})")
    assert (ran.code, ran.out, ran.err) == (code, "out\n", "")


def test_a_command_that_a_signal_ends_ends_us_the_same_way(run: Run) -> None:
    ran = run(*CACHEDINDEX, "run", "--", sys.executable, "-c", "import os; os.kill(os.getpid(), 15)")
    assert ran.code == -signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_reach_the_command(environment: Mapping[str, str], number: int) -> None:
    code = f"""
import signal, sys
signal.signal({number}, lambda *_: sys.exit(7))
print("ready", flush=True)
signal.pause()
"""
    command = [*CACHEDINDEX, "run", "--", sys.executable, "-c", code]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(60) == 7


def test_stdin_is_the_commands(environment: Mapping[str, str]) -> None:
    command = [*CACHEDINDEX, "run", "--", "cat"]
    ran = subprocess.run(command, env=environment, input=b"in", capture_output=True, check=True)
    assert ran.stdout == b"in"


@pytest.mark.parametrize(("command", "code"), [("/no/such/command", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_be_run(run: Run, command: str, code: int) -> None:
    ran = run(*CACHEDINDEX, "run", "--", command)
    assert ran.code == code
    assert ran.err.startswith(f"cachedindex run: {command}: ")
    assert len(ran.err.splitlines()) == 1


def test_a_wrong_option_of_the_commands_own_is_an_error(run: Run) -> None:
    ran = run(*CACHEDINDEX, "run", "--timeout", "soon", "--", "true")
    assert ran.code == 2
    assert ran.ours[0].startswith("cachedindex: cachedindex run: timeout = soon: write a number of seconds")


def test_a_wrong_option_in_the_environment_is_one_warning_for_all_processes(run: Run) -> None:
    code = "from cachedindex import config; from cachedindex.assembly import assemble; assemble(config.load())"
    command = (sys.executable, "-c", code)
    ran = run(*CACHEDINDEX, "run", "--", *CACHEDINDEX, "run", "--", *command, CACHEDINDEX_TTL="3")
    assert ran.code == 0
    assert ran.ours == ["cachedindex: environment: ttl: there is no such option; did you mean index-ttl? (ignored)"]


def test_nothing_is_left_behind(run: Run, tmp_path: Path) -> None:
    assert run(*CACHEDINDEX, "run", "--", "true").code == 0
    assert [path.name for path in (tmp_path / "home").iterdir()] == []
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_disabled_run_only_runs(run: Run, tmp_path: Path) -> None:
    ran = run(*CACHEDINDEX, "run", "--disable", "yes", "--", sys.executable, "-c", "import sys; print(sys.path)")
    assert ran.code == 0
    assert "hook" not in ran.out
    assert not (tmp_path / "cache").exists()


def test_options_reach_the_processes_below(run: Run, tmp_path: Path) -> None:
    code = "from cachedindex import config; print(config.load().settings)"
    options = ("--timeout", "7", "--cache-dir", "relative", "--refresh", "six flask")
    ran = run(*CACHEDINDEX, "run", *options, "--", sys.executable, "-c", code, CACHEDINDEX_TIMEOUT="9")
    assert "timeout=7.0" in ran.out
    assert f"cache_dir='{tmp_path / 'relative'}'" in ran.out
    assert "refresh=('six', 'flask')" in ran.out
