"""Puts the parts of one process together: its settings, its folder, its run, and the cache that its clients ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cachedindex import config
from cachedindex.engine import Cache
from cachedindex.report import Report, say
from cachedindex.settings import Settings
from cachedindex.store.health import HealthLog
from cachedindex.store.runs import Run
from cachedindex.store.store import Store
from cachedindex.upstream import Upstream


@dataclass(frozen=True)
class Process:
    """What one process takes part with; without a cache its clients are left alone."""

    cache: Cache | None
    report: Report
    run: Run | None


def assemble(loaded: config.Loaded, say: Callable[[str], None] = say, run: Run | None = None) -> Process:
    """Return the process's parts; it joins the run that its parent handed down unless it is given its own."""
    joined = run or Run.handed_down()
    report = Report(say, joined)
    for warning in loaded.warnings:
        report.complain(f"{warning} (ignored)")
    return Process(_cache(loaded.settings, report, joined), report, joined)


def _cache(settings: Settings, report: Report, run: Run | None) -> Cache | None:
    if settings.disable:
        return None
    root = config.cache_folder(settings)
    if root is None:
        report.complain("there is no folder to keep anything in; set cache-dir. The build goes on without it")
        return None
    store = Store(root)
    return Cache(store, Upstream(store, HealthLog(root, run.folder if run else None)), settings, report)
