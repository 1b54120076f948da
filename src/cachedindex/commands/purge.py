"""`cachedindex purge`: take a project, a version, a file or an index out of the cache folder."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from pathlib import Path

from cachedindex import sources
from cachedindex.commands import flags, place
from cachedindex.errors import SettingsError
from cachedindex.rules import urls
from cachedindex.run.summary import volume
from cachedindex.store import others, system
from cachedindex.upkeep import inventory, listing, neighbours
from cachedindex.upkeep.purge import Purged, Target, bar, purge

_INCOMPLETE = 1
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "purge",
        "take a project, a version, a file or an index out of the cache",
        "Remove all that is stored of something, for all whom this user may change it for.",
        "cachedindex purge six==1.17.0 --dry-run",
        "cachedindex purge NAME[==VERSION] | sha256:DIGEST | URL | --index URL [--dry-run]",
    )
    parser.add_argument("what", nargs="?", metavar="WHAT", help="NAME, NAME==VERSION, sha256:DIGEST, or a URL")
    parser.add_argument("--index", metavar="URL", help="all pages of this index, and the files that they list")
    parser.add_argument("--dry-run", action="store_true", help="print what would be removed, and remove nothing")
    flags.add_to(parser, ("cache-dir", "lock-dir", "also-read"))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Remove it, and return 0; 1 if something could not be reached. SettingsError for an argument that is none."""
    target = _target(arguments.what, arguments.index)
    unreached: list[str] = []
    loaded, environ = flags.load(arguments)
    found = place.changeable(loaded, environ)
    if found is None:
        print(place.empty(loaded, environ))
    else:
        purged, unreached = _everywhere(found.root, target, dry_run=arguments.dry_run)
        _print(found.root, target, purged, dry_run=arguments.dry_run)
        unreached += [f"{path} cannot be removed by this user" for path in purged.left]
    for other in place.read_as_well(loaded, environ):
        root = found.root if found else sources.cache_folder(loaded.settings, environ)
        unreached += _in_another(root, other, target, dry_run=arguments.dry_run)
    for line in (*unreached, *neighbours.caches(environ, target.project)):
        print(line)
    return _INCOMPLETE if unreached else 0


def _target(what: str | None, index: str | None) -> Target:
    if bool(what) == bool(index):
        raise SettingsError("command line: name one thing: NAME, NAME==VERSION, sha256:DIGEST, a URL, or --index URL")
    if index:
        return Target(whole=_url(index))
    text = (what or "").strip()
    digest = text.removeprefix("sha256:").lower()
    if digest != text.lower():
        if not urls.is_sha256(digest):
            raise SettingsError(f"command line: {text}: a sha256 has 64 hexadecimal digits")
        return Target(sha256=digest)
    if "://" in text:
        return Target(url=_url(text))
    name, _, version = (part.strip() for part in text.partition("=="))
    if not _NAME.fullmatch(name) or ("==" in text and not version):
        raise SettingsError(f"command line: {text}: write NAME, NAME==VERSION, sha256:DIGEST, or a URL")
    return Target(project=urls.normalized(name), version=version)


def _url(text: str) -> str:
    if not re.match(r"https?://[^/]", text, re.IGNORECASE):
        raise SettingsError(f"command line: {urls.public(text)}: write a URL that begins with http:// or https://")
    return urls.public(text)


def _everywhere(root: Path, target: Target, *, dry_run: bool) -> tuple[Purged, list[str]]:
    """Purge every tree that this user may change; return that, and a line for each that this user may not."""
    now, total, unreached = time.time(), Purged(), []
    for tree in listing.trees(root):
        _add(total, purge(tree, target, now, dry_run=dry_run))
    foreign = inventory.others(root)
    if foreign and not system.is_root():
        names = ", ".join(sorted(inventory.user_name(int(tree.name)) for tree in foreign))
        where = foreign[0].parent
        return total, [f"what {names} got with credentials is not searched: only they and root may read it in {where}"]
    for tree in foreign:
        try:
            with inventory.acting_for(tree):
                _add(total, purge(tree, target, now, dry_run=dry_run))
        except OSError as error:
            unreached.append(f"{tree} cannot be searched: {error.strerror or error}")
    return total, unreached


def _in_another(root: Path | None, other: Path, target: Target, *, dry_run: bool) -> Iterator[str]:
    """Bar in a folder what lies in another one that is read as well; yield what that comes to."""
    if problem := others.problem(other):
        yield f"also-read: {problem}; what lies there is not searched"
        return
    barred = bar(root, other, target, time.time(), dry_run=dry_run) if root else Purged()
    if barred.entries:
        where = "would not be" if dry_run else "are not"
        yield (
            f"{len(barred.entries)} pages and files of {_named(target)} stay in {other}, which is read as well; they"
            f" {where} served from here until their index gives them again; purge them there, too, by --cache-dir"
        )
    yield from (f"{path} cannot be written, so what lies in {other} is served all the same" for path in barred.left)


def _add(total: Purged, more: Purged) -> None:
    total.entries += more.entries
    total.listing += more.listing
    total.size += more.size
    total.kept += more.kept
    total.left += more.left


def _print(root: Path, target: Target, purged: Purged, *, dry_run: bool) -> None:
    if not purged.entries and not purged.size:
        print(f"nothing of {_named(target)} is stored in {root}")
    for holding in inventory.holdings(purged.entries):
        for entry in (*holding.pages, *holding.absences, *holding.files):
            print(f"{'would remove' if dry_run else 'removed'} {entry.shown}, for {holding.whom}")
    if purged.entries or purged.size:
        pages = sum(bool(entry.record.form) for entry in purged.entries)
        amount = f"{pages} pages, {len(purged.entries) - pages} files, {volume(purged.size)}"
        print(f"{'would remove' if dry_run else 'removed'} {_named(target)}: {amount}")
    if purged.kept:
        print(f"{purged.kept} files stay, as other records have the same bytes; purge them by sha256")
    print("\n".join(_next(target, purged)))


def _next(target: Target, purged: Purged) -> Iterator[str]:
    """Yield what the next build does."""
    for page in purged.listing:
        yield f"{page.shown} lists it, as its index did; the next build asks the index for this page"
    what = "these pages and files" if target.whole else _named(target)
    yield f"the next build asks its index for {what}, and has none in an outage until then"


def _named(target: Target) -> str:
    version = f"=={target.version}" if target.version else ""
    return target.whole or target.url or (f"sha256:{target.sha256}" if target.sha256 else f"{target.project}{version}")
