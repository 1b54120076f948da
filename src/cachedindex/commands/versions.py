"""What `cachedindex explain` says of a project's versions: which are there, why one is not taken, who got which."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from cachedindex.model import Record, Run
from cachedindex.named import NamedTuple
from cachedindex.rules import conditions, filenames
from cachedindex.rules.filenames import Release
from cachedindex.rules.pages import Page
from cachedindex.run.summary import ago
from cachedindex.upkeep.inventory import Entry

_NEWEST = 8
"""So many versions of a page are named, the newest ones."""


class Given(NamedTuple):
    """When a build was last given a version."""

    at: float
    job: str


def named(page: Page) -> str:
    """Return the newest versions of a page, and how many older ones it has."""
    known = [release.version for release in reversed(filenames.by_version(page).values())]
    more = f" and {len(known) - _NEWEST} older" if len(known) > _NEWEST else ""
    return ", ".join(known[:_NEWEST]) + more


def with_files(page: Page | None, files: Sequence[Entry]) -> list[str]:
    """Return the versions of a page of which a file is stored that it lists, the newest first."""
    digests = {file.record.sha256 for file in files}
    found = filenames.by_version(page).values() if page else ()
    return [release.version for release in reversed(found) if any(link.sha256 in digests for link in release.files)]


def files_of(page: Page | None, files: Sequence[Entry], version: str) -> int:
    """Return how many files of a version are stored that the page lists."""
    digests = {file.record.sha256 for file in files}
    release = filenames.by_version(page).get(filenames.canonical(version)) if page else None
    return sum(link.sha256 in digests for link in release.files) if release else 0


def why(record: Record | None, page: Page | None, files: Sequence[Entry], version: str) -> str:
    """Return why a client gets a version from a stored page, or does not."""
    if record is None or page is None:
        return "no page is stored that could have it"
    release = filenames.by_version(page).get(filenames.canonical(version))
    if release is None:
        return "not on the stored page: the index did not have it then; a client that needs it has the index asked"
    stored = files_of(page, files, version)
    lost = "" if stored else "; in an outage no client could have it"
    return f"on the stored page; of its {len(release.files)} files there, {stored} are stored{lost}" + "".join(
        f"; {condition}" for condition in _conditions(record, release)
    )


def _conditions(record: Record, release: Release) -> list[str]:
    """Return for what reasons a client may leave out the files of a version."""
    said = conditions.of_files(record)
    found = [said[link.filename] for link in release.files if link.filename in said]
    yanked = [each.yanked for each in found if each.yanked is not None]
    pythons = sorted({each.python for each in found if each.python})
    reasons = []
    if yanked:
        extent = "yanked" if len(yanked) == len(found) else f"{len(yanked)} of them yanked"
        reasons.append(f"{extent}, so that only a client that asks for exactly this version takes it"
                       + (f": {yanked[0]}" if yanked[0] else ""))  # fmt: skip
    if pythons:
        reasons.append(f"for Python {' or '.join(pythons)}")
    return reasons


def compared(before: Page | None, now: Page) -> str:
    """Return what the index has now that the stored page lacks, and the reverse."""
    if before is None:
        return f"it has {named(now)}"
    old, new = filenames.by_version(before), filenames.by_version(now)
    more = [release.version for version, release in new.items() if version not in old]
    gone = [release.version for version, release in old.items() if version not in new]
    parts = [f"it has {', '.join(more)}, too"] if more else []
    parts += [f"it has {', '.join(gone)} no more"] if gone else []
    return "; ".join(parts) or "it has the same versions"


def given(name: str, found: Iterable[Run]) -> Mapping[str, Given]:
    """Return which versions of a project these runs were given, and when last; the runs begin with the latest."""
    seen: dict[str, Given] = {}
    for run in found:
        for outcome in run.outcomes:
            file = filenames.parsed(outcome.url.rpartition("/")[2]) if outcome.kind == "file" else None
            if file and file.project == name and outcome.ended not in ("failed", "refused"):
                seen.setdefault(file.version, Given(outcome.at, run.job))
    return seen


def shown(found: Mapping[str, Given]) -> str:
    """Return who got which version, for a person."""
    now = time.time()
    return ", ".join(
        f"{version} {ago(now - each.at)} ago{f' ({each.job})' if each.job else ''}" for version, each in found.items()
    )
