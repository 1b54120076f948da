"""`cachedindex gc`: bring the cache folder within its bounds, and say what that took."""

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
    """Describe the command to the command line's parser."""
    parser = commands.add_parser(
        "gc",
        help="delete what is over max-size or max-idle",
        description="Bring the cache folder within max-size and max-idle, and delete what nobody needs any more.",
        allow_abbrev=False,
    )
    flags.add_to(parser, ("cache-dir", "max-size", "max-idle", "lock-dir"))
    parser.add_argument("--dry-run", action="store_true", help="say what would go, and delete nothing")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Collect, and return 0; StoreUnavailable for a folder that is not ours, or not to be changed."""
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
        raise StoreUnavailable(str(refusal) if refusal else f"{root} is left as it is, since read-only = true")
    if not folder.is_ours(root):
        raise StoreUnavailable(f"{root} holds no CACHEDIR.TAG of cachedindex, so nothing is deleted there")
    if not folder.may_write(root):
        raise StoreUnavailable(f"{root} is not this user's to change")
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
