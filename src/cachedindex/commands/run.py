"""`cachedindex run -- COMMAND`: run a command, cover every pip below it, and report at the end what was stale."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from cachedindex import sources
from cachedindex.commands import flags
from cachedindex.process import Process, join
from cachedindex.run.report import say

_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_FORWARDED = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGQUIT")
_FROM_TERMINAL = ("SIGINT", "SIGQUIT")
"""The signals that a terminal sends to the whole foreground group, the command included."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = commands.add_parser(
        "run",
        help="run a command whose pips survive an index that does not answer",
        usage="cachedindex run [options] -- COMMAND [ARGUMENT ...]",
        description="Run a command. Every pip that it starts, at any depth, looks things up through the cache.",
        allow_abbrev=False,
    )
    flags.add_to(parser)
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the command and its arguments, after --")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code; SettingsError for a wrong option."""
    loaded, environ = flags.load(arguments)
    process = join("run", loaded, begin=True)
    process.failed = True  # Until the command has succeeded.
    try:
        offline = _prepare(process, arguments.command, environ)
        environ = {**environ, **process.children}
        code = _spawn(arguments.command, {**environ, **offline})
        if offline and _may_run_again(arguments.command, code):
            say("uv failed on its own cache; it is run again, online")
            code = _spawn(arguments.command, environ)
        process.failed = code != 0
        return code
    finally:
        process.finish()


def _prepare(process: Process, command: Sequence[str], environ: Mapping[str, str]) -> Mapping[str, str]:
    """Have the command take part in the run; return the variables that keep a uv offline, for a uv."""
    if process.store is None:
        return {}
    try:
        # Absolute, so that all processes below share these folders, whatever folder they work in.
        folders = {
            "cache-dir": process.store.root,
            "lock-dir": sources.lock_folder(process.settings, process.store.root),
        }
        process.hand_down(environ, {name: str(folder) for name, folder in folders.items()})
        return _for_uv(process, command, {**environ, **process.children})
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
        process.report.internal_error(error)
        return {}


def _for_uv(process: Process, command: Sequence[str], environ: Mapping[str, str]) -> Mapping[str, str]:
    if Path(command[0]).name not in ("uv", "uvx"):
        return {}
    from cachedindex.clients.uv import offline  # noqa: PLC0415 - it imports urllib, which no other command needs

    return offline.offline_variables(process, command, environ)


def _may_run_again(command: Sequence[str], code: int) -> bool:
    from cachedindex.clients.uv import offline  # noqa: PLC0415 - as above

    return offline.may_run_again(command, code)


def _spawn(command: Sequence[str], environ: Mapping[str, str]) -> int:
    try:
        child = subprocess.Popen(command, env=environ)  # noqa: S603 - the user asked for it
    except FileNotFoundError:
        print(f"cachedindex run: {command[0]}: not found", file=sys.stderr)
        return _NOT_FOUND
    except OSError as error:
        print(f"cachedindex run: {command[0]}: {error.strerror}", file=sys.stderr)
        return _NOT_EXECUTABLE
    with _signals_to(child):
        return child.wait()


@contextmanager
def _signals_to(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Forward signals to the child, which decides what they mean."""

    def forward(number: int, _frame: FrameType | None) -> None:
        if signal.Signals(number).name not in _FROM_TERMINAL or not _in_foreground():
            child.send_signal(number)

    numbers = [getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)]
    before = {number: signal.signal(number, forward) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_foreground() -> bool:
    """Return whether this process is in the foreground of a terminal: then ^C reached the command as well."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:  # There is no terminal: in a CI job, only programs send signals.
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
