"""`cachedindex gc`: delete what is over the limits of the cache folder, and print how much that was."""

from __future__ import annotations

import argparse

from cachedindex import sources
from cachedindex.commands import flags
from cachedindex.errors import StoreUnavailable
from cachedindex.run.report import Report
from cachedindex.run.summary import volume
from cachedindex.store import folder
from cachedindex.upkeep import gc, hourly, listing


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "gc",
        "delete what is over max-size or max-idle",
        "Delete files until the cache folder is within max-size and max-idle, and leftovers.",
        "cachedindex gc --dry-run",
    )
    flags.add_to(parser, ("cache-dir", "max-size", "max-idle", "lock-dir"))
    parser.add_argument("--dry-run", action="store_true", help="print what would be deleted, and delete nothing")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Collect, and return 0; StoreUnavailable if the folder is not a cache, or must not be changed."""
    loaded, environ = flags.load(arguments)
    for warning in loaded.warnings:
        Report().warn(f"{warning} (ignored)")
    settings = loaded.settings
    root = sources.cache_folder(settings, environ)
    if root is None or listing.is_empty(root):
        print(f"nothing is stored yet in {root or 'any folder'}")
        return 0
    shared = sources.lock_folder(settings, root)
    refusal = folder.refusal(root) or folder.refusal(shared)
    if refusal or settings.read_only:
        raise StoreUnavailable(str(refusal) if refusal else f"nothing is deleted in {root}, as read-only = true")
    if not folder.is_ours(root):
        raise StoreUnavailable(f"{root} holds no CACHEDIR.TAG of cachedindex, so nothing is deleted there")
    if not folder.may_write(root):
        raise StoreUnavailable(f"this user may not delete anything in {root}")
    collected = gc.collect(root, shared, settings.max_size, settings.max_idle, dry_run=arguments.dry_run)
    if collected is None:
        print(f"another process is collecting in {root}")
        return 0
    if not arguments.dry_run:
        hourly.stamp(root)
    removed = "would remove" if arguments.dry_run else "removed"
    print(f"{removed} {collected.removed} files, {volume(collected.freed)}")
    print(f"{collected.kept} files, {volume(collected.size)}, stay in {root}")
    return 0
