"""The command line: parses it, and runs the command."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from cachedindex import __version__, options
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
        _refuse(unknown, takes_command=hasattr(chosen, "command"))
        code: int = chosen.run(chosen)
    except CachedIndexError as error:
        print(f"cachedindex: {error}", file=sys.stderr)
        return _USAGE_ERROR
    return code


def _refuse(unknown: Sequence[str], *, takes_command: bool) -> None:
    """Raise SettingsError for unknown options, with the most similar known one."""
    short = next((argument for argument in unknown if not argument.startswith("--")), None)
    if short and takes_command:
        raise SettingsError(f"command line: {short}: put -- before the command: cachedindex run -- COMMAND")
    names = [argument.removeprefix("--").partition("=")[0] for argument in unknown if argument.startswith("--")]
    if short and not names:
        raise SettingsError(f"command line: {short}: this command takes options only")
    _, problems = options.read(dict.fromkeys(names, ""), "command line", "--{}".format)
    if problems:
        raise SettingsError("\n".join(map(str, problems)))


def command_line() -> None:
    """Exit as the command did, by the same signal if it was one."""
    code = main()
    if code >= 0:
        sys.exit(code)
    with suppress(OSError):  # SIGKILL has no handler to reset.
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
    sys.exit(_SIGNALLED - code)


if __name__ == "__main__":
    command_line()
