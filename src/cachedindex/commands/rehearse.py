"""`cachedindex rehearse -- COMMAND`: whether a build would survive now, on a new node, with every index dead."""

from __future__ import annotations

import argparse
import shlex
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath

from cachedindex import sources
from cachedindex.commands import flags
from cachedindex.errors import SettingsError
from cachedindex.model import Outcome
from cachedindex.options import Settings
from cachedindex.process import why_unusable
from cachedindex.rules import urls
from cachedindex.run import environment, newnode, record
from cachedindex.run.command import run_below
from cachedindex.run.folder import RunFolder
from cachedindex.run.report import Report
from cachedindex.run.summary import ago, missed, printable

_UNCOVERED = ("uv", "uvx")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "rehearse",
        "run a command as if every index were dead, on a new node",
        "Run a command with every index dead, and say whether it survives, or what is missing.",
        "cachedindex rehearse -- pip install -r requirements.txt",
        "cachedindex rehearse [options] -- COMMAND [ARGUMENT ...]",
    )
    flags.add_to(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="the command and its arguments")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return 0 if it survives, 1 if not; SettingsError for a wrong option.

    A negative exit code is the signal that ended the command.
    """
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise SettingsError("command line: there is no command; write cachedindex rehearse -- COMMAND")
    loaded, environ = flags.load(arguments)
    Report().warn_ignored(loaded.warnings)
    root, why = sources.cache_folder(loaded.settings, environ), why_unusable(loaded.settings)
    if why or root is None:
        raise SettingsError(f"there is no cache to rehearse with: {why}")
    folders = {"cache-dir": str(root), "lock-dir": str(sources.lock_folder(loaded.settings, root))}
    rehearsal = RunFolder.begin()
    scratch = Path(tempfile.mkdtemp(prefix="cachedindex-rehearsal-"))
    try:
        code = _run(command, environ, rehearsal, scratch, {**folders, "read-only": "true"})
        return _judged(command, code, loaded.settings, rehearsal)
    finally:
        rehearsal.remove_folder()
        shutil.rmtree(scratch, ignore_errors=True)


def _run(
    command: Sequence[str], environ: Mapping[str, str], rehearsal: RunFolder, scratch: Path, options: Mapping[str, str]
) -> int:
    with _dead_proxy() as proxy:
        variables = {**newnode.variables(environ, scratch, proxy), sources.REHEARSAL_VARIABLE: "1"}
        given = {**environment.given(environ), **options}
        variables |= environment.for_children(variables, rehearsal, given)
        words = environment.reached(newnode.command(command, scratch, environ))
        code = run_below(words, variables, once=False)  # We print after it.
    if code is None:
        raise SettingsError("no process can be started")
    return code


@contextmanager
def _dead_proxy() -> Iterator[str]:
    """Give the URL of a proxy that refuses connections: nobody listens at its port, and nobody else can have it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def _judged(command: Sequence[str], code: int, settings: Settings, rehearsal: RunFolder) -> int:
    """Print the verdict, and return the exit code."""
    outcomes = rehearsal.lookups()
    lacking = {(each.kind, each.url): each for each in missed(outcomes)}.values()
    oldest = record.oldest(outcomes)
    is_too_stale = settings.is_too_stale(oldest)
    survives = not code and not is_too_stale
    print(f"{'survives' if survives else 'does not survive'}: {shlex.join(command)}")
    if code:
        print(f"  it ended with {code}")
    if is_too_stale:
        print(f"  what would stand in is up to {ago(oldest or 0.0)} old, which fail-on-stale does not allow")
    for each in lacking:
        print(f"  {'missing' if code else 'done without'}: {_described(each)}")
    if code and not lacking:
        print("  no page or file is known to be missing: it fails in any case, or needs what is never stored")
    for line in _limits(command, is_any=bool(outcomes)):
        print(f"  {line}")
    return min(code, 0) or int(not survives)


def _described(outcome: Outcome) -> str:
    project, url = urls.project_of(outcome.url), urls.without_tokens(outcome.url)
    of_project = "" if project == outcome.url else f" of {project}"
    return printable(f"the {'page' if outcome.kind == 'page' else 'file'}{of_project}, {url}")


def _limits(command: Sequence[str], *, is_any: bool) -> Iterator[str]:
    """Yield what was not rehearsed."""
    name = command[2] if command[1:2] == ["-m"] and len(command) > 2 else PurePath(command[0]).name  # noqa: PLR2004
    if name in _UNCOVERED:
        yield f"not rehearsed: {name} looks things up by itself, and has nothing stored on a new node"
    if not is_any:
        yield "not rehearsed: no client asked for anything through the cache"
    yield "not rehearsed: programs that are not covered, and reach the network past the proxies that are set"
