"""`cachedindex export`: write what is stored for everybody into one file, for a machine without a network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from cachedindex.commands import flags, place
from cachedindex.errors import SettingsError
from cachedindex.rules import urls
from cachedindex.run.summary import volume
from cachedindex.store import private, runs
from cachedindex.upkeep import inventory, listing, packing, streams
from cachedindex.upkeep.inventory import Entry
from cachedindex.upkeep.packing import Packed

_NOTHING = 1
_NAMES = 3


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "export",
        "write what is stored into one file, for a machine without a network",
        "Write the pages and files that are stored for everybody into one file, which `cachedindex import` reads.",
        "cachedindex export bundle.tar.zst --runs 1",
        "cachedindex export FILE [--all | --runs N] [options]",
    )
    parser.add_argument(
        "file", metavar="FILE", help="a .tar, or a .tar.zst, which is compressed; - for standard output"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="all that is stored (the default)")
    which.add_argument("--runs", metavar="N", help="what the last N runs asked for")
    flags.add_to(parser, ("cache-dir", "lock-dir"))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the file and return 0, or 1 if there is nothing to write, or something is gone or damaged."""
    loaded, environ = flags.load(arguments)
    number = None if arguments.runs is None else _number(arguments.runs)
    say = partial(print, file=sys.stderr if arguments.file == streams.PIPE else sys.stdout)
    if arguments.file == streams.PIPE and sys.stdout.isatty():
        raise SettingsError("command line: -: a bundle is not written to a terminal; name a file")
    found = place.readable(loaded, environ)
    if found is None:
        say(place.empty(loaded, environ))
        return _NOTHING
    entries = [entry for entry in inventory.read(found.root).entries if packing.may_leave(entry)]
    if number is not None:
        entries = list(_of_runs(found.root, number, entries, say))
    if not entries:
        say(f"nothing of it is stored for everybody in {found.root}, so {arguments.file} is not written")
        return _NOTHING
    packed = _packed(found.root, entries, arguments.file)
    for line in _lines(found.root, packed, arguments.file):
        say(line)
    return _NOTHING if packed.left_out else 0


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise SettingsError(f"command line: --runs {text}: write a number from 1 on")
    return int(text)


def _of_runs(root: Path, number: int, entries: Sequence[Entry], say: Callable[[str], None]) -> Iterator[Entry]:
    """Yield the entries that the last runs asked for."""
    asked: set[str] = set()
    for name in runs.names(root)[-number:]:
        found = runs.read(root, name)
        asked |= {_known_by(outcome.url) for outcome in found.outcomes} if found else set()
        if found and found.left_out:
            say(f"{found.left_out} look-ups of the run {name} are counted only, so --all may be needed")
    yield from (entry for entry in entries if _known_by(entry.record.url) in asked)


def _known_by(url: str) -> str:
    """Return what a stored URL and that of a look-up in a record have in common."""
    return urls.without_tokens(inventory.spelled(urls.page(urls.public(url))))


def _packed(root: Path, entries: Sequence[Entry], name: str) -> Packed:
    try:
        with streams.writing(name) as file:
            return packing.pack(root, entries, file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SettingsError(f"cannot write {name}: {error.strerror or error}") from error


def _lines(root: Path, packed: Packed, name: str) -> Iterator[str]:
    where = "standard output" if name == streams.PIPE else name
    yield f"{packed.pages} pages and {packed.files} files, {volume(packed.size)}, are in {where}"
    if packed.left_out:
        shown = ", ".join(packed.left_out[:_NAMES])
        yield f"{len(packed.left_out)} are left out, as they are gone or damaged, such as {shown}"
    own = private.folder_of_user(root)
    if own in listing.trees(root) and (number := sum(1 for _ in listing.records(own))):
        yield f"{number} pages and files are left out, as they are this user's alone"
