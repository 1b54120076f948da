"""`cachedindex gc`: delete what is over the limits of the cache folder, and print how much that was."""

from __future__ import annotations

import argparse

from cachedindex.commands import flags, place
from cachedindex.run.summary import volume
from cachedindex.upkeep import gc, stamp


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "gc",
        "delete what is over max-size or max-idle",
        "Delete files until the cache folder is within max-size and max-idle, and leftovers.",
        "cachedindex gc --dry-run",
    )
    flags.add_to(parser, ("cache-dir", "max-size", "max-idle", "lock-dir", "also-read"))
    parser.add_argument("--dry-run", action="store_true", help="print what would be deleted, and delete nothing")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Collect, and return 0; StoreUnavailable if the folder is not a cache, or must not be changed."""
    loaded, environ = flags.load(arguments)
    found = place.changeable(loaded, environ)
    if found is None:
        print(place.empty(loaded, environ))
        return 0
    root, shared = found
    settings = loaded.settings
    collected = gc.collect(root, shared, settings.max_size, settings.max_idle, dry_run=arguments.dry_run)
    if collected is None:
        print(f"another process is collecting in {root}")
        return 0
    if not arguments.dry_run:
        stamp.write(root)
    removed = "would remove" if arguments.dry_run else "removed"
    print(f"{removed} {collected.removed} files, {volume(collected.freed)}")
    print(f"{collected.kept} files, {volume(collected.size)}, stay in {root}")
    for other in place.read_as_well(loaded, environ):
        print(f"{other}, which is read as well, is left as it is")
    return 0
