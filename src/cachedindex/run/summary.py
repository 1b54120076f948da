"""The words for the end of a run: one line about what was served stale, refused or missing, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cachedindex.model import Outcome

SUMMARIZED = ("stale", "late", "refused", "failed")
"""The outcomes that the line depends on; all others need no words."""
_NOUNS = {"page": ("page", "pages"), "file": ("file", "files"), "other": ("download", "downloads")}


def summary(outcomes: Iterable[Outcome], damaged: Sequence[str] = ()) -> str | None:
    """Return the line for the end of a run; None if nothing was served stale, refused, missing or damaged.

    `damaged` are the paths in quarantine of files that did not verify. ValueError for a kind of another release.
    """
    found = list(outcomes)
    by_end = {ended: [outcome for outcome in found if outcome.ended == ended] for ended in SUMMARIZED}
    late = {outcome.origin: outcome.why for outcome in by_end["late"]}
    parts = []
    if by_end["stale"]:
        oldest = max(outcome.age or 0.0 for outcome in by_end["stale"])
        reasons = _reasons(by_end["stale"], late)
        parts.append(f"served {_amount(by_end['stale'])} stale, up to {ago(oldest)} old ({reasons})")
    if by_end["refused"]:
        parts.append(f"refused {_amount(by_end['refused'])} ({_reasons(by_end['refused'], late)})")
    pages = [outcome for outcome in by_end["failed"] if outcome.kind == "page"]
    if pages:
        parts.append(f"could not get {_amount(pages)}, of which nothing is stored ({_reasons(pages, late)})")
    if damaged:
        files = "file" if len(damaged) == 1 else "files"
        parts.append(f"{len(damaged)} damaged {files} set aside in {Path(damaged[0]).parent}, to be fetched again")
    return ", ".join(parts) or None


def printable(text: str) -> str:
    """Return a text in one line and without control characters: an index's own words may hold any."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda control: f"\\x{ord(control[0]):02x}", text)


def ago(seconds: float) -> str:
    """Return a duration for a person: "40 s", "5 min", "3 h 20 min", "12 d"."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{max(seconds, 0.0):.0f} s"
    if minutes < 60:  # noqa: PLR2004 - minutes in an hour
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:  # noqa: PLR2004 - up to two days people count in hours
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d"


def volume(size: float) -> str:
    """Return a number of bytes for a person: "980 bytes", "3.4 MB", "10.0 GB"."""
    if size < 1e3:  # noqa: PLR2004 - bytes in a kilobyte
        return f"{size:.0f} bytes"
    for unit in ("kB", "MB"):
        size /= 1e3
        if size < 1e3:  # noqa: PLR2004
            return f"{size:.1f} {unit}"
    return f"{size / 1e3:.1f} GB"


def _amount(outcomes: Iterable[Outcome]) -> str:
    counts = Counter(outcome.kind for outcome in outcomes)
    # The outcomes come in the order of the processes' numbers, which would make the same build print different lines.
    kinds = sorted(counts, key=tuple(_NOUNS).index)
    *others, last = [f"{counts[kind]} {_NOUNS[kind][counts[kind] != 1]}" for kind in kinds]
    return f"{', '.join(others)} and {last}" if others else last


def _reasons(outcomes: Iterable[Outcome], late: Mapping[str, str]) -> str:
    """Return each origin with the most frequent cause of its outcomes, and with how late it answered, if it did."""
    causes: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        causes.setdefault(outcome.origin, Counter())[outcome.why] += 1
    main = {origin: counts.most_common(1)[0][0] for origin, counts in causes.items()}
    return "; ".join(
        f"{origin}: {why}" + (f"; it {late[origin]}" if origin in late else "") for origin, why in main.items()
    )
