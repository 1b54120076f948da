"""The command line: parses it, and runs the command."""

from __future__ import annotations

import argparse
import gc
import io
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from cachedindex import __version__, options, standard
from cachedindex.commands import flags
from cachedindex.errors import CachedIndexError, SettingsError
from cachedindex.store import system

COMMANDS = (
    "run", "rehearse", "get", "hook", "status", "report", "ls", "explain", "purge", "refresh", "warm", "export",
    "import", "gc", "doctor",
)  # fmt: skip
"""The modules beside this one that are a command each, in the order of the help."""
_EXAMPLE = "cachedindex run -- pip install -r requirements.txt"
_USAGE_ERROR = 2
_SIGNALLED = 128
_BROKEN_PIPE = 1
_CONTROL_C = 0xC000013A
"""STATUS_CONTROL_C_EXIT, with which a program ends on Windows that does nothing about Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a negative one means a signal, as for subprocess."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser, _ = known(words)
    if not words:
        parser.print_help()
        return 0
    try:
        _refuse_command(words[0])
        chosen, unknown = parser.parse_known_args(flags.with_values(words))
        _refuse_options(unknown, words[0])
        code: int = chosen.run(chosen)
    except CachedIndexError as error:
        print(f"cachedindex: {error}", file=sys.stderr)
        return _USAGE_ERROR
    return code


class _Completion(argparse.Action):
    """Prints the script by which a shell completes commands and options, and ends; shtab writes it."""

    def __call__(self, parser: argparse.ArgumentParser, *given: object) -> NoReturn:
        """Take argparse's namespace, value and option."""
        try:
            import shtab  # noqa: PLC0415 - nobody else needs it
        except ImportError:
            raise SettingsError("--print-completion needs shtab: pip install 'cachedindex[completion]'") from None
        print(shtab.complete(parser, str(given[1])))
        parser.exit()


def known(words: Sequence[str] = ()) -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """Return the parser, and that of the command that the words begin with, or those of all commands, by name."""
    parser = argparse.ArgumentParser(
        prog="cachedindex",
        description="Builds survive a package index that fails.",
        epilog=f"example:\n  {_EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cachedindex {__version__}")
    shells = ("bash", "zsh", "tcsh")
    parser.add_argument("--print-completion", action=_Completion, choices=shells, help="print a script for this shell")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    # Importing all of them takes longer than a healthy build may notice.
    for name in words[:1] if words[:1] and words[0] in COMMANDS else COMMANDS:
        import_module(f"cachedindex.commands.{name}").add_to(commands)
    return parser, commands.choices


def _refuse_command(word: str) -> None:
    """Raise SettingsError for a word that is no command; most often it is the program that is to be run."""
    if word in COMMANDS or word.startswith("-"):
        return
    with standard.library():
        import difflib  # noqa: PLC0415 - only for a word that is wrong

    near = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.7)
    says = f"did you mean cachedindex {near[0]}?" if near else f"to run a program, write cachedindex run -- {word}"
    raise SettingsError(f"command line: {word}: there is no such command; {says}")


def _refuse_options(unknown: Sequence[str], command: str) -> None:
    """Raise SettingsError for unknown options, with the most similar known one."""
    short = next((argument for argument in unknown if not argument.startswith("--")), None)
    names = [argument.removeprefix("--").partition("=")[0] for argument in unknown if argument.startswith("--")]
    hint = "; options of the command that is run stand behind it" if command == "run" else ""
    if short and not names:
        why = "there is no such option" if short.startswith("-") else "this command takes options only"
        raise SettingsError(f"command line: {short}: {why}{hint}")
    _, problems = options.read(dict.fromkeys(names, ""), "command line", "--{}".format)
    if problems:
        raise SettingsError("\n".join(map(str, problems)) + hint)


def command_line() -> None:
    """Exit as the command did, by the same signal if it was one."""
    try:
        with standard.library():  # What argparse imports in its functions, too.
            code = _printing(main)
    except KeyboardInterrupt:
        code = _CONTROL_C if system.IS_WINDOWS else -signal.SIGINT
    with suppress(AttributeError):  # PyPy has none.
        gc.freeze()  # At its exit, Python would look for garbage among all that was imported, for 5 ms.
    if code >= 0 or system.IS_WINDOWS:
        sys.exit(_signed(code))
    _end_by(-code)
    sys.exit(_SIGNALLED - code)


def _printing(work: Callable[[], int]) -> int:
    """Return the exit code of work that prints; if nobody reads that any more, as behind `| head`, it is SIGPIPE's."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # It is None if it is closed.
        sys.stdout.reconfigure(errors="backslashreplace")  # A job's name may have letters that the locale has not.
    try:
        code = work()
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # What is left would be written at the exit.
        return _BROKEN_PIPE if system.IS_WINDOWS else -signal.SIGPIPE
    return code


def _signed(code: int) -> int:
    """Return a code as Windows takes it: before Python 3.13, a larger one becomes 0xFFFFFFFF at the exit."""
    return code - (1 << 32) if code >= 1 << 31 else code


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
