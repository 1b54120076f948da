"""What the records in the folder show of an index that an option would serve better."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from cachedindex.rules import privacy, urls
from cachedindex.store import private, record
from cachedindex.store.store import RECORDS
from cachedindex.upkeep import listing
from cachedindex.upkeep.inspection import Finding

_MANY = 5
"""From this many credentials on, one page lies there for tokens of which each job has its own."""


def of_tokens(root: Path) -> Iterator[Finding]:
    """Yield for each index how many credentials have a copy of the same page, if they are many."""
    scopes: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for file in listing.records(private.folder_of_user(root)):
        name, _, scope = file.name.rpartition(".")
        if privacy.takes_credential(scope) and name.startswith("page."):
            scopes[str(file.path.parent), name].add(scope)
    many: dict[str, int] = {}
    for (folder, name), found in scopes.items():
        if len(found) >= _MANY and (url := _url(Path(folder) / f"{name}.{min(found)}")):
            many[url] = max(len(found), many.get(url, 0))
    for url, number in many.items():
        says = f"{number} credentials of this user have a copy each of the same page of {url}"
        yield Finding(says, "if each job has its own token, set share = user for this index", is_wrong=False)


def of_paths(root: Path) -> Iterator[Finding]:
    """Yield each public index whose URL seems to have a token in its path."""
    found = set()
    for file in listing.records(root):
        # A host's folder, the segments of the path, of which the last one is the project, and the record.
        host, *segments = Path(file.where).relative_to(root / RECORDS).parts[:-2]
        found |= {(host, segment[:4]) for segment in segments if urls.is_token(segment)}
    for host, start in sorted(found):
        says = (
            f"URLs of {host} seem to have a token in their path, {start}***, which everybody who reads the folder sees"
        )
        yield Finding(says, "if it is one, set private = true for this index, and remove its folder", is_wrong=False)


def _url(path: Path) -> str | None:
    """Return the URL of the index of a record, with what may be a token left out; None if it is gone or damaged."""
    try:
        stored = record.decode(path.read_bytes())
    except OSError:
        return None
    return urls.without_tokens(urls.repository(stored.url)) if stored else None
