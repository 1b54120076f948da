"""`cachedindex run -- COMMAND`: run a command, cover every pip below it, and report at the end what was stale."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cachedindex import sources
from cachedindex.clients import outsiders, uncovered
from cachedindex.commands import flags
from cachedindex.errors import SettingsError
from cachedindex.hook._cachedindex_children import name_of
from cachedindex.process import Process, join
from cachedindex.run import environment
from cachedindex.run.command import Attempt, become, run_below
from cachedindex.run.summary import ago
from cachedindex.run.watch import Watch

if TYPE_CHECKING:
    from cachedindex.remote.around import Around

_TOO_STALE = 123
_ONE_WAY = (Attempt(),)


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "run",
        "run a command whose pips survive an index that does not answer",
        "Run a command. Every pip that it starts, at any depth, looks things up through the cache.",
        'cachedindex run --timeout "5 s" -- pip install -r requirements.txt',
        usage="cachedindex run [options] -- COMMAND [ARGUMENT ...]",
    )
    flags.add_to(parser)
    parser.add_argument("-q", dest="messages", action="store_const", const="quiet", help="as --messages quiet")
    parser.add_argument("-v", dest="messages", action="store_const", const="verbose", help="as --messages verbose")
    # All from the first word that is no option of ours on: "run pip install -q" needs no "--".
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="the command and its arguments")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code; SettingsError for a wrong option."""
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise SettingsError("command line: there is no command; write cachedindex run -- COMMAND")
    loaded, environ = flags.load(arguments)
    is_offline = loaded.settings.offline and not loaded.settings.disable
    if is_offline and (why := outsiders.refusal(command)):
        raise SettingsError(why)
    process = join("run", loaded, begin=True)
    process.command = command
    attempts = _prepare(process, command, environ)
    environ = {**environ, **process.children}
    if is_offline:
        environ |= {**outsiders.SWITCHES, sources.variable("offline"): "true"}
    words = environment.reached(command) if process.root else command
    if len(attempts) > 1 or (process.began_run and process.root):
        return _run_below(process, words, environ, attempts)
    process.finish()
    return become(words, {**environ, **attempts[0].variables})


def _run_below(
    process: Process, command: Sequence[str], environ: Mapping[str, str], attempts: Sequence[Attempt]
) -> int:
    process.failed = True  # Until the command has succeeded.
    code: int | None = None
    remote, watch = _remote(process), None
    try:
        if remote:
            _guarded(process, remote.bring)
        watch = Watch(uncovered.is_client, environment.HOOK) if process.began_run and Watch.is_possible() else None
        for attempt in attempts:
            if attempt is not attempts[0] and code not in attempt.after:
                break
            if attempt.says:
                process.report.say(attempt.says)
            code = run_below(command, {**environ, **attempt.variables}, once=len(attempts) == 1, watch=watch)
        process.code = code
        process.failed = code not in (0, None)
    finally:
        if watch:
            _note_uncovered(process, watch)
        if remote and code is not None:
            with suppress(KeyboardInterrupt):  # It is for the sending: the command has ended.
                _guarded(process, remote.send)
        process.finish()
    # Without a process to be had, there is no run: each pip that can be started begins its own.
    if code is None:
        return become(command, environment.without_run(environ, process.run))
    return _TOO_STALE if code == 0 and _is_too_stale(process) else code


def _remote(process: Process) -> Around | None:
    """Return the remote of a run that has one, if what comes from there can be stored."""
    settings, run = process.settings, process.run
    if not settings.remote or settings.offline or run is None or process.root is None or not process.began_run:
        return None
    if process.store is None or process.store.read_only:
        return None
    try:
        from cachedindex.remote.around import Around  # noqa: PLC0415 - few runs have one

        return Around(settings, process.root, run, process.report, process.command or ())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
        process.report.internal_error(error)
        return None


def _guarded(process: Process, work: Callable[[], None]) -> None:
    try:
        work()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
        process.report.internal_error(error)


def _note_uncovered(process: Process, watch: Watch) -> None:
    """Have the record, and if somebody should know the last line, name the clients that were not covered."""
    if process.run is None:
        return
    try:
        members = process.run.members()
        said = process.run.uncovered()
        names = uncovered.names(watch.kept, members | said.keys())
        process.uncovered = list(dict.fromkeys([*names, *said.values()]))
        alone = not members and (process.failed or any(map(uncovered.is_local, names)))
        was_down = process.failed and bool(process.run.outcomes())
        if process.uncovered and (alone or was_down or process.settings.messages == "verbose"):
            process.remark = uncovered.line(process.uncovered, nothing=not members)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and the command has ended
        process.report.internal_error(error)


def _is_too_stale(process: Process) -> bool:
    """Return whether the run is to fail for what was served stale, and say so."""
    oldest = process.stale
    if oldest is None or not process.settings.is_too_stale(oldest):
        return False
    process.report.say(f"what was served is up to {ago(oldest)} old, so fail-on-stale ends the run with {_TOO_STALE}")
    return True


def _prepare(process: Process, command: Sequence[str], environ: Mapping[str, str]) -> Sequence[Attempt]:
    """Have the command take part in the run; return how it is run, which is in one way unless it is a uv."""
    if process.root is None:
        return _ONE_WAY
    try:
        # Absolute, so that all processes below share these folders, whatever folder they work in.
        folders = {
            "cache-dir": process.root,
            "lock-dir": sources.lock_folder(process.settings, process.root),
        }
        options = {name: str(folder) for name, folder in folders.items()}
        if also := sources.also_read(process.settings, process.root):
            options["also-read"] = "".join(f"{folder}\n" for folder in also)
        if process.settings.log:
            options["log"] = str(Path(process.settings.log).absolute())
        process.hand_down(environ, options)
        if process.run and process.began_run and not _is_uv(command) and "PATH" in environ:
            process.children = {**process.children, "PATH": environment.with_uv(process.run, environ["PATH"])}
        return _for_uv(process, command, {**environ, **process.children})
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
        process.report.internal_error(error)
        return _ONE_WAY


def _for_uv(process: Process, command: Sequence[str], environ: Mapping[str, str]) -> Sequence[Attempt]:
    if not _is_uv(command):
        return _ONE_WAY
    from cachedindex.clients.uv import offline  # noqa: PLC0415 - it imports urllib, which no other command needs

    return offline.attempts(process, command, environ)


def _is_uv(command: Sequence[str]) -> bool:
    return name_of(command[0]) in ("uv", "uvx")
