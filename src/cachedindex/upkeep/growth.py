"""How the folder has grown: what is stored now, by when it came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cachedindex.upkeep import inventory, listing
from cachedindex.upkeep.inventory import Entry


@dataclass(frozen=True)
class Growth:
    """What is stored."""

    files: int
    pages: int
    of_pages: int
    """Bytes of the pages, of which nobody knows when the first one came: each answer replaces one, or confirms it."""
    steps: Sequence[tuple[float, int]] = ()
    """When a file came, in seconds since the epoch, and the bytes of all files from then on; in the order of time."""

    @property
    def of_files(self) -> int:
        """Bytes of the files."""
        return self.steps[-1][1] if self.steps else 0


def of_folder(root: Path) -> Growth:
    """Return what the trees of everybody and of this user hold."""
    return of_entries(inventory.read(*listing.trees(root)).entries)


def of_entries(entries: Iterable[Entry]) -> Growth:
    """Return what these records come to; a file that several of them share counts once."""
    found = [entry for entry in entries if not entry.is_mark and not entry.is_purged]
    pages = [entry for entry in found if entry.is_page]
    files: dict[tuple[Path, str], Entry] = {}
    for entry in sorted((entry for entry in found if not entry.is_page), key=lambda entry: entry.record.asked):
        files.setdefault((entry.tree, entry.record.sha256), entry)
    size, steps = 0, []
    for entry in files.values():
        size += entry.record.size
        steps.append((entry.record.asked, size))
    return Growth(len(files), len(pages), sum(entry.record.size for entry in pages), steps)
