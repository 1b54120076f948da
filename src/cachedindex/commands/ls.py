"""`cachedindex ls`: what is stored, by project and index, and for whom."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cachedindex.commands import flags, place, show
from cachedindex.rules import urls
from cachedindex.run.summary import ago, volume
from cachedindex.store import private
from cachedindex.upkeep import inventory
from cachedindex.upkeep.inventory import Entry, Holding

_VERSIONS = 4
"""So many versions of a project are in a line, the newest ones."""
_HEADS = ("project", "versions", "files", "size", "page", "index", "for")
_HEADS_OF_FILES = ("page or file", "kind", "size", "age", "used", "for")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "ls",
        "list what is stored",
        "List the projects, the versions of which files are stored, from which index, and for whom.",
        "cachedindex ls six --files",
        "cachedindex ls [NAME ...] [--files] [--json]",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these projects")
    parser.add_argument("--files", action="store_true", help="list the pages and files of each project, too")
    parser.add_argument("--json", action="store_true", help="print JSON, with all pages and files")
    flags.add_to(parser, ("cache-dir", "lock-dir", "also-read"))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what is stored; return 1 if nothing is stored of the projects that were named, else 0."""
    loaded, environ = flags.load(arguments)
    found = place.readable(loaded, environ)
    names = {urls.normalized(name) for name in arguments.names}
    contents = inventory.read(found.root, private.folder_of_user(found.root)) if found else inventory.Contents([], [])
    listed = [each for each in inventory.holdings(contents.entries) if not names or each.project in names]
    now = time.time()
    if arguments.json:
        show.as_json(_document(found.root if found else None, listed, now))
    elif found is None:
        print(place.empty(loaded, environ))
    else:
        _print_table(listed, now, files=arguments.files)
        _print_rest(found.root, contents, listed)
        for other in place.read_as_well(loaded, environ):
            print(f"{other} is read as well: cachedindex ls --cache-dir {other} lists it")
    return int(not names <= {each.project for each in listed})


def _print_table(listed: Sequence[Holding], now: float, *, files: bool) -> None:
    show.table(_HEADS, [_row(each, now) for each in listed])
    if files and listed:
        entries = [(each, entry) for each in listed for entry in (*each.pages, *each.absences, *each.files)]
        print()
        show.table(_HEADS_OF_FILES, [_described(each, entry, now) for each, entry in entries])


def _row(each: Holding, now: float) -> tuple[str, ...]:
    versions = each.versions
    more = f" and {len(versions) - _VERSIONS} older" if len(versions) > _VERSIONS else ""
    shown = f"{' '.join(reversed(versions[-_VERSIONS:]))}{more}"
    return each.project or "-", shown, str(len(each.files)), volume(each.size), _age(each, now), each.index, each.whom


def _age(each: Holding, now: float) -> str:
    if each.pages:
        return ago(now - max(entry.record.checked for entry in each.pages))
    return "not there" if each.absences else ""


def _described(each: Holding, entry: Entry, now: float) -> tuple[str, ...]:
    stored, used = entry.record, ago(now - entry.file.status.st_mtime)
    kind = "absence" if entry.is_mark else stored.form or "file"
    says = f"{kind}, refused since" if stored.barred else kind
    return entry.shown, says, volume(stored.size), ago(now - stored.checked), used, each.whom


def _print_rest(root: Path, contents: inventory.Contents, listed: Iterable[Holding]) -> None:
    projects = {each.project for each in listed if each.project}
    files = sum(len(each.files) for each in listed)
    size = sum(each.size for each in listed)
    print(f"{len(projects)} projects, {files} files, {volume(size)} in {root}")
    if contents.unreadable:
        print(f"{len(contents.unreadable)} files cannot be read by this user, such as {contents.unreadable[0]}")
    if hidden := inventory.others(root):
        print(f"{len(hidden)} other users have private folders, which are not listed")


def _document(root: Path | None, listed: Iterable[Holding], now: float) -> Mapping[str, Any]:
    """Return the JSON document; docs/reference/command-line.md has its fields."""
    return {"folder": root and str(root), "time": now, "projects": [_holding(each) for each in listed]}


def _holding(each: Holding) -> Mapping[str, Any]:
    return {
        "project": each.project or None,
        "index": each.index,
        "for": each.whom,
        "versions": each.versions,
        "size": each.size,
        "pages": [_page(entry) for entry in each.pages],
        "absences": [{"url": entry.shown, "checked": entry.record.checked} for entry in each.absences],
        "files": [_file(entry) for entry in each.files],
    }


def _page(entry: Entry) -> Mapping[str, Any]:
    stored = entry.record
    return {
        "url": entry.shown,
        "form": stored.form,
        "size": stored.size,
        "checked": stored.checked,
        "expired": stored.expired,
        "refused": stored.barred,
    }


def _file(entry: Entry) -> Mapping[str, Any]:
    stored = entry.record
    return {
        "url": entry.shown,
        "version": entry.version or None,
        "size": stored.size,
        "sha256": stored.sha256,
        "checked": stored.checked,
        "used": entry.file.status.st_mtime,
    }
