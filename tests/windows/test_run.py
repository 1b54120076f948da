"""`cachedindex run` on Windows: which program it finds, and how it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran, Run

ENDED_BY_BREAK = 0xC000013A
"""STATUS_CONTROL_C_EXIT."""


def script(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"@{text}\n")


def with_path(environment: dict[str, str], *folders: Path) -> str:
    return os.pathsep.join([*map(str, folders), environment["PATH"]])


def test_a_script_on_the_path_is_found_and_its_exit_code_is_ours(
    command: Callable[..., Ran], environment: dict[str, str], tmp_path: Path
) -> None:
    script(tmp_path / "bin", "tool.cmd", "echo %1& exit /b 7")
    ran = command("run", "--", "tool", "word", PATH=with_path(environment, tmp_path / "bin"))
    assert (ran.code, ran.out.strip(), ran.err) == (7, "word", "")


def test_a_script_gets_the_words_that_it_was_given(
    command: Callable[..., Ran], environment: dict[str, str], tmp_path: Path
) -> None:
    """Whatever cmd.exe, which runs it, would do with them: it would write a file "=1"."""
    script(tmp_path / "bin", "tool.cmd", f'"{sys.executable}" -c "import sys; print(sys.argv[1:])" %*')
    words = ["six>=1", "a b", 'x"&echo 1>there&"y', 'z\\"', ""]
    ran = command("run", "--", "tool", *words, PATH=with_path(environment, tmp_path / "bin"))
    assert (ran.code, ran.out.strip()) == (0, str(words))
    assert not (tmp_path / "=1").exists()
    assert not (tmp_path / "there").exists()


def test_a_percent_sign_begins_no_variable(
    command: Callable[..., Ran], environment: dict[str, str], tmp_path: Path
) -> None:
    if hasattr(ctypes.CDLL("ntdll"), "wine_get_version"):
        pytest.skip("SKIPPED BELOW WINE: its cmd.exe has no `%cd:~,%`")
    script(tmp_path / "bin", "tool.cmd", f'"{sys.executable}" -c "import sys; print(sys.argv[1:])" %*')
    words = ["100%", "%PATH%", "%CMDCMDLINE:~-1%&echo 1>there"]
    ran = command("run", "--", "tool", *words, PATH=with_path(environment, tmp_path / "bin"))
    assert (ran.code, ran.out.strip()) == (0, str(words))
    assert not (tmp_path / "there").exists()


def test_the_order_is_that_of_the_path(
    command: Callable[..., Ran], environment: dict[str, str], tmp_path: Path
) -> None:
    """CreateProcess looks into the folder of the running Python first: in an activated environment, the base one's."""
    script(tmp_path / "bin", "python.cmd", "echo mine")
    ran = command("run", "--", "python", PATH=with_path(environment, tmp_path / "bin"))
    assert (ran.code, ran.out.strip()) == (0, "mine")


def test_a_command_that_is_not_there(command: Callable[..., Ran]) -> None:
    ran = command("run", "--", "no-such-tool")
    assert ran.code == 127
    (line,) = ran.err.splitlines()
    assert line.startswith("cachedindex run: no-such-tool: not found")


@pytest.mark.parametrize("code", [0, 7, 0xC0000005, 0xFFFFFFFF])
def test_every_exit_code_is_the_commands(run: Run, command: Callable[..., Ran], code: int) -> None:
    ends = (sys.executable, "-c", f"import ctypes; ctypes.windll.kernel32.ExitProcess(ctypes.c_uint({code}))")
    assert run(*ends).code == code
    assert command("run", "--", *ends).code == code


@pytest.mark.parametrize("handles", [True, False])
def test_an_interrupt_is_the_commands_business(environment: dict[str, str], handles: bool) -> None:
    """Ctrl-Break, which, unlike Ctrl-C, can be sent to the processes of one group of a console alone."""
    code = f"""
import os, signal, sys, time
if {handles}:
    signal.signal(signal.SIGBREAK, lambda *_: sys.exit(7))
print(os.getpid(), flush=True)
while True:
    time.sleep(0.05)
"""
    words = [sys.executable, "-m", "cachedindex", "run", "--", sys.executable, "-c", code]
    pipe, group = subprocess.PIPE, subprocess.CREATE_NEW_PROCESS_GROUP  # type: ignore[attr-defined]
    with subprocess.Popen(
        words, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True, creationflags=group
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            process.send_signal(signal.CTRL_BREAK_EVENT)  # type: ignore[attr-defined]
        except OSError as error:
            process.kill()
            os.kill(child, signal.SIGTERM)  # It would go on, as what a killed process has started does.
            pytest.skip(f"SKIPPED FOR WANT OF A CONSOLE: {error}")
        _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert process.returncode == (7 if handles else ENDED_BY_BREAK)
