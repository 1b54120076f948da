"""`cachedindex report`: what the cache did in a run, or in the runs of some days."""

from __future__ import annotations

import argparse
import errno
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cachedindex import sources
from cachedindex.commands import flags, show
from cachedindex.errors import SettingsError
from cachedindex.model import Run
from cachedindex.options import duration
from cachedindex.run import files, traffic, trends, written
from cachedindex.run.subject import Subject
from cachedindex.run.summary import ago
from cachedindex.store import runs
from cachedindex.store.runs import IndexCounts, Summed
from cachedindex.upkeep import growth, usage

_NOTHING = 1
_LAST = "last"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "report",
        "show what the cache did in a run, or in the runs of some days",
        "Show what was asked in a run, where it came from, how old it was, and what could not be had.",
        "cachedindex report --job nightly",
    )
    parser.add_argument(
        "wanted", nargs="?", metavar="RUN", help="the name of a run, or the start of it (default: last)"
    )
    parser.add_argument("--job", metavar="NAME", help="of this job of the CI server: its last run, or all with --since")
    parser.add_argument("--since", metavar="DURATION", help='all runs of this time, as in "7 d", in one line each')
    parser.add_argument(
        "--all", action="store_true", help="list each look-up, and not only those that were no mere hit"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, for a program")
    form.add_argument("--markdown", action="store_true", help="print Markdown, for the summary of a job")
    form.add_argument("--html", metavar="FILE", help="write a page to this file, and its stylesheet beside it")
    flags.add_to(parser, ("cache-dir",))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report and return 0, or 1 if there is no such run; SettingsError for a wrong option."""
    loaded, environ = flags.load(arguments)
    root = sources.cache_folder(loaded.settings, environ)
    found = _found(root, arguments) if root else []
    if arguments.since and not (arguments.json or arguments.markdown or arguments.html is not None):
        _print_runs(found)
        return 0
    whole = [(name, _whole(root, name, summed), summed) for name, summed in found if root]
    if arguments.html is not None:
        _write_page(arguments, root, whole)
        return 0 if found or arguments.since else _NOTHING
    if arguments.json:
        show.as_json(written.as_json(whole))
    for each in () if arguments.json else whole:
        if arguments.markdown:
            print(written.as_markdown(*each[1:]), end="")
        else:
            _print_run(*each, all_of_them=arguments.all)
    if not found and not arguments.json:
        print(f"there is no such run in {root or 'any folder'}")
    return 0 if found else _NOTHING


def _found(root: Path, arguments: argparse.Namespace) -> list[tuple[str, Summed]]:
    """Return the runs that are wanted, the oldest first: one, unless it is all of some time."""
    earliest = _earliest(arguments.since)
    start = "" if arguments.wanted in (None, _LAST) else arguments.wanted
    found: list[tuple[str, Summed]] = []
    for name in reversed(runs.names(root)):
        if not name.startswith(start):
            continue
        summed = runs.summed(root, name)
        if summed is None or (arguments.job and summed.run.job != arguments.job):
            continue
        if summed.run.started < earliest:
            break
        found.insert(0, (name, summed))
        if not arguments.since:
            break
    return found


def _earliest(since: str | None) -> float:
    try:
        return time.time() - duration(since) if since else 0.0
    except ValueError as error:
        raise SettingsError(f"command line: --since {since}: {error}") from None


def _whole(root: Path, name: str, summed: Summed) -> Run:
    """Return a run with its look-ups; without them, if it has been collected meanwhile."""
    return runs.read(root, name) or summed.run


def _write_page(arguments: argparse.Namespace, root: Path | None, found: Sequence[tuple[str, Run, Summed]]) -> None:
    """Write the page and say so; SettingsError if it cannot be written."""
    path, now = Path(arguments.html), time.time()
    since = now - duration(arguments.since) if arguments.since else None
    job = arguments.job or (found[-1][1].job if found and not arguments.since else "")
    before = usage.before(root, found[0][0], job, trends.MOST_COLUMNS) if root and found and since is None else ()
    about = Subject(found, now, since, arguments.job or "", before, growth.of_folder(root) if root else None)
    try:
        if arguments.html == "-":
            raise OSError(errno.EINVAL, "a page needs a file, as its stylesheet lies beside it")
        sheet = files.write_page(path, about)
    except OSError as error:
        raise SettingsError(f"command line: --html {path}: {error.strerror or error}") from error
    print(f"{path}, with {sheet.name}: {written.verdict(about.ended) if found else 'there is no such run'}")


def _print_run(name: str, run: Run, summed: Summed, *, all_of_them: bool) -> None:
    print(f"run {name}, {ago(time.time() - run.started)} ago")
    print(written.title(run))
    print(written.verdict(summed.ended))
    if run.damaged:
        print(f"{run.damaged} damaged files were set aside")
    if run.uncovered:
        print(written.not_covered(run))
    if had := traffic.of_runs([run]):
        print(f"remote {traffic.line(traffic.as_json(had))}")
    print()
    show.table(("index", *written.COUNTED, "answers in"), [_index_row(*each) for each in summed.indexes.items()])
    if rows := written.details(run.outcomes, all_of_them=all_of_them):
        print()
        show.table(written.DETAILS, rows)
    if run.left_out:
        print(f"{run.left_out} more look-ups are counted only")


def _index_row(url: str, counts: IndexCounts) -> tuple[object, ...]:
    return url, *written.counts(counts.ended), f"{counts.took:.2f} s" if counts.took else None


def _print_runs(found: Sequence[tuple[str, Summed]]) -> None:
    total = sum((summed.ended for _, summed in found), Counter[str]())
    print(f"{len(found)} runs: {written.verdict(total)}")
    if had := traffic.of_runs(summed.run for _, summed in found):
        print(f"remote {traffic.line(traffic.as_json(had))}")
    print()
    show.table(("run", "ago", "job", "exit code", *written.COUNTED), [_run_row(*each) for each in found])


def _run_row(name: str, summed: Summed) -> tuple[object, ...]:
    run = summed.run
    return name, ago(time.time() - run.started), written.called(run), run.code, *written.counts(summed.ended)
