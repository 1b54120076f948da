"""What the look-ups of a process need of a cache folder that it has opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cachedindex import sources
from cachedindex.lookup.cache import Cache
from cachedindex.lookup.single_flight import SingleFlight
from cachedindex.lookup.upstream import Upstream
from cachedindex.named import NamedTuple
from cachedindex.options import Settings
from cachedindex.run.report import Report
from cachedindex.store import health_log, locks
from cachedindex.store.store import Store

if TYPE_CHECKING:
    from cachedindex.lookup.elsewhere import Elsewhere


class Opened(NamedTuple):
    """The cache, and what it asks."""

    cache: Cache
    upstream: Upstream


def opened(
    store: Store, settings: Settings, report: Report, run: Path | None, why_lost: Callable[[], str | None]
) -> Opened:
    """Open a folder for look-ups; `run` is the folder of the run, if there is one, `why_lost` as for Cache."""
    shared = sources.lock_folder(settings, store.root)
    host = health_log.of_host(shared, run, read_only=store.read_only)
    upstream = Upstream(store, host, health_log.of_run(run))
    single_flight = None if store.read_only else SingleFlight(locks.Locks(shared / locks.FOLDER, shared), store)
    cache = Cache(
        store,
        upstream,
        settings,
        report,
        single_flight=single_flight,
        why_lost=why_lost,
        elsewhere=_elsewhere(store, settings, report),
    )
    return Opened(cache, upstream)


def _elsewhere(store: Store, settings: Settings, report: Report) -> Elsewhere | None:
    """Return the other folders that are read; None if there are none."""
    folders = sources.also_read(settings, store.root)
    if not folders:
        return None
    from cachedindex.lookup.elsewhere import Elsewhere  # noqa: PLC0415 - most nodes have one folder

    return Elsewhere(store, folders, report)
