"""Puts the parts of one process together: its settings, its folder, its run, and the cache that its clients ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cachedindex import config
from cachedindex.engine import Cache
from cachedindex.flight import Flights
from cachedindex.report import Report, say
from cachedindex.settings import Settings
from cachedindex.store import events
from cachedindex.store.locks import Locks
from cachedindex.store.runs import Run
from cachedindex.store.store import Store
from cachedindex.upstream import Upstream


@dataclass(frozen=True)
class Process:
    """What one process takes part with; without a cache its clients are left alone."""

    cache: Cache | None
    report: Report
    run: Run | None
    store: Store | None = None


def assemble(loaded: config.Loaded, say: Callable[[str], None] = say, run: Run | None = None) -> Process:
    """Return the process's parts; it joins the run that its parent handed down unless it is given its own."""
    joined = run or Run.handed_down()
    report = Report(say, joined)
    for warning in loaded.warnings:
        report.complain(f"{warning} (ignored)")
    store = _store(loaded.settings, report)
    if store is None:
        return Process(None, report, joined)
    folder = joined.folder if joined else None
    upstream = Upstream(store, events.of_host(store.root, folder), events.of_run(folder))
    flights = Flights(Locks(store.root / "locks-v1", store.root), store)
    cache = Cache(store, upstream, loaded.settings, report, flights=flights)
    return Process(cache, report, joined, store)


def _store(settings: Settings, report: Report) -> Store | None:
    if settings.disable:
        return None
    root = config.cache_folder(settings)
    if root is None:
        report.complain("there is no folder to keep anything in; set cache-dir. The build goes on without it")
    return Store(root) if root else None
