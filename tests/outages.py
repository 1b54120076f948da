"""The ways in which an index is dead for each tool that is covered, and what two runs of a tool have in common."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests import index as faults
from tests.index import Index

DEAD: Mapping[str, Callable[[Index], None]] = {
    "refused": lambda index: index.refuse(),
    "black-hole": lambda index: index.fault(faults.hang),
    "503": lambda index: index.fault(faults.status(503)),
    "login-page": lambda index: index.fault(faults.body(faults.PORTAL)),
}
"""By name, how it begins; it holds for pages and files."""


@contextmanager
def outage(index: Index, name: str, cache: Path, folder: Path) -> Iterator[Mapping[str, str]]:
    """Have an index be dead, and give the variables of a node with the same copies, all expired.

    The node, in `folder`, does not know yet that the index fails: what it notes is of no use to the next one.
    """
    copied = folder / name
    shutil.copytree(cache, copied, ignore=shutil.ignore_patterns("health-v1"))
    index.faults.clear()
    DEAD[name](index)
    try:
        yield {
            "CACHEDINDEX_CACHE_DIR": str(copied),
            "CACHEDINDEX_INDEX_TTL": "0",
            "CACHEDINDEX_TIMEOUT": "1",
        }
    finally:
        index.heal()


_DIFFERS = re.compile(
    r"(?<=successful in ).*|\d+:\d\d:\d\d|\d+\.\d+|[\d.]+ ?(m?s|(milli)?seconds?)\b"  # Times; and versions.
    r"|/\S+|-[\w-]{8}(?=-py)"  # Folders.
)


def without_times(text: str) -> list[str]:
    """Return the lines that a tool printed, in no order, and without what differs in each run."""
    return sorted(_DIFFERS.sub("", line) for line in text.splitlines())
