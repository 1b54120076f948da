"""The record of a run, made at its end: kept in the cache folder, and written to the files that its options name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Outcome, RemoteUse, Run
from cachedindex.options import Settings
from cachedindex.rules import kept
from cachedindex.store import runs

_GITHUB = "GITHUB_STEP_SUMMARY"


def oldest(outcomes: Iterable[Outcome]) -> float | None:
    """Return the greatest age in seconds of what stood in for upstream's answer; None if nothing did."""
    stood_in = [each for each in outcomes if each.ended in ("stale", "absent") or is_of_mirror(each)]
    return max((outcome.age or 0.0 for outcome in stood_in), default=None)


def is_of_mirror(outcome: Outcome) -> bool:
    """Return whether a mirror's page stood in; a file of a mirror is the index's own, by its digest."""
    return outcome.ended == "mirrored" and outcome.kind == "page"


def of_run(
    command: Sequence[str],
    began: float,
    ended: float,
    code: int | None,
    outcomes: Iterable[Outcome],
    damaged: int = 0,
    uncovered: Sequence[str] = (),
    remote: Sequence[RemoteUse] = (),
    job: str | None = None,
) -> Run:
    """Return what may be kept of a run that began and ended at these seconds since the epoch.

    `job` is its name if that is another one than the CI server's.
    """
    name, build = kept.job(os.environ)
    found = list(outcomes)
    shown = [kept.shown(outcome) for outcome in found if outcome.seen_by != "nobody"]
    said = kept.command(command)
    if len(shown) < len(found):
        said = kept.program(said)
    took = max(ended - began, 0.0)
    return Run(said, job or name, build, began, took, code, damaged, shown, 0, tuple(uncovered), tuple(remote))


def keep(root: Path, run: Run, *, always: bool) -> str:
    """Write the record of a run, if the cache folder is there, and return its name; empty if it is not written.

    One without look-ups is written `always`, or not at all.
    """
    if not root.is_dir() or not (run.outcomes or always):
        return ""
    try:
        return runs.write(root, run)
    except StoreUnavailable:  # What could not be stored for the build has been said.
        return ""


def is_page(report: str | None) -> bool:
    """Return whether the option `report` names a page in HTML."""
    return bool(report) and Path(report or "").suffix.lower() in (".html", ".htm")


def write_files(settings: Settings, name: str, run: Run, root: Path) -> Iterator[str]:
    """Write the files that the options want of a run; yield a line for each that cannot be written.

    `root` is the folder that holds the runs before it.
    """
    if not settings.report and not settings.summary:
        return
    from cachedindex.run import written  # noqa: PLC0415 - most runs write no file

    summed = runs.Summed(run, runs.sum_up(run.outcomes))
    if settings.report and is_page(settings.report):
        yield from _write_page(Path(settings.report), name, summed, root)
    elif settings.report:
        text = json.dumps(written.as_json([(name, run, summed)]), indent=2) + "\n"
        yield from _write(Path(settings.report), text, "w")
    if settings.summary == "auto":
        if path := os.environ.get(_GITHUB):
            yield from _write(Path(path), written.as_markdown(run, summed), "a")
    elif settings.summary:
        yield from _write(Path(settings.summary), written.as_markdown(run, summed), "w")


def _write_page(path: Path, name: str, summed: runs.Summed, root: Path) -> Iterator[str]:
    from cachedindex.run import files, subject, trends  # noqa: PLC0415 - fewer runs yet write a page
    from cachedindex.upkeep import usage  # noqa: PLC0415

    run = summed.run
    before = usage.before(root, name, run.job, trends.MOST_COLUMNS)
    try:
        files.write_page(path, subject.Subject([(name, run, summed)], run.started + run.duration, before=before))
    except OSError as error:
        yield _cannot_write(path, error)


def _cannot_write(path: Path, error: OSError) -> str:
    return f"cannot write {path}: {error.strerror or error}"


def _write(path: Path, text: str, mode: str) -> Iterator[str]:
    try:
        with path.open(mode, encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        yield _cannot_write(path, error)
