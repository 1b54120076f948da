"""The cache folder as a command finds it: nothing stored yet, readable, or one that this user may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cachedindex import sources
from cachedindex.errors import StoreUnavailable
from cachedindex.named import NamedTuple
from cachedindex.run.report import Report
from cachedindex.store import folder, probe
from cachedindex.upkeep import listing


class Place(NamedTuple):
    """A cache folder in which something is stored."""

    root: Path
    shared: Path
    """The folder for locks and health, which may be another one."""


def readable(loaded: sources.Loaded, environ: Mapping[str, str]) -> Place | None:
    """Return the cache folder; None if nothing is stored yet, which `empty` says in words.

    Raises StoreUnavailable if the folder is refused, or another program's, or does not answer.
    """
    for warning in loaded.warnings:
        Report().warn(f"{warning} (ignored)")
    if silence := probe.silence(sources.places(loaded.settings, environ)):
        raise StoreUnavailable(silence)
    root = sources.cache_folder(loaded.settings, environ)
    if root is None or _is_empty(root):
        return None
    shared = sources.lock_folder(loaded.settings, root)
    refusal = folder.refusal(root) or folder.refusal(shared)
    if refusal:
        raise StoreUnavailable(str(refusal))
    if not folder.is_ours(root):
        raise StoreUnavailable(f"{root} holds no CACHEDIR.TAG of cachedindex, so it is left alone")
    return Place(root, shared)


def changeable(loaded: sources.Loaded, environ: Mapping[str, str]) -> Place | None:
    """Return the cache folder as `readable` does; StoreUnavailable also if this user may not change it."""
    place = readable(loaded, environ)
    if place and loaded.settings.read_only:
        raise StoreUnavailable(f"nothing is changed in {place.root}, as read-only = true")
    if place and not folder.may_write(place.root):
        raise StoreUnavailable(f"this user may not change anything in {place.root}")
    return place


def read_as_well(loaded: sources.Loaded, environ: Mapping[str, str]) -> Sequence[Path]:
    """Return the other folders that the builds read, which no command changes."""
    return sources.also_read(loaded.settings, sources.cache_folder(loaded.settings, environ))


def fillable(loaded: sources.Loaded, environ: Mapping[str, str]) -> Path:
    """Return the cache folder, even if nothing is stored there yet; StoreUnavailable if nothing can be."""
    if place := changeable(loaded, environ):
        return place.root
    root = sources.cache_folder(loaded.settings, environ)
    if root is None:
        raise StoreUnavailable("there is no folder to store anything in; set cache-dir")
    if loaded.settings.read_only or not folder.may_write(root):
        why = "read-only = true" if loaded.settings.read_only else "this user may not write there"
        raise StoreUnavailable(f"nothing is stored in {root}, as {why}")
    if refusal := folder.refusal(root):
        raise StoreUnavailable(str(refusal))
    return root


def empty(loaded: sources.Loaded, environ: Mapping[str, str]) -> str:
    """Return the line for a folder in which nothing is stored yet."""
    return f"nothing is stored yet in {sources.cache_folder(loaded.settings, environ) or 'any folder'}"


def _is_empty(root: Path) -> bool:
    try:
        return listing.is_empty(root)
    except OSError as error:
        raise StoreUnavailable(f"{root} cannot be read: {error.strerror or error}") from error
