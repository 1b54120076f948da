"""The command line: parses it, and runs the command."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from cachedindex import __version__, options, standard
from cachedindex.commands import doctor, gc, hook, run
from cachedindex.errors import CachedIndexError, SettingsError

_USAGE_ERROR = 2
_SIGNALLED = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a negative one means a signal, as for subprocess."""
    parser = argparse.ArgumentParser(prog="cachedindex", description="Builds survive a package index that fails.")
    parser.add_argument("--version", action="version", version=f"cachedindex {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (run, hook, gc, doctor):
        command.add_to(commands)
    chosen, unknown = parser.parse_known_args(arguments)
    try:
        _refuse(unknown)
        code: int = chosen.run(chosen)
    except CachedIndexError as error:
        print(f"cachedindex: {error}", file=sys.stderr)
        return _USAGE_ERROR
    return code


def _refuse(unknown: Sequence[str]) -> None:
    """Raise SettingsError for unknown options, with the most similar known one."""
    short = next((argument for argument in unknown if not argument.startswith("--")), None)
    names = [argument.removeprefix("--").partition("=")[0] for argument in unknown if argument.startswith("--")]
    if short and not names:
        why = "there is no such option" if short.startswith("-") else "this command takes options only"
        raise SettingsError(f"command line: {short}: {why}")
    _, problems = options.read(dict.fromkeys(names, ""), "command line", "--{}".format)
    if problems:
        raise SettingsError("\n".join(map(str, problems)))


def command_line() -> None:
    """Exit as the command did, by the same signal if it was one."""
    try:
        with standard.library():  # What argparse imports in its functions, too.
            code = main()
    except KeyboardInterrupt:
        code = -signal.SIGINT
    if code >= 0:
        sys.exit(code)
    _end_by(-code)
    sys.exit(_SIGNALLED - code)


def _end_by(number: int) -> None:
    """End this process by a signal; it goes on if that is SIGKILL's, or if it is the first of a container."""
    with suppress(ImportError, OSError, ValueError):
        with standard.library():
            import resource  # noqa: PLC0415 - Windows has none

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # The command has left its own core, where one is wanted.
    with suppress(OSError, ValueError):  # SIGKILL has no handler to reset.
        signal.signal(number, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
