"""`cachedindex warm`: have all stored that requirements, a lock file or a buildout need, before a build needs it."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cachedindex import sources
from cachedindex.commands import flags, place
from cachedindex.commands.progress import Progress
from cachedindex.errors import SettingsError
from cachedindex.model import Outcome
from cachedindex.process import Process, join
from cachedindex.rules import kept, layout
from cachedindex.run import wanted
from cachedindex.run.several import Job, run_all
from cachedindex.run.summary import ago, missed, printable
from cachedindex.run.wanted import Wanted
from cachedindex.store import private
from cachedindex.upkeep import inventory

_INCOMPLETE = 1
_KINDS = ("page", "file")
_UNCOVERED = "nothing was asked for through the cache: is the pip, or the buildout, on Python 3.9 or older?"
_HAD = ("hit", "revalidated", "miss", "stale")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "warm",
        "have stored what requirements, a lock file or a buildout need",
        "Ask the indexes for all that a build would ask for, and for what builds its sdists; install nothing.",
        "cachedindex warm -r requirements.txt --python 3.12 --python 3.13",
        "cachedindex warm [NAME ...] [-r FILE] [-c FILE] [--python PY] [--platform TAG] [-j N] [options]",
    )
    add_wanted(parser)
    parser.add_argument("-j", dest="at_once", metavar="N", default="4", help="so many at once (4)")
    flags.add_to(parser)
    parser.set_defaults(run=run)


def add_wanted(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say what is wanted."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a requirement, as six or requests[socks]>=2; or a FILE"
    )
    for short, long, metavar, says in (
        ("-r", "--requirement", "FILE", "a requirements file, a pylock.toml, or a buildout.cfg"),
        ("-c", "--constraint", "FILE", "a constraints file"),
        ("", "--python", "PY", "for this interpreter, or this version, as 3.12"),
        ("", "--platform", "TAG", "for wheels of this platform, as manylinux2014_x86_64"),
    ):
        parser.add_argument(*filter(None, (short, long)), metavar=metavar, action="append", default=[], help=says)


def wanted_by(arguments: argparse.Namespace) -> Wanted:
    """Return what the arguments say; SettingsError if that is nothing."""
    names, files = wanted.sorted_out(arguments.names)
    files += arguments.requirement
    if not names and not files:
        raise SettingsError("command line: name requirements, or write -r FILE")
    return Wanted(names, files, arguments.constraint, arguments.python, arguments.platform)


def run(arguments: argparse.Namespace) -> int:
    """Ask for all of it and return 0; 1 if something could not be had. SettingsError for a wrong argument."""
    wish = wanted_by(arguments)
    at_once = flags.number("-j", arguments.at_once)
    loaded, environ = flags.load(arguments)
    settings = loaded.settings._replace(report=None, summary=None)
    if settings.offline or settings.disable:
        raise SettingsError("nothing is asked with offline = true or disable = true")
    place.fillable(loaded, environ)
    scratch = Path(tempfile.mkdtemp(prefix="cachedindex-warm-"))
    try:
        jobs = wanted.jobs(wish, environ, scratch)
        process = join("warm", loaded._replace(settings=settings), begin=True)
        process.command = ["cachedindex warm"]
        try:
            process.code = _warmed(process, jobs, environ, scratch, at_once)
            return process.code
        finally:
            process.finish()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _warmed(process: Process, jobs: Sequence[Job], environ: Mapping[str, str], scratch: Path, at_once: int) -> int:
    """Run the jobs, say what came of them, and return the exit code."""
    if process.root is None or process.run is None:
        raise SettingsError("there is no cache; see cachedindex doctor")
    log = Path(process.settings.log or scratch / "lookups.log").absolute()
    shared = sources.lock_folder(process.settings, process.root)
    process.hand_down(environ, {"cache-dir": str(process.root), "lock-dir": str(shared), "log": str(log)})
    progress, lookups = Progress(len(jobs)), _Lookups(log)
    try:
        ended = run_all(
            jobs, {**environ, **process.children}, scratch, at_once, lambda done: progress.show(done, lookups.so_far())
        )
    except OSError as error:
        raise SettingsError(f"a command cannot be started: {error}") from error
    finally:
        progress.end()
    process.failed = any(each.code for each in ended)
    outcomes = process.run.lookups()
    problems = [
        *(() if outcomes or process.run.members() else (_UNCOVERED,)),
        *_not_had(outcomes),
        *_not_stored(process.root, outcomes),
        *(line for each in ended for line in each.complaint()),
    ]
    print(_verdict(outcomes))
    for line in problems:
        print(line)
    return _INCOMPLETE if problems else 0


class _Lookups:
    """Counts the look-ups in a log as they are added."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._place = log.stat().st_size if log.exists() else 0
        self._counts: Counter[str] = Counter()
        self._last = ""

    def so_far(self) -> str:
        """Return how many there were of each kind, and the last one."""
        with suppress(OSError), self._log.open("rb") as file:
            file.seek(self._place)
            lines = file.read()
            self._place += len(lines)
            for line in lines.decode("utf-8", "replace").splitlines():
                self._count(line.split(" "))
        return f"{self._counts['page']} pages, {self._counts['file']} files{self._last}"

    def _count(self, words: Sequence[str]) -> None:
        """Count a line of a look-up: the time, the process, how it ended, its kind and its URL."""
        if len(words) > len(("time", "process", "ended", "kind")) and words[3] in _KINDS:
            self._counts[words[3]] += 1
            self._last = f", {words[4].rstrip('/').rpartition('/')[2]}"


def _verdict(outcomes: Sequence[Outcome]) -> str:
    """Return in one line what is stored now."""
    had = {(each.kind, each.url): each.ended for each in outcomes if each.kind in _KINDS and each.ended in _HAD}
    counts = Counter(kind for kind, _ in had)
    new = sum(ended == "miss" for ended in had.values())
    return f"{counts['page']} pages and {counts['file']} files are stored, {new} of them new"


def _not_had(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a line for each page or file that could not be had, or not anew, with the reason."""
    lines: dict[str, None] = {}
    for each in missed(outcomes):
        lines[f"could not get {_named(each)}: {each.why}"] = None
    for each in outcomes:
        if each.ended in ("stale", "absent"):
            what = "the copy" if each.ended == "stale" else "that it is not there"
            lines[f"could not ask for {_named(each)}: {each.why}; {what} is {ago(each.age or 0.0)} old"] = None
    yield from map(printable, lines)


def _not_stored(root: Path, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a line for each page or file that a client had, and that is not stored: its index forbids that, perhaps."""
    passed = {inventory.known_by(each.url): each for each in outcomes if each.ended == "passed" and each.kind in _KINDS}
    entries = inventory.read(root, private.folder_of_user(root)).entries if passed else ()
    stored = {inventory.known_by(entry.record.url) for entry in entries if entry.record.form != layout.FORBIDDEN}
    for url, each in passed.items():
        if url not in stored:
            yield printable(f"not stored: {_named(each)}: {each.why}")


def _named(outcome: Outcome) -> str:
    return f"{outcome.kind} {kept.shown(outcome).url}"
