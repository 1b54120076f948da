"""Puts the parts of one process together: its settings, its folder, its run, and the cache that its clients ask."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cachedindex import config
from cachedindex.engine import Cache
from cachedindex.errors import CachedIndexError
from cachedindex.report import Report, summary
from cachedindex.settings import Settings
from cachedindex.store.health import HealthLog
from cachedindex.store.runs import VARIABLE, Run
from cachedindex.store.store import Store
from cachedindex.upstream import Upstream


@dataclass(frozen=True)
class Process:
    """What one process takes part with; without a cache its clients are left alone."""

    cache: Cache | None
    report: Report
    run: Run | None


def say(line: str) -> None:
    """Bring one line to the person who reads the build's log; never on stdout, which may be a program's input."""
    print(f"cachedindex: {line}", file=sys.stderr, flush=True)


def assemble(loaded: config.Loaded, say: Callable[[str], None] = say, run: Run | None = None) -> Process:
    """Return the process's parts; it joins the run that its parent handed down unless it is given its own."""
    handed = os.environ.get(VARIABLE)
    joined = run or (Run(Path(handed)) if handed and Path(handed).is_dir() else None)
    report = Report(say, joined)
    for warning in loaded.warnings:
        report.complain(f"{warning} (ignored)")
    return Process(_cache(loaded.settings, report, joined), report, joined)


def finish(run: Run, say: Callable[[str], None] = say) -> None:
    """End a run that this process began, with its one line where something was served stale."""
    try:
        line = summary(run.outcomes())
    except (OSError, ValueError, TypeError) as error:  # Cut by a full disk, or swept away while the run went on.
        line = f"what was served stale cannot be told: {error}"
    run.end()
    if line:
        say(line)


def _cache(settings: Settings, report: Report, run: Run | None) -> Cache | None:
    if settings.disable:
        return None
    root = config.cache_folder(settings)
    if root is None:
        report.complain("there is no folder to keep anything in; set cache-dir. The build goes on without it")
        return None
    store = Store(root)
    return Cache(store, Upstream(store, HealthLog(root, run.folder if run else None)), settings, report)


def broken(report: Report | None, error: Exception, say: Callable[[str], None] = say) -> None:
    """Tell of an error of our own, after which the client goes on as if we were not there."""
    text = str(error) if isinstance(error, CachedIndexError) else f"internal error, {type(error).__name__}: {error}"
    line = f"{text}; the build goes on without it"
    if report:
        report.complain(line)
    else:
        say(line)
