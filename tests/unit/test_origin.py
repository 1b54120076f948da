from __future__ import annotations

from cachedindex.lookup.origin import Origins
from cachedindex.model import Event
from cachedindex.store import health_log

INDEX, PAGE = "https://index.example/simple/", "https://index.example/simple/six/"


def test_what_a_process_knows_of_an_index_is_forgotten_in_time() -> None:
    now, log = [1_000_000.0], health_log.of_run(None)
    origins = Origins(log, health_log.of_run(None), lambda: now[0])
    log.append("index", Event("failed", now[0], PAGE, "it is gone"))
    assert PAGE in origins.recall("index", log.events("index"), INDEX).failed
    now[0] += 3700
    assert PAGE not in origins.recall("index", log.events("index"), INDEX).failed
