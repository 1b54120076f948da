"""`cachedindex import`: add what another machine exported."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from cachedindex.commands import flags, place
from cachedindex.options import Settings
from cachedindex.run.summary import printable, volume
from cachedindex.upkeep import fullness, streams, unpacking
from cachedindex.upkeep.bundle import Foreign
from cachedindex.upkeep.unpacking import Unpacked

_INCOMPLETE = 1
_LINES = 20


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "import",
        "add what another machine exported",
        "Add the pages and files of these files, which `cachedindex export` wrote; nothing that is newer is replaced.",
        "cachedindex import bundle.tar.zst",
        "cachedindex import FILE ... [options]",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a bundle; - for standard input")
    flags.add_to(parser, ("cache-dir", "lock-dir", "max-size"))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Add it and return 0; 1 if a bundle is cut, or none, or something in it was not added."""
    loaded, environ = flags.load(arguments)
    root = place.fillable(loaded, environ)
    code = max([_added(root, name, loaded.settings.max_size) for name in arguments.files])
    _print_fullness(root, loaded.settings)
    return code


def _added(root: Path, name: str, most: float) -> int:
    """Add one bundle, say what came of it, and return the exit code."""
    try:
        with streams.reading(name) as file:
            done = unpacking.unpack(root, file, most)
    except (Foreign, OSError) as error:
        print(f"{name}: {getattr(error, 'strerror', None) or error}")
        return _INCOMPLETE
    for line in _lines(done):
        print(f"{name}: {line}")
    return _INCOMPLETE if done.cut or done.refused or done.missing else 0


def _lines(done: Unpacked) -> Iterator[str]:
    yield f"{done.pages} pages and {done.files} files are new, {done.known} were here"
    if done.barred:
        yield f"{done.barred} stay away, as they were purged or refused here, or not there any more"
    if done.cut:
        yield f"the rest is not read: {printable(done.cut)}"
    yield from _named("not added", done.reasons, done.refused)
    yield from _named("missing", done.missing, len(done.missing))


def _named(what: str, names: Sequence[str], number: int) -> Iterator[str]:
    """Yield a line for each of the first names, and how many there are beyond those."""
    yield from (f"{what}: {printable(name)}" for name in names[:_LINES])
    if number > _LINES:
        yield f"{what}: {number - _LINES} more"


def _print_fullness(root: Path, settings: Settings) -> None:
    size = fullness.of_folder(root).size
    if size > settings.max_size:
        print(f"{volume(size)} are stored, and max-size is {volume(settings.max_size)}: raise it, or the rest goes")
