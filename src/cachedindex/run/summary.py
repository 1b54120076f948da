"""The words for the end of a run: one line about what was served stale, refused or missing, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cachedindex.model import Outcome
from cachedindex.rules import downloads

SUMMARIZED = ("stale", "absent", "mirrored", "late", "refused", "failed")
"""The outcomes that the line depends on; of all others, only those of what was had after all."""
MISSED = ("refused", "failed")
_NAMES = 3
"""So many names of what could not be had are in the line."""
_NOT_ASKED = "not asked: "
_NOUNS = {"page": ("page", "pages"), "file": ("file", "files"), "other": ("download", "downloads")}


def summary(outcomes: Iterable[Outcome], damaged: Sequence[str] = ()) -> str | None:
    """Return the line for the end of a run; None if nothing was served stale, missing or damaged.

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
    if by_end["absent"]:
        oldest = max(outcome.age or 0.0 for outcome in by_end["absent"])
        reasons = _reasons(by_end["absent"], late)
        parts.append(f"took {_amount(by_end['absent'])} as missing, as up to {ago(oldest)} ago ({reasons})")
    if by_end["mirrored"]:
        parts.append(f"took {_amount(by_end['mirrored'])} from mirrors ({_reasons(by_end['mirrored'], late)})")
    lacking = missed(found)
    if never := [outcome for outcome in lacking if outcome.age is None]:
        parts.append(f"could not get {_names(never)}, of which nothing is stored ({_reasons(never, late)})")
    if old := [outcome for outcome in lacking if outcome.age is not None]:
        whose = f"whose copy is too old to stand in ({ago(max(outcome.age or 0.0 for outcome in old))})"
        parts.append(f"could not get {_names(old)} ({_reasons(old, late)}), {whose}")
    if damaged:
        files = "file" if len(damaged) == 1 else "files"
        parts.append(f"{len(damaged)} damaged {files} set aside in {Path(damaged[0]).parent}, to be fetched again")
    return ", ".join(parts) or None


def lookup_line(outcome: Outcome) -> str:
    """Return the line for one look-up, whose URL may be shown: "stale page https://index.example/simple/six/ (…)"."""
    parts = ["" if outcome.age is None else f"{ago(outcome.age)} old", outcome.why]
    more = "; ".join(filter(None, parts))
    return f"{outcome.ended} {outcome.kind} {outcome.url}" + (f" ({more})" if more else "")


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


def missed(found: Iterable[Outcome]) -> list[Outcome]:
    """Return what could not be had, and that somebody missed: not what came later, or that a client does without."""
    last = {outcome.url: outcome.ended for outcome in found if outcome.ended != "late"}
    gone = [outcome for outcome in found if outcome.ended in MISSED and last[outcome.url] in MISSED]
    return [outcome for outcome in gone if not downloads.is_optional(outcome.url)]


def _names(outcomes: Iterable[Outcome]) -> str:
    """Return the names of projects and files, three at most; files first, as the client had a page that lists them."""
    found = {(outcome.kind == "page", _name(outcome)) for outcome in outcomes}
    names = [name for _, name in sorted(found)]
    if len(names) > _NAMES:
        return f"{', '.join(names[:_NAMES])} and {len(names) - _NAMES} more"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _name(outcome: Outcome) -> str:
    """Return the last part of a URL, without what follows a file's name in that of its metadata (PEP 658)."""
    name = unquote(urlsplit(outcome.url).path.rstrip("/").rpartition("/")[2]).removesuffix(".metadata")
    return name or outcome.url


def _amount(outcomes: Iterable[Outcome]) -> str:
    counts = Counter(outcome.kind for outcome in outcomes)
    # The outcomes come in the order of the processes' numbers, which would make the same build print different lines.
    kinds = sorted(counts, key=tuple(_NOUNS).index)
    *others, last = [f"{counts[kind]} {_NOUNS[kind][counts[kind] != 1]}" for kind in kinds]
    return f"{', '.join(others)} and {last}" if others else last


def _reasons(outcomes: Iterable[Outcome], late: Mapping[str, str]) -> str:
    """Return each origin with the most frequent cause of its outcomes, and with how late it answered, if it did.

    That it was not asked is the cause only if it never was: the cause why it was not asked is then another one.
    """
    causes: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        causes.setdefault(outcome.origin, Counter())[outcome.why] += 1
    main = {origin: _main(counts) for origin, counts in causes.items()}
    return "; ".join(
        f"{origin}: {why}" + (f"; it {late[origin]}" if origin in late else "") for origin, why in main.items()
    )


def _main(causes: Counter[str]) -> str:
    asked = Counter({why: count for why, count in causes.items() if not why.startswith(_NOT_ASKED)})
    return (asked or causes).most_common(1)[0][0]
