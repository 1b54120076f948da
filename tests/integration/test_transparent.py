"""`cachedindex run` against env(1): the command gets the same, and whoever started us sees the same.

`docs/reference/command-line.md` has a table of what is passed on, by these tests.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import SOURCE

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="SKIPPED FOR WANT OF /proc")

RUN = f"{sys.executable} -m cachedindex run --"
BELOW, IN_PLACE = RUN, f"{sys.executable} -m cachedindex run --disable true --"
BOTH = pytest.mark.parametrize("wrapper", [BELOW, IN_PLACE], ids=["below", "in place"])
_LACKING = "vars(signal).pop('sigtimedwait', None); runpy.run_module('cachedindex', None, '__main__')"
POLLING = f'{sys.executable} -c "import runpy, signal; {_LACKING}" run --'
"""On a system that has no sigtimedwait(2), as macOS, or a Python without it, as PyPy."""
_WAYS = {"waiting": RUN, "polling": POLLING} if hasattr(signal, "sigtimedwait") else {"polling": RUN}
WAITING = pytest.mark.parametrize("wrapper", _WAYS.values(), ids=_WAYS)
OURS = ("CACHEDINDEX_", "VIRTUALENV_CACHEDINDEX_", "PYTHONPATH=", "PIP_DISABLE_PIP_VERSION_CHECK=")
MINE = re.compile(r"(pipe|socket|anon_inode):\[?\w+\]?|(/proc/)\d+/")

Shell = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shell(environment: Mapping[str, str], tmp_path: Path) -> Shell:
    """Give a function that runs a line of bash in a new folder."""

    def shell(line: str) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "work"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return subprocess.run(
            ["bash", "-c", line], env={**environment, "PYTHONPATH": SOURCE}, cwd=folder, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    return shell


def without_ours(text: str) -> list[str]:
    lines = [line for line in re.split("[\n\0]", text) if not line.startswith(OURS) and not line.startswith("_=")]
    return [MINE.sub(r"\1\2", line) for line in lines]


def wrapped(code: str) -> str:
    """Return a line that runs code of Python, which then executes the wrapper in its place.

    SIGPIPE and SIGXFSZ are the two that a Python cannot hand on, as it ignores them from its start.
    """
    code = f"{code}; signal.signal(signal.SIGPIPE, signal.SIG_DFL); signal.signal(signal.SIGXFSZ, signal.SIG_DFL)"
    return f"exec {sys.executable} -c 'import os, signal, sys; {code}; os.execvp(sys.argv[1], sys.argv[1:])' "


IS_PYPY = sys.implementation.name == "pypy"
IGNORED = "HUP QUIT TERM USR1 ALRM TSTP WINCH" + ("" if IS_PYPY else " INT CHLD")
"""PyPy catches SIGINT from its start, and says of no signal whether whoever started it ignores that."""
STATUS = "grep -E '^(Sig(Blk|Ign)|Umask|NoNewPrivs|Cap)' /proc/self/status"
GIVEN = {
    "environment": ("exec env -i 'A b=1' 'BASH_FUNC_f%%=() { :; }' LC_CTYPE=C E= PATH=/usr/bin ", "env"),
    "an environment without a locale": ("exec env -i PATH=/usr/bin ", "env"),
    "arguments": ("exec ", "cat /proc/self/cmdline - -- --help --offline"),
    "descriptors": ("exec 7</etc/passwd 9>log 12<>/dev/zero; exec ", "find /proc/self/fd -printf '%p %l\\n'"),
    "a process substitution": ("exec ", "cat <(echo one) <(echo two)"),
    "closed stdin and stderr": ("exec <&- 2>&-; exec ", "find /proc/self/fd -printf '%p %l\\n'"),
    "no standard streams": ("exec <&- >&- 2>&-; exec ", "find /proc/self/fd -fprintf out '%p %l\\n'"),
    "ignored signals": (f"trap '' {IGNORED}; exec ", STATUS),
    "blocked signals": (wrapped("signal.pthread_sigmask(signal.SIG_BLOCK, [1, 3, 14, 17, 18, 20, 40])"), STATUS),
    "umask": ("umask 027; exec ", STATUS),
    "limits": ("ulimit -n 60; ulimit -c 0; ulimit -f 5000; ulimit -s 4000; exec ", "cat /proc/self/limits"),
    "niceness": ("exec nice -n 7 ", "nice"),
    "a folder that is gone": ("mkdir gone; cd gone; rmdir ../gone; exec ", "readlink /proc/self/cwd"),
    "a process of its own group": ("set -m; exec ", "sh -c 'ps -o pgid=,sid=,tty= $$ | wc -w'"),
    "stdin": ("echo in | ", "cat"),
    "a script without #!": ('echo \'echo ran "$0" "$@"\' > s; chmod +x s; exec ', "./s a b"),
    "such a script on PATH": ("echo 'echo ran \"$@\"' > s; chmod +x s; PATH=/nowhere::$PATH; exec ", "s a b"),
    "an exit code above 127": ("exec ", "sh -c 'exit 200'"),
    "a signal": ("exec ", "sh -c 'kill -TERM $$'"),
    "a signal that cannot be caught": ("exec ", "sh -c 'kill -KILL $$'"),
    "a signal of real time": ("exec ", "sh -c 'kill -40 $$'"),
    "a timer": (wrapped("signal.setitimer(signal.ITIMER_REAL, 1.5)"), "sleep 60"),
}


@pytest.mark.parametrize("name", GIVEN)
@BOTH
def test_the_command_gets_and_gives_what_it_would_without_us(shell: Shell, wrapper: str, name: str) -> None:
    if IS_PYPY and name == "a folder that is gone":
        pytest.skip("SKIPPED ON PYPY: `pypy3 -m` itself does not start there")
    before, command = GIVEN[name]
    by_us, by_env = (shell(f"{before} {each} {command}") for each in (f"env PYTHONPATH={SOURCE} {wrapper}", "env"))
    assert by_us.returncode == by_env.returncode
    assert without_ours(by_us.stdout) == without_ours(by_env.stdout)
    assert by_us.stderr == by_env.stderr


@BOTH
def test_an_ignored_sigchld_loses_no_exit_code(shell: Shell, wrapper: str) -> None:
    assert shell(f"trap '' CHLD; exec {wrapper} sh -c 'exit 3'").returncode == 3


@pytest.mark.parametrize(
    ("command", "code"), [("no-such", 127), ("./no-such", 127), ("''", 127), ("-x", 127), ("/etc/passwd", 126),
                          ("/etc/passwd/x", 126), ("/", 126)],
)  # fmt: skip
@BOTH
def test_what_cannot_be_run_ends_as_with_env(shell: Shell, wrapper: str, command: str, code: int) -> None:
    ran = shell(f"{wrapper} {command}")
    assert ran.returncode == code == shell(f"env -- {command}").returncode
    assert re.fullmatch(r"cachedindex run: .*: .*\n", ran.stderr)


def test_options_after_the_command_are_its_own(shell: Shell) -> None:
    assert shell(f"{RUN.removesuffix(' --')} echo -q --offline -- x").stdout == "-q --offline -- x\n"
    assert shell(f"{RUN} sh -c 'echo $0 $1' -- --").stdout == "-- --\n"


def test_a_make_finds_its_job_server(shell: Shell) -> None:
    if not shutil.which("make"):
        pytest.skip("SKIPPED FOR WANT OF make")
    makefile = f"a:\\n\\t+{RUN} $(MAKE) -f m two\\ntwo: b c\\nb c:\\n\\t@echo $(MAKEFLAGS)\\n"
    ran = shell(f"printf '{makefile}' > m; make -f m -j4 a")
    assert "jobserver" in ran.stdout
    assert "warning" not in ran.stderr


def test_without_a_process_to_be_had_the_command_takes_our_place(shell: Shell) -> None:
    """The limit holds for no root; so the system call is made to fail, as it then does."""
    code = (
        "import os, errno, sys\n"
        "def fork(): raise BlockingIOError(errno.EAGAIN, 'no')\n"
        "os.fork = fork\n"
        "from cachedindex.__main__ import command_line; command_line()\n"
    )
    ran = shell(f"exec {sys.executable} -c \"{code}\" run -- sh -c 'echo $$ ${{CACHEDINDEX_RUN-none}}; exit 4'")
    assert re.fullmatch(r"\d+ none\n", ran.stdout), ran
    assert (ran.returncode, ran.stderr) == (4, "")


def test_a_run_within_a_run_takes_no_process(shell: Shell) -> None:
    ran = shell(f"{RUN} {RUN} sh -c 'ps -o args= $PPID'")
    assert ran.stdout.count("cachedindex run") == 2, "the outer one is the parent"


COUNTS = """
import os, signal, sys, time
number = int(sys.argv[1])
seen = []
signal.signal(number, lambda *_: seen.append(1))
signal.signal(signal.SIGUSR2, lambda *_: (print(len(seen)), sys.exit(9)))
print(os.getpid(), flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("to", ["group", "process"])
@WAITING
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGWINCH,
                                    signal.SIGUSR1, signal.SIGABRT, signal.SIGALRM, signal.SIGCONT, signal.SIGTSTP,
                                    40])  # fmt: skip
def test_a_signal_reaches_the_command_once(environment: Mapping[str, str], wrapper: str, number: int, to: str) -> None:
    command = [*shlex.split(wrapper), sys.executable, "-c", COUNTS, str(int(number))]
    with started(command, environment) as (process, pid):
        if to == "group":
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        settled(pid, process.pid)
        os.kill(pid, signal.SIGUSR2)
        assert process.communicate(timeout=60)[0] == "1\n"
        assert process.returncode == 9


@WAITING
def test_the_group_is_killed_as_one(environment: Mapping[str, str], wrapper: str) -> None:
    with started([*shlex.split(wrapper), sys.executable, "-c", COUNTS, "1"], environment) as (process, pid):
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
        gone(pid)


@WAITING
def test_a_kill_of_us_kills_the_command(environment: Mapping[str, str], wrapper: str) -> None:
    with started([*shlex.split(wrapper), sys.executable, "-c", COUNTS, "1"], environment) as (process, pid):
        process.kill()
        gone(pid)


def test_the_other_end_of_a_pipe_sees_that_the_command_closed_it(environment: Mapping[str, str]) -> None:
    command = [*RUN.split(), "sh", "-c", "echo $$; exec >&-; exec sleep 60"]
    with started(command, environment) as (process, pid):
        assert process.stdout is not None
        assert process.stdout.read() == "", "it has ended, and the command has not"
        os.kill(pid, signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL


@WAITING
def test_a_command_that_stops_stops_us_and_goes_on_with_us(environment: Mapping[str, str], wrapper: str) -> None:
    command = [*shlex.split(wrapper), "sh", "-c", "echo $$; read line; kill -STOP $$; exit 6"]
    with started(command, environment, stdin=subprocess.PIPE) as (process, _):
        assert process.stdin is not None
        print(file=process.stdin, flush=True)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert os.WSTOPSIG(status) == signal.SIGSTOP
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 6


@WAITING
def test_a_stopped_group_goes_on(environment: Mapping[str, str], wrapper: str) -> None:
    with started([*shlex.split(wrapper), sys.executable, "-c", COUNTS, "1"], environment) as (process, pid):
        for _ in range(2):
            os.killpg(process.pid, signal.SIGSTOP)
            assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
            process.send_signal(signal.SIGCONT)
            until(lambda: state(pid) == "S")
        os.kill(pid, signal.SIGUSR2)
        assert process.wait(60) == 9


WITNESSED = """
import os, signal, sys
from cachedindex.run import witness
from cachedindex.run.command import _Below
witness._PATIENCE = 0.3
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
command = os.fork()
if not command:
    os.setpgid(0, 0)
    signal.sigwait({signal.SIGUSR1})
    os._exit(0)
seen = witness.Witness(command)

def stop():
    os.kill(seen.pid, signal.SIGSTOP)
    os.waitpid(seen.pid, os.WUNTRACED)

try:
    exec(sys.argv[1])
finally:
    seen.dismiss()
    os.kill(command, signal.SIGKILL)
"""


LATE = """
stop()
late = seen.has_seen(signal.SIGHUP)
os.kill(seen.pid, signal.SIGTERM)
os.kill(seen.pid, signal.SIGCONT)
print(late, seen.has_seen(signal.SIGTERM), seen.has_seen(signal.SIGHUP))
"""
"""An answer that comes late is none to the next question."""
GROUP = """
below = _Below(command, None)
below._witness = seen
stop()
below._stop(signal.SIGSTOP)
print(False, seen.is_stopped(), below._was_witness_stopped)
"""
"""We were stopped with the group, and somebody has continued us: we do not stop by ourselves after that."""


@pytest.mark.parametrize("code", [LATE, GROUP], ids=["late", "group"])
def test_what_the_witness_saw(environment: Mapping[str, str], code: str) -> None:
    command = [sys.executable, "-c", WITNESSED, code]
    environ = {**environment, "PYTHONPATH": SOURCE}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert os.WIFEXITED(os.waitpid(process.pid, os.WUNTRACED)[1]), "it has stopped"
            assert process.stdout.read() == "False True False\n"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


ENDS_AT_ONCE = """
import os, sys, threading
from cachedindex.run import command

class Witness(command.Witness):
    def __init__(self, pid):
        super().__init__(pid)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

command.Witness = Witness
threading.Thread(target=threading.Event().wait, daemon=True).start()
sys.exit(command.run_below(["sh", "-c", "exit 9"], os.environ))
"""


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="SKIPPED: this Python has no waitid")
def test_a_command_that_ends_before_we_wait_beside_a_thread(environment: Mapping[str, str]) -> None:
    """The thread gets SIGCHLD then, as one that still asks the index of a uv: the run did not end."""
    command = [sys.executable, "-W", "ignore", "-c", ENDS_AT_ONCE]
    assert subprocess.run(command, env={**environment, "PYTHONPATH": SOURCE}, timeout=60, check=False).returncode == 9


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Of what else runs in the process of the tests.
@WAITING
def test_job_control_in_a_terminal(environment: Mapping[str, str], tmp_path: Path, wrapper: str) -> None:
    """^Z stops the job, fg continues it, the window's size is the command's to read, and ^C ends it once."""
    terminal = Terminal({**environment, "PYTHONPATH": SOURCE, "PS1": "> ", "TERM": "dumb"}, tmp_path)
    try:
        terminal.says("> ")
        traps = 'trap "echo got it; exit 5" INT; trap "echo continued" CONT'
        # No program below this shell: dash waits in vfork(2) for a child that is stopped before it executes.
        terminal.types(f"{wrapper} sh -c '{traps}; echo rea''dy; while :; do read line; done'\n")
        terminal.says("ready\r\n")
        terminal.types("\x1a")
        terminal.says("Stopped")
        terminal.types("fg\n")
        terminal.says("\ncontinued\r\n")
        terminal.types("\x03")
        terminal.says("got it\r\n")
        terminal.types("echo code $?\n")
        assert terminal.says("code 5\r\n").count("got it") == 0, "twice"
        terminal.types(f"stty rows 33 cols 77; {wrapper} stty size\n")
        terminal.says("33 77\r\n")
    finally:
        terminal.close()


class Terminal:
    """An interactive bash in a terminal of its own."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._pid, self._screen = pty.fork()
        if not self._pid:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # A background job ignores it, and so would all below.
            os.chdir(folder)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], dict(environ))

    def types(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def says(self, text: str) -> str:
        """Return what was printed up to a text; a test fails if it does not come."""
        found = ""
        while text not in found:
            assert select.select([self._screen], [], [], 60)[0], found
            found += os.read(self._screen, 1).decode(errors="replace")
        return found

    def close(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._screen)


class started:  # noqa: N801 - used as a function
    """Start a command in a session of its own, which prints its process number first; nothing of it is left."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], stdin: int = subprocess.DEVNULL) -> None:
        variables = {**environ, "PYTHONPATH": SOURCE, "TMPDIR": environ["HOME"]}
        self._process = subprocess.Popen(
            command, env=variables, stdin=stdin, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def __enter__(self) -> tuple[subprocess.Popen[str], int]:
        assert self._process.stdout is not None
        return self._process, int(self._process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(60)
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()


def state(pid: int) -> str:
    """Return a process's state, as ps has it; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def until(holds: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)


def gone(pid: int) -> None:
    until(lambda: state(pid) in ("", "Z"))


def settled(*pids: int) -> None:
    """Wait until these processes sleep, with no signal that is still to be delivered."""

    def idle() -> bool:
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
        pending = [re.findall(r"(?:Sig|Shd)Pnd:\s*(\S+)", text) for text in texts]
        return all(set(found) == {"0" * 16} for found in pending) and all(state(pid) == "S" for pid in pids)

    for _ in range(3):
        until(idle)
        time.sleep(0.02)
