"""`cachedindex run -- CMD…`: run a command, with every pip below it covered, and say at the end what was stale."""

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
from cachedindex.options import Settings
from cachedindex.process import Process, assemble
from cachedindex.run import environment
from cachedindex.run.folder import Run
from cachedindex.run.report import Report, finish, say

_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_FORWARDED = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGQUIT")
_FROM_TERMINAL = ("SIGINT", "SIGQUIT")
"""What a terminal sends to the whole foreground group, the command included."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command to the command line's parser."""
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
    """Run the command and return its exit code; SettingsError for an option that is wrong."""
    loaded, environ = flags.load(arguments)
    own = store = None
    offline: Mapping[str, str] = {}
    if not loaded.settings.disable:
        try:
            # A run within a run is a part of it.
            own = None if Run.handed_down(environ) else Run.begin()
            process = assemble(loaded, run=own)
            store = process.store
            if store:
                # Whatever folders they are, the processes below share them, wherever they change to.
                folders = {"cache-dir": store.root, "lock-dir": sources.lock_folder(loaded.settings, store.root)}
                handed = {name: str(folder) for name, folder in folders.items()}
                environ = {**environ, **environment.for_children(environ, own, handed)}
                offline = _for_uv(arguments.command, process, loaded.settings, environ)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
            Report().broken(error)
    code = 1
    try:
        code = _spawn(arguments.command, {**environ, **offline})
        if offline and _may_run_again(arguments.command, code):
            say("the cache of uv does not suffice, or it failed of something else; uv is run again, online")
            code = _spawn(arguments.command, environ)
        return code
    finally:
        if own:
            finish(own, store, failed=code != 0)


def _for_uv(
    command: Sequence[str], process: Process, settings: Settings, environ: Mapping[str, str]
) -> Mapping[str, str]:
    if Path(command[0]).name not in ("uv", "uvx"):
        return {}
    from cachedindex.clients.uv import offline  # noqa: PLC0415 - it takes urllib, which no other command needs

    return offline.environment(command, process, settings, environ)


def _may_run_again(command: Sequence[str], code: int) -> bool:
    from cachedindex.clients.uv import offline  # noqa: PLC0415 - as above

    return offline.may_run_again(command, code)


def _spawn(command: Sequence[str], environ: Mapping[str, str]) -> int:
    try:
        child = subprocess.Popen(command, env=environ)  # noqa: S603 - it is what the user asked for
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
    """Let the child decide what a signal means."""

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
    """Return whether a terminal has us in its foreground: then its ^C reached the command as well."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:  # There is none: in a CI job nobody but a program sends signals.
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
