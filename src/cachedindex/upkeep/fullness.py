"""How full the cache folder is, as far as this user may see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cachedindex.rules import layout
from cachedindex.upkeep import listing


@dataclass(frozen=True)
class Fullness:
    """What is stored, and when it was used."""

    size: int
    """Bytes, as `max-size` counts them."""
    projects: int
    pages: int
    files: int
    oldest: float | None
    """When the entry that nobody has used for longest was used last, in seconds since the epoch; None for no entry."""
    newest: float | None
    """When an entry was used last."""


def of_folder(root: Path) -> Fullness:
    """Return what the trees of everybody and of this user hold."""
    size, pages, used, projects, files = 0, 0, list[float](), set[str](), 0
    for tree in listing.trees(root):
        for record in listing.records(tree):
            size += record.status.st_size
            used.append(record.status.st_mtime)
            if layout.is_page(record.name):
                pages += 1
                projects.add(record.path.parent.name)
        for blob in listing.blobs(tree):
            size += blob.status.st_size
            used.append(blob.status.st_mtime)
            files += 1
    return Fullness(size, len(projects), pages, files, min(used, default=None), max(used, default=None))
