"""Puts the parts of one process together: its settings, its folder, its run, and the cache that its clients ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cachedindex import sources
from cachedindex.lookup.cache import Cache
from cachedindex.lookup.single_flight import Flights
from cachedindex.lookup.upstream import Upstream
from cachedindex.options import Settings
from cachedindex.run.folder import Run
from cachedindex.run.report import Report, say
from cachedindex.store import folder, health_log, locks
from cachedindex.store.store import Store
from cachedindex.upkeep.hourly import Upkeep


@dataclass(frozen=True)
class Process:
    """What one process takes part with; without a cache its clients are left alone."""

    cache: Cache | None
    report: Report
    run: Run | None
    store: Store | None = None
    upstream: Upstream | None = None


def assemble(loaded: sources.Loaded, say: Callable[[str], None] = say, run: Run | None = None) -> Process:
    """Return the process's parts; it joins the run that its parent handed down unless it is given its own."""
    joined = run or Run.handed_down()
    report = Report(say, joined)
    report.ignored(loaded.warnings)
    store = _store(loaded.settings, report)
    if store is None:
        return Process(None, report, joined)
    shared, own = sources.lock_folder(loaded.settings, store.root), joined.folder if joined else None
    host = health_log.of_host(shared, own, read_only=store.read_only)
    upstream = Upstream(store, host, health_log.of_run(own))
    flights = None if store.read_only else Flights(locks.Locks(shared / locks.FOLDER, shared), store)
    cache = Cache(store, upstream, loaded.settings, report, flights=flights)
    return Process(cache, report, joined, store, upstream)


def unusable(settings: Settings) -> str | None:
    """Return why a process with these settings has no cache, and what to do; None where it has one."""
    if settings.disable:
        return "disable = true"
    root = sources.cache_folder(settings)
    if root is None:
        return "there is no folder to keep anything in; set cache-dir"
    refusal = folder.refusal(root) or folder.refusal(sources.lock_folder(settings, root))
    return str(refusal) if refusal else None


def _store(settings: Settings, report: Report) -> Store | None:
    why, root = unusable(settings), sources.cache_folder(settings)
    if why or root is None:
        if not settings.disable:
            report.complain(f"{why}. The build goes on without it")
        return None
    shared = sources.lock_folder(settings, root)
    read_only = settings.read_only or (root.is_dir() and not folder.may_write(root))
    upkeep = Upkeep(root, shared, settings.max_size, settings.max_idle)
    return Store(root, read_only=read_only, stored=upkeep.stored, damaged=report.set_aside)
