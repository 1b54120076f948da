"""`cachedindex doctor`: check all that may be wrong with the cache folder, and say in one line each what to do."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cachedindex import __version__, sources
from cachedindex.commands import flags
from cachedindex.errors import DeadlinePassed, StoreUnavailable
from cachedindex.lookup.deadline import call_with_deadline
from cachedindex.options import INDEX_OPTIONS, OPTIONS, Settings, size
from cachedindex.remote import helper
from cachedindex.rules import urls
from cachedindex.run import traffic
from cachedindex.run.summary import ago, volume
from cachedindex.store import folder, others, probe
from cachedindex.upkeep import hints, inspection, listing, verify
from cachedindex.upkeep.inspection import Finding

_LOCK_PATIENCE = 5.0
_WORDS = {("share", None): "false", ("share", "all"): "true", ("private", None): "auto", ("fail-on-stale", None): "no"}
"""How values are written that an option's text names otherwise."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "doctor",
        "check the cache folder",
        "Check the settings, the cache folder and all files in it, and say what to do.",
        "cachedindex doctor --repair",
    )
    flags.add_to(parser)
    parser.add_argument("--repair", action="store_true", help="set damaged files aside, remove strays, correct modes")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; return 0 if nothing is wrong, and 1 otherwise."""
    loaded, environ = flags.load(arguments)
    print(f"cachedindex {__version__}, Python {sys.version.split()[0]}")
    for line in _settings(loaded):
        print(f"       {line}")
    wrong = False
    for found in _findings(loaded, environ, repair=arguments.repair):
        wrong = wrong or bool(found.advice and found.is_wrong)
        word = "ok   " if not found.advice else "WRONG" if found.is_wrong else "note "
        print(f"{word}  {found.says}" + (f": {found.advice}" if found.advice else ""), flush=True)
    return int(wrong)


def _findings(loaded: sources.Loaded, environ: Mapping[str, str], *, repair: bool) -> Iterator[Finding]:
    for warning in loaded.warnings:
        yield Finding(warning, "it is ignored; correct it there")
    yield from _of_folder(loaded.settings, environ, repair=repair)
    if loaded.settings.remote:
        yield _remote(loaded.settings)


def _of_folder(settings: Settings, environ: Mapping[str, str], *, repair: bool) -> Iterator[Finding]:
    if silence := probe.silence(sources.places(settings, environ)):
        yield Finding(silence, "see whether its disk is frozen, or the server of its mount is gone")
        return
    root = sources.cache_folder(settings, environ)
    if root is None:
        yield Finding("there is no folder to store anything in", "set cache-dir")
        return
    if not root.is_dir():
        yield _absent(root)
        return
    shared = sources.lock_folder(settings, root)
    yield Finding(f"the cache folder is {root}")
    yield from inspection.permissions(root, read_only=settings.read_only)
    try:
        is_others = not folder.is_ours(root) and not listing.is_empty(root)
    except (OSError, StoreUnavailable) as error:
        yield Finding(f"{root} cannot be read: {getattr(error, 'strerror', None) or error}", "see its owner and mode")
        return
    if is_others:
        yield Finding(f"{root} holds files of another program", "set cache-dir to a folder of its own")
        return
    stores = not settings.read_only and folder.may_write(root)
    repair = repair and stores
    if stores:
        if shared != root:
            yield from inspection.coordination(shared)
        yield inspection.clock(root)
        yield _locking(shared)
        yield verify.strays(root, shared, repair=repair)
        yield verify.denied(root, shared)
    yield from verify.modes(root, repair=repair)
    yield from verify.damage(root, repair=repair)
    if stores:
        yield from inspection.ground(root, shared, settings.max_size)
    yield from map(_other, sources.also_read(settings, root))
    yield from hints.of_tokens(root)
    yield from hints.of_paths(root)


def _other(root: Path) -> Finding:
    """Return what keeps another folder from being read; what lies there is not checked, as it is not this one's."""
    if problem := others.problem(root):
        return Finding(f"also-read: {problem}", "the builds do without it: correct that, or take it out of also-read")
    try:
        if not root.is_dir():
            return Finding(f"also-read: {root} is no folder, or not there yet", "see its path", is_wrong=False)
        if not folder.is_ours(root):
            return Finding(f"also-read: {root} holds no CACHEDIR.TAG of cachedindex", "see its path", is_wrong=False)
    except (OSError, StoreUnavailable) as error:
        return Finding(f"also-read: {root} cannot be read: {error}", "see its owner and mode")
    return Finding(f"also-read: {root} is read after it, and never written")


def _remote(settings: Settings) -> Finding:
    """Return whether the remote answers; it is asked for something that is not there."""
    had = helper.probe(settings)
    if had.problem:
        advice = "the builds do without it: see its URL, and the credentials in this environment"
        return Finding(f"remote: {had.place} {had.problem}", advice)
    return Finding(f"remote: {had.place} answers in {traffic.seconds(had.latency)}")


def _absent(root: Path) -> Finding:
    blocking = next((above for above in root.parents if above.exists() and not above.is_dir()), root)
    if blocking.exists():
        return Finding(f"{blocking} is no folder", "remove it, or set cache-dir to another one")
    advice = "" if folder.may_write(root) else "make that folder, or set cache-dir to another one"
    return Finding(f"{root} is not there yet", advice)


def _locking(shared: Path) -> Finding:
    try:
        return call_with_deadline(
            lambda: inspection.locking(shared), _LOCK_PATIENCE, lambda: _LOCK_PATIENCE, lambda _: None
        )
    except DeadlinePassed:
        return Finding(f"a lock in {shared} hangs", "set lock-dir to a folder on this host's own disk")


def _settings(loaded: sources.Loaded) -> Iterator[str]:
    """Yield each option as it is written in a file, with the place where it is set."""
    for name in OPTIONS:
        field = name.replace("-", "_")
        place = loaded.places.get(field, "default")
        yield f"{name} = {_written(name, getattr(loaded.settings, field))}  ({place})"
    for url, values in loaded.settings.indexes:
        for field, value in values.items():
            name = field.replace("_", "-")
            shown = f"{urls.origin(url)}/***" if values.get("private") else url
            yield f"{name} = {_written(name, value)}  (for {shown})"


def _written(name: str, value: Any) -> str:
    parse = INDEX_OPTIONS[name].parse if name in INDEX_OPTIONS else OPTIONS[name].parse
    if (name, value) in _WORDS:
        return _WORDS[name, value]
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "unlimited" if value == math.inf else volume(value) if parse is size else ago(value)
    return " ".join(value) if isinstance(value, tuple) else str(value)
