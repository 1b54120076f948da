"""`cachedindex export`: write what is stored for everybody into one file, for a machine without a network."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from cachedindex.commands import flags, place
from cachedindex.errors import SettingsError
from cachedindex.model import Outcome
from cachedindex.named import NamedTuple
from cachedindex.rules import kept
from cachedindex.run import environment, wanted
from cachedindex.run.folder import RunFolder
from cachedindex.run.several import run_all
from cachedindex.run.summary import missed, volume
from cachedindex.run.wanted import Wanted
from cachedindex.store import private, runs
from cachedindex.upkeep import inventory, listing, packing, streams
from cachedindex.upkeep.inventory import Entry
from cachedindex.upkeep.packing import Packed

_NOTHING = _INCOMPLETE = 1
_NAMES = 3
_HAD = ("hit", "revalidated", "miss", "stale")
_IN_THE_WHEEL = ".metadata"
"""Such a file is taken out of a stored wheel if it is not stored itself."""
_AT_ONCE = 4
_Say = Callable[[str], None]


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "export",
        "write what is stored into one file, for a machine without a network",
        "Write the pages and files that are stored for everybody into one file, which `cachedindex import` reads.",
        "cachedindex export bundle.tar.zst --runs 1",
        "cachedindex export FILE [--all | --runs N | -r FILE] [options]",
    )
    parser.add_argument(
        "file", metavar="FILE", help="a .tar, or a .tar.zst, which is compressed; - for standard output"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="all that is stored (the default)")
    which.add_argument("--runs", metavar="N", help="what the last N runs asked for")
    which.add_argument(
        "-r", "--requirement", metavar="FILE", action="append",
        help="what a requirements file, a pylock.toml or a buildout.cfg needs",
    )  # fmt: skip
    flags.add_to(parser, ("cache-dir", "lock-dir"))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the file and return 0, or 1 if there is nothing to write, or something is left out."""
    loaded, environ = flags.load(arguments)
    say = partial(print, file=sys.stderr if arguments.file == streams.PIPE else sys.stdout)
    if arguments.file == streams.PIPE and sys.stdout and sys.stdout.isatty():
        raise SettingsError("command line: -: a bundle is not written to a terminal; name a file")
    found = place.readable(loaded, environ)
    if found is None:
        say(place.empty(loaded, environ))
        return _NOTHING
    chosen = _chosen(found, arguments, environ, say)
    if not chosen.entries:
        for line in (*_private(found.root, chosen), f"{arguments.file} is not written"):
            say(line)
        return _NOTHING
    packed = _packed(found.root, chosen.entries, arguments.file)
    for line in (*_lines(packed, chosen, arguments.file), *_private(found.root, chosen)):
        say(line)
    return _INCOMPLETE if packed.left_out or chosen.private or chosen.lacking else 0


class _Chosen(NamedTuple):
    """What is to go into a bundle, and what cannot."""

    entries: Sequence[Entry]
    private: int | None = None
    """How many look-ups need what does not leave; None if no look-ups were chosen."""
    lacking: Sequence[str] = ()
    """The URLs of what was asked for and had, but is not in this folder: it is gone, or in one of `also-read`."""


def _chosen(found: place.Place, arguments: argparse.Namespace, environ: Mapping[str, str], say: _Say) -> _Chosen:
    """Return what the arguments choose; nothing if that is not stored, or not all of it."""
    entries = [entry for entry in inventory.read(found.root).entries if packing.may_leave(entry)]
    if not entries:
        say(f"nothing is stored for everybody in {found.root}")
    if arguments.runs:
        return _asked_for(entries, list(_by_runs(found.root, flags.number("--runs", arguments.runs), say)))
    if not arguments.requirement:
        return _Chosen(entries)
    outcomes, problems = _by_requirements(found, arguments.requirement, environ)
    for line in problems:
        say(line)
    return _Chosen(()) if problems else _asked_for(entries, outcomes)


def _asked_for(entries: Sequence[Entry], outcomes: Sequence[Outcome]) -> _Chosen:
    """Return those of the entries that look-ups asked for."""
    stored = {inventory.known_by(entry.record.url) for entry in entries}
    asked = {inventory.known_by(outcome.url): outcome for outcome in outcomes}
    public = {url: each for url, each in asked.items() if each.seen_by == "all" and each.ended in _HAD}
    lacking = [url for url in public if url not in stored and not url.endswith(_IN_THE_WHEEL)]
    chosen = [entry for entry in entries if inventory.known_by(entry.record.url) in asked]
    return _Chosen(chosen, sum(outcome.seen_by != "all" for outcome in outcomes), lacking)


def _by_runs(root: Path, number: int, say: _Say) -> Iterator[Outcome]:
    """Yield the look-ups of the last runs."""
    for name in runs.names(root)[-number:]:
        if found := runs.read(root, name):
            yield from found.outcomes
            if found.left_out:
                say(f"{found.left_out} look-ups of the run {name} are counted only, so --all may be needed")


def _by_requirements(
    found: place.Place, files: Sequence[str], environ: Mapping[str, str]
) -> tuple[list[Outcome], list[str]]:
    """Return the look-ups of a pip or a buildout that needs these files and asks no index, and what it lacks."""
    run = RunFolder.begin()
    scratch = Path(tempfile.mkdtemp(prefix="cachedindex-export-"))
    folders = {"cache-dir": str(found.root), "lock-dir": str(found.shared)}
    given = {**environment.given(environ), **folders, "offline": "true", "read-only": "true"}
    try:
        variables = {**environ, **environment.for_children(environ, run, given)}
        jobs = wanted.jobs(Wanted(files=files), environ, scratch)
        ended = run_all(jobs, variables, scratch, _AT_ONCE, lambda _: None)
        outcomes = run.lookups()
    finally:
        run.remove_folder()
        shutil.rmtree(scratch, ignore_errors=True)
    lacking = dict.fromkeys(f"missing: {each.kind} {kept.shown(each).url}" for each in missed(outcomes))
    return outcomes, [*lacking, *(line for each in ended for line in each.complaint())]


def _packed(root: Path, entries: Sequence[Entry], name: str) -> Packed:
    try:
        with streams.writing(name) as file:
            return packing.pack(root, entries, file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SettingsError(f"cannot write {name}: {error.strerror or error}") from error


def _lines(packed: Packed, chosen: _Chosen, name: str) -> Iterator[str]:
    where = "standard output" if name == streams.PIPE else name
    yield f"{packed.pages} pages and {packed.files} files, {volume(packed.size)}, are in {where}"
    if packed.left_out:
        yield f"{_some(packed.left_out)}: left out, as they are gone or damaged"
    if chosen.lacking:
        yield f"{_some(chosen.lacking)}: asked for, but not in this folder"


def _some(names: Sequence[str]) -> str:
    """Return how many names there are, with the first of them."""
    return f"{len(names)} pages and files, such as {', '.join(names[:_NAMES])}"


def _private(root: Path, chosen: _Chosen) -> Iterator[str]:
    """Yield a line if something does not leave."""
    own = private.folder_of_user(root)
    if chosen.private:
        yield f"{chosen.private} look-ups were of what is this user's alone, so a build that needs that lacks it there"
    elif chosen.private is None and own in listing.trees(root) and (stay := sum(1 for _ in listing.records(own))):
        yield f"{stay} pages and files are left out, as they are this user's alone"
