"""The record of a run in words: its numbers by index, what was not as usual in it, as JSON and as Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from cachedindex.model import Outcome, Run
from cachedindex.rules import filenames, urls
from cachedindex.run import traffic
from cachedindex.run.summary import ago, printable
from cachedindex.store import runs
from cachedindex.store.runs import Summed

SCHEMA = 1
"""The version of the JSON: a later one may have more fields, and only another version has other ones."""
COUNTED = {
    "hit": ("hit",),
    "revalidated": ("revalidated",),
    "miss": ("miss", "mirrored"),
    "stale": ("stale", "absent"),
    "refused": ("refused", "failed"),
    "other": ("negative", "passed"),
}
"""The columns of a table of numbers, and the outcomes that each of them counts."""
USUAL = ("hit", "revalidated", "negative", "passed")
"""The outcomes that a person need not see one by one."""
DETAILS = ("outcome", "project or file", "version", "age", "why", "from")
"""The columns of a table of look-ups."""
_MOST_ROWS = 300
"""Of Markdown: GitHub drops the summary of a step that is larger than 1 MiB."""
_WORST = ("failed", "refused", "stale", "absent", "mirrored", "late", "miss")


def counts(ended: Mapping[str, int]) -> list[int]:
    """Return the numbers for the columns of COUNTED."""
    return [sum(ended.get(each, 0) for each in group) for group in COUNTED.values()]


def hit_rate(ended: Mapping[str, int]) -> float | None:
    """Return the share of look-ups that were answered from the folder, or confirmed by upstream; None if none was.

    Those that no cache could answer do not count: requests that are passed on, and projects that are not there.
    """
    had = sum(ended.get(each, 0) for each in ("hit", "revalidated", "stale", "absent"))
    asked = had + sum(ended.get(each, 0) for each in ("miss", "mirrored", "refused", "failed"))
    return had / asked if asked else None


def title(run: Run) -> str:
    """Return in one line which run it was."""
    job = f" of {run.job}" + (f" #{run.build}" if run.build else "") if run.job else ""
    code = "" if run.code is None else f", exit code {run.code}" if run.code >= 0 else f", ended by signal {-run.code}"
    return printable(f"{run.command}{job}: {ago(run.duration)}{code}")


def called(run: Run) -> str:
    """Return what a person calls a run: by its job, if it is one of a CI server's, else by its command."""
    return f"{run.job} #{run.build}" if run.job and run.build else run.job or run.command


def not_covered(run: Run) -> str:
    """Return in one line which clients were not covered."""
    return printable(f"not covered: {', '.join(run.uncovered)}")


def verdict(ended: Mapping[str, int]) -> str:
    """Return in one line how the look-ups of a run ended."""
    stale, refused = counts(ended)[3:5]
    total = sum(ended.values())
    parts = [f"{total} look-up{'' if total == 1 else 's'}"]
    rate = hit_rate(ended)
    if rate is not None:
        parts.append(f"{rate:.0%} from the cache")
    parts.append(f"{stale} stale" if stale else "nothing stale")
    if refused:
        parts.append(f"{refused} could not be had")
    return ", ".join(parts)


def details(outcomes: Iterable[Outcome], *, all_of_them: bool = False) -> list[tuple[str, ...]]:
    """Return the rows of look-ups, the worst first; without those that a person need not see, or `all_of_them`."""
    found = [outcome for outcome in outcomes if all_of_them or outcome.ended not in USUAL]
    return [
        (
            outcome.ended,
            name(outcome),
            version(outcome),
            "" if outcome.age is None else ago(outcome.age),
            outcome.why,
            runs.index_of(outcome),
        )
        for outcome in worst_first(found)
    ]


def worst_first(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return look-ups by how they ended, the worst first, and those that ended alike in the order of time."""
    order = {ended: number for number, ended in enumerate((*_WORST, *USUAL))}
    return sorted(outcomes, key=lambda outcome: (order.get(outcome.ended, len(order)), outcome.at))


def name(outcome: Outcome) -> str:
    """Return the project of a page, or the name of a file."""
    return unquote(urlsplit(outcome.url).path.rstrip("/").rpartition("/")[2]) or outcome.url


def version(outcome: Outcome) -> str:
    """Return the version that the name of a file has; empty for anything else."""
    named = filenames.parsed(name(outcome)) if outcome.kind != "page" else None
    return named.version if named else ""


def as_json(found: Sequence[tuple[str, Run, Summed]]) -> dict[str, Any]:
    """Return runs, each with its name, as the JSON of the reference."""
    return {"schema": SCHEMA, "runs": [_run(*each) for each in found]}


def as_markdown(run: Run, summed: Summed) -> str:
    """Return a run as Markdown, for the summary of a job (GitHub Flavored Markdown)."""
    lines = [f"### cachedindex: {verdict(summed.ended)}", "", _cell(title(run)), ""]
    if run.uncovered:
        lines += [_cell(not_covered(run)), ""]
    if had := traffic.of_runs([run]):
        lines += [_cell(f"remote {traffic.line(traffic.as_json(had))}"), ""]
    lines += _table(("index", *COUNTED), [(url, *counts(each.ended)) for url, each in summed.indexes.items()])
    if rows := details(run.outcomes):
        lines += ["", f"<details><summary>Look-ups that were no mere hit: {len(rows)}</summary>", ""]
        lines += [*_table(DETAILS, rows[:_MOST_ROWS]), ""]
        lines += [f"{len(rows) - _MOST_ROWS} more", ""] if len(rows) > _MOST_ROWS else []
        lines.append("</details>")
    return "\n".join([*lines, "", ""])


def _run(identity: str, run: Run, summed: Summed) -> dict[str, Any]:
    had = traffic.of_runs([run])
    return {
        "id": identity or None,
        "command": run.command,
        "job": run.job or None,
        "build": run.build or None,
        "started": run.started,
        "duration": run.duration,
        "exit_code": run.code,
        "damaged": run.damaged,
        "not_covered": list(run.uncovered),
        "hit_rate": hit_rate(summed.ended),
        "remote": traffic.as_json(had) if had else None,
        "counts": _counts(summed.ended),
        "indexes": [
            {"url": url, "counts": _counts(each.ended), "took": each.took or None}
            for url, each in summed.indexes.items()
        ],
        "lookups": [_lookup(outcome) for outcome in run.outcomes],
        "lookups_left_out": run.left_out,
    }


def _counts(ended: Counter[str]) -> dict[str, int]:
    return {each: ended[each] for group in COUNTED.values() for each in group}


def _lookup(outcome: Outcome) -> dict[str, Any]:
    is_page = outcome.kind == "page"
    named = None if is_page else filenames.parsed(name(outcome))
    return {
        "outcome": outcome.ended,
        "kind": outcome.kind,
        "project": urls.project(outcome.url) if is_page else named and named.project,
        "file": None if is_page else name(outcome),
        "version": version(outcome) or None,
        "url": outcome.url,
        "origin": outcome.origin,
        "sha256": outcome.sha256 or None,
        "age": outcome.age,
        "at": outcome.at,
        "took": outcome.took or None,
        "why": outcome.why or None,
        "private": outcome.seen_by != "all",
    }


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [heads, ["--"] * len(heads), *rows]
    return [f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines]


def _cell(text: object) -> str:
    """Return a text that means nothing to Markdown, as the words of an index may."""
    return re.sub(r"([\\`*_{}\[\]<>|~#!&])", r"\\\1", printable(str(text)))
