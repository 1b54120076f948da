"""`cachedindex run`: exit codes, signals, streams and mistakes as a shell user expects them."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import SOURCE, Run

CACHEDINDEX = (sys.executable, "-m", "cachedindex")


@pytest.mark.parametrize("code", [0, 1, 42])
def test_the_exit_code_is_the_commands(run: Run, code: int) -> None:
    ran = run(*CACHEDINDEX, "run", "--", sys.executable, "-c", f"import sys; print('out'); sys.exit({code})")
    assert (ran.code, ran.out, ran.err) == (code, "out\n", "")


@pytest.mark.posix("signals")
def test_a_command_that_a_signal_ends_ends_us_the_same_way(run: Run) -> None:
    ran = run(*CACHEDINDEX, "run", "--", sys.executable, "-c", "import os; os.kill(os.getpid(), 15)")
    assert ran.code == -signal.SIGTERM


@pytest.mark.posix("signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_reach_the_command(environment: Mapping[str, str], name: str) -> None:
    number = getattr(signal, name)
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
        assert ended(process) == 7


@pytest.mark.posix("signals")
def test_an_interrupt_that_no_terminal_sent_reaches_the_command(environment: Mapping[str, str]) -> None:
    code = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
print("ready", flush=True)
signal.pause()
"""
    command = [*CACHEDINDEX, "run", "--", sys.executable, "-c", code]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert ended(process) == 7


@pytest.mark.posix("signals")
def test_a_command_that_is_killed_kills_us(run: Run) -> None:
    ran = run(*CACHEDINDEX, "run", "--", "sh", "-c", "kill -9 $$")
    assert (ran.code, ran.err) == (-signal.SIGKILL, "")


@pytest.mark.linux("/dev/full")
@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-"])
def test_a_log_that_takes_nothing_breaks_nothing(run: Run, redirected: str) -> None:
    line = f"{sys.executable} -m cachedindex run -- echo built {redirected}"
    ran = run("sh", "-c", line, CACHEDINDEX_TTL="3")
    assert (ran.code, ran.out) == (0, "built\n")


@pytest.mark.parametrize("variables", [{"CACHEDINDEX_CACHE_DIR": "~nobody-knows/x"}, {"CACHEDINDEX_CACHE_DIR": ""}])
def test_a_user_without_an_account_builds_all_the_same(run: Run, tmp_path: Path, variables: dict[str, str]) -> None:
    if not shutil.which("setpriv") or os.geteuid() != 0:
        pytest.skip("SKIPPED FOR WANT OF ROOT: only root can become a user without an account")
    ran = run(
        "setpriv", "--reuid", "12345", "--clear-groups", "env", "-u", "HOME", "-u", "XDG_CACHE_HOME",
        "/usr/bin/python3", "-c", NOBODY, SOURCE, cwd=Path("/"), TMPDIR="/tmp", **variables,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.out == "built\n"


NOBODY = """
import sys
sys.path.insert(0, sys.argv[1])
from cachedindex.__main__ import main
sys.exit(main(["run", "--", "echo", "built"]))
"""


TELL_RUN = (sys.executable, "-c", "import os; name = os.environ['CACHEDINDEX_RUN']; print(name, os.path.isdir(name))")


def test_a_leftover_of_an_ended_run_is_no_run(run: Run, tmp_path: Path) -> None:
    ran = run(*CACHEDINDEX, "run", "--", *TELL_RUN, CACHEDINDEX_RUN=str(tmp_path / "gone"))
    assert ran.out.endswith(" True\n")


@pytest.mark.posix("modes")
@pytest.mark.parametrize("kind", ["others may write", "another user's", "a link"])
def test_a_folder_that_others_may_have_made_is_no_run(run: Run, tmp_path: Path, kind: str) -> None:
    """Once a run has ended, anybody may make a folder of its name, and in it say which cache is to be used."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    if kind == "others may write":
        folder.chmod(0o777)
    elif kind == "a link":
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    elif os.geteuid() != 0:
        pytest.skip("SKIPPED FOR WANT OF ROOT: only root can give a folder to another user")
    else:
        os.chown(folder, 12345, 12345)
    ran = run(*CACHEDINDEX, "run", "--", *TELL_RUN, CACHEDINDEX_RUN=str(folder))
    assert ran.out.endswith(" True\n")
    assert str(folder) not in ran.out


def test_the_working_folder_stays_on_the_path(run: Run, tmp_path: Path) -> None:
    """An empty part of PYTHONPATH is the folder where a Python is started."""
    (tmp_path / "neighbour.py").write_text("print('found')")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/tool.py").write_text("import neighbour")
    command = (sys.executable, "tools/tool.py")
    paths = ["", str(tmp_path / "nowhere"), str(SOURCE)]
    assert run(*command, PYTHONPATH=os.pathsep.join(paths[:2])).out == "found\n"
    assert run(*CACHEDINDEX, "run", "--", *command, PYTHONPATH=os.pathsep.join(paths)).out == "found\n"


@pytest.mark.posix("users without a home")
def test_a_home_that_is_no_folder_is_no_warning(run: Run) -> None:
    ran = run(*CACHEDINDEX, "run", "--", "true", HOME="/dev/null")
    assert (ran.code, ran.err) == (0, "")


def ended(process: subprocess.Popen[str]) -> int:
    """Return the exit code; a process that does not end fails the test, and not the whole suite."""
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def test_stdin_is_the_commands(environment: Mapping[str, str]) -> None:
    copy = "import sys; sys.stdout.write(sys.stdin.read())"
    command = [*CACHEDINDEX, "run", "--", sys.executable, "-c", copy]
    ran = subprocess.run(command, env=environment, input=b"in", capture_output=True, check=True)
    assert ran.stdout == b"in"


@pytest.mark.posix("a mode that says what is a program")
@pytest.mark.parametrize(("command", "code"), [("/no/such/command", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_be_run(run: Run, command: str, code: int) -> None:
    ran = run(*CACHEDINDEX, "run", "--", command)
    assert ran.code == code
    assert ran.err.startswith(f"cachedindex run: {command}: ")
    assert len(ran.err.splitlines()) == 1


def test_a_wrong_option_of_the_commands_own_is_an_error(run: Run) -> None:
    ran = run(*CACHEDINDEX, "run", "--timeout", "soon", "--", "true")
    assert ran.code == 2
    assert ran.ours[0].startswith("cachedindex: command line: timeout = soon: write a number of seconds")


def test_a_name_that_is_no_option_is_an_error_with_the_nearest(run: Run) -> None:
    ran = run(*CACHEDINDEX, "run", "--tiemout", "3", "--", "true")
    assert ran.code == 2
    (line,) = ran.ours
    assert line.startswith("cachedindex: command line: --tiemout: there is no such option; did you mean --timeout?")


@pytest.mark.posix("a shell like that")
def test_a_command_needs_no_dashes(run: Run) -> None:
    assert run(*CACHEDINDEX, "run", "--timeout", "3", "echo", "-q", "built").out == "-q built\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("-U", "echo"), "-U: there is no such option; options of the command that is run stand behind it"),
        ((), "there is no command; write cachedindex run -- COMMAND"),
        (("--",), "there is no command; write cachedindex run -- COMMAND"),
    ],
)
def test_a_line_without_a_command_or_with_an_unknown_option_is_an_error(
    run: Run, words: tuple[str, ...], why: str
) -> None:
    ran = run(*CACHEDINDEX, "run", *words)
    assert (ran.code, ran.ours) == (2, [f"cachedindex: command line: {why}"])


@pytest.mark.parametrize("words", [("--offline",), ("--offline", "yes"), ("--offline=true",)])
def test_what_is_true_or_false_needs_no_value(run: Run, words: tuple[str, ...]) -> None:
    code = "from cachedindex import sources; print(sources.load().settings.offline)"
    ran = run(*CACHEDINDEX, "run", *words, "--", sys.executable, "-c", code)
    assert (ran.code, ran.out) == (0, "True\n")


def test_an_empty_folder_is_an_error(run: Run, tmp_path: Path) -> None:
    ran = run(*CACHEDINDEX, "run", "--cache-dir", "", "--", "true")
    assert ran.code == 2
    assert "command line: cache-dir = : write the path of a folder" in ran.err


@pytest.mark.posix("a shell like that")
def test_all_processes_share_a_relative_folder(run: Run, tmp_path: Path) -> None:
    code = "from cachedindex import sources; print(sources.load().settings.cache_dir)"
    (tmp_path / "below").mkdir()
    line = f"cd below && {sys.executable} -c '{code}'"
    ran = run(*CACHEDINDEX, "run", "--", "sh", "-c", line, CACHEDINDEX_CACHE_DIR="kept")
    assert ran.out.strip() == str(tmp_path / "kept")


def test_a_wrong_option_in_the_environment_is_one_warning_for_all_processes(run: Run) -> None:
    code = "from cachedindex.process import join; join('test')"
    command = (sys.executable, "-c", code)
    ran = run(*CACHEDINDEX, "run", "--", *CACHEDINDEX, "run", "--", *command, CACHEDINDEX_TTL="3")
    assert ran.code == 0
    assert ran.ours == [
        (
            "cachedindex: environment: CACHEDINDEX_TTL: there is no such option; "
            "did you mean CACHEDINDEX_INDEX_TTL? (ignored)"
        )
    ]


def test_nothing_is_left_behind(run: Run, tmp_path: Path) -> None:
    assert run(*CACHEDINDEX, "run", "--", sys.executable, "-c", "").code == 0
    assert [path.name for path in (tmp_path / "home").iterdir()] == []
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_disabled_run_only_runs(run: Run, tmp_path: Path) -> None:
    ran = run(*CACHEDINDEX, "run", "--disable", "yes", "--", sys.executable, "-c", "import sys; print(sys.path)")
    assert ran.code == 0
    assert f"cachedindex{os.sep}hook" not in ran.out
    assert not (tmp_path / "cache").exists()


def test_options_reach_the_processes_below(run: Run, tmp_path: Path) -> None:
    code = "from cachedindex import sources; print(sources.load().settings)"
    options = ("--timeout", "7", "--cache-dir", "relative", "--refresh", "six flask")
    ran = run(*CACHEDINDEX, "run", *options, "--", sys.executable, "-c", code, CACHEDINDEX_TIMEOUT="9")
    assert "timeout=7.0" in ran.out
    assert f"cache_dir={str(tmp_path / 'relative')!r}" in ran.out
    assert "refresh=('six', 'flask')" in ran.out


@pytest.mark.posix("a shell like that")
@pytest.mark.parametrize("disable", [False, True])
def test_offline_reaches_a_uv_at_any_depth(run: Run, tmp_path: Path, disable: bool) -> None:
    code = "import os; print(os.environ.get('UV_OFFLINE'), os.environ.get('CACHEDINDEX_OFFLINE'))"
    file = tmp_path / "node.cfg"
    file.write_text("[cachedindex]\noffline = yes\n")
    variables = {"CACHEDINDEX_CONFIG": str(file), "CACHEDINDEX_DISABLE": str(disable)}
    shell = shlex.join([sys.executable, "-c", code])
    ran = run(*CACHEDINDEX, "run", "--", "sh", "-c", shell, UV_OFFLINE="0", **variables)
    assert ran.out.split() == (["0", "None"] if disable else ["1", "true"])


def test_what_cannot_be_kept_offline_is_refused(run: Run) -> None:
    ran = run(*CACHEDINDEX, "run", "--offline", "--", "uv", "--no-offline", "sync")
    assert (ran.code, len(ran.ours)) == (2, 1)
    assert "uv --no-offline: it could reach the network" in ran.err
