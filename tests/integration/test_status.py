"""What `cachedindex status` says of a folder, its runs and its indexes, to a person and to a monitoring system."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cachedindex.commands.line import main
from cachedindex.model import Event, Outcome, RemoteUse, Run as RunRecord
from cachedindex.store import health_log, runs
from cachedindex.store.store import Store
from tests.conftest import CHECKOUT
from tests.stored import DAY, age, put_file, put_page
from tests.values import replace

ORIGIN = "https://index.example"
OUTCOME = Outcome("hit", "page", f"{ORIGIN}/simple/six/", ORIGIN, "", 5.0)
Status = Callable[..., Any]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CACHEDINDEX_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def status(cache: Path, capsys: pytest.CaptureFixture[str]) -> Status:
    def status(*words: str, code: int = 0) -> Any:
        assert main(["status", "--json", *words]) == code
        found = json.loads(capsys.readouterr().out)
        assert main(["status", *words]) == code
        found["text"] = capsys.readouterr().out
        return found

    return status


def note(cache: Path, *events: Event) -> None:
    cache.mkdir(mode=0o700, exist_ok=True)
    log = health_log.of_host(cache, None)
    for event in events:
        log.append("index.example.0123", event)


def test_nothing_is_there_yet(status: Status, cache: Path) -> None:
    found = status()
    assert (found["folder"], found["size"], found["indexes"], found["attention"]) == (str(cache), 0, [], [])
    assert not cache.exists()


def test_how_full_it_is_and_when_it_was_used(status: Status, cache: Path) -> None:
    store = Store(cache)
    age(put_page(store, "six"), 3 * DAY)
    put_page(store, "flask")
    put_file(store, "six-1.0.whl", b"x" * 1000)
    found = status("--max-size", "1 MB")
    assert (found["projects"], found["pages"], found["files"]) == (2, 2, 1)
    assert 1000 < found["size"] < 5000
    assert found["max_size"] == 1e6
    assert 2.9 * DAY < time.time() - found["oldest_use"] < 3.1 * DAY
    assert time.time() - found["newest_use"] < 60
    assert "of 1.0 MB, 0%" in found["text"]
    assert "2 projects, 2 pages, 1 files, last used between 3 d and 0 s ago" in found["text"]


def test_more_than_may_be_stored_wants_attention(status: Status, cache: Path) -> None:
    put_file(Store(cache), "six-1.0.whl", b"x" * 1000)
    found = status("--max-size", "1 kB", code=1)
    assert "max-size is 1.0 kB: run cachedindex gc" in found["attention"][0]
    assert "ATTENTION  " in found["text"]


def test_what_the_look_ups_of_the_last_days_came_to(status: Status, cache: Path) -> None:
    cache.mkdir(mode=0o700)
    stale, new = replace(OUTCOME, ended="stale"), replace(OUTCOME, ended="miss", took=0.2)
    for days, outcomes in {0.5: (OUTCOME, OUTCOME, new), 3: (stale, replace(OUTCOME, ended="late")), 8: (new,)}.items():
        runs.write(cache, RunRecord("pip", "", "", time.time() - days * DAY, 1.0, 0, 0, outcomes))
    found = status()
    day, week = found["lookups"]["day"], found["lookups"]["week"]
    assert (day["runs"], day["hit"], day["miss"], day["stale"]) == (1, 2, 1, 0)
    assert (week["runs"], week["hit"], week["miss"], week["stale"], week.get("late", 0)) == (
        2,
        2,
        1,
        1,
        0,
    )
    assert day["hit_rate"] == pytest.approx(2 / 3)
    (index,) = found["indexes"]
    assert (index["url"], index["state"], index["took"]) == (f"{ORIGIN}/simple/", "well", 0.2)
    assert re.search(r"last day +1 +2 +0 +1 +0 +0 +0 +67%", found["text"])


def test_a_remote_is_named_with_what_came_from_there(status: Status, cache: Path) -> None:
    cache.mkdir(mode=0o700)
    place = "s3://builds/ci"
    assert status()["remote"] is None
    asked_for = status("--remote", place)
    assert asked_for["remote"]["reachable"] is None
    assert f"{place}: nothing was asked of it" in asked_for["text"]
    brought = RemoteUse(place, "before", asked=10, found=8, received=3_400_000, latency=0.03, took=0.5)
    runs.write(cache, RunRecord("pip", "", "", time.time() - 60, 1.0, 0, 0, (OUTCOME,), remote=(brought,)))
    found = status()
    assert (found["remote"]["reachable"], found["remote"]["hit_rate"], found["remote"]["latency"]) == (True, 0.8, 0.03)
    assert f"{place}: 8 of 10 objects came from there (80%, 3.4 MB), answers in 0.03 s" in found["text"]
    silent = RemoteUse(place, "before", took=5.0, problem="does not answer in time")
    runs.write(cache, RunRecord("pip", "", "", time.time(), 1.0, 0, 0, (OUTCOME,), remote=(silent,)))
    assert status(code=1)["attention"] == [f"remote: {place}: does not answer in time"]


def test_an_index_that_fails_is_named_with_its_cause_and_the_next_probe(status: Status, cache: Path) -> None:
    now = time.time()
    url = f"{ORIGIN}/simple/six/"
    note(
        cache,
        Event("answered", now - 900, url, took=9.0),
        Event("failed", now - 20, url, "no answer within 3 s"),
        Event("failed", now - 10, f"{ORIGIN}/simple/flask/", "it refused the connection"),
        Event("answered", now - 5, f"{ORIGIN}/other/x/"),
    )
    found = status(code=1)
    places = {index["url"]: index for index in found["indexes"]}
    assert places[f"{ORIGIN}/other/"]["state"] == "well"
    failing = places[f"{ORIGIN}/simple/"]
    assert (failing["state"], failing["why"]) == ("failing", "it refused the connection")
    assert failing["since"] == pytest.approx(now - 20)
    assert failing["next_probe"] == pytest.approx(now + 20)
    assert found["attention"] == [f"{ORIGIN}/simple/ is failing: it refused the connection"]
    assert "it refused the connection" in found["text"]


def test_a_dead_host_has_all_its_indexes_failing(status: Status, cache: Path) -> None:
    now = time.time()
    note(
        cache,
        Event("answered", now - 900, f"{ORIGIN}/a/x/", took=9.0),
        *(Event("unreachable", now - 9, f"{ORIGIN}/b/{name}/", "no connection") for name in "xy"),
    )
    assert {index["state"] for index in status(code=1)["indexes"]} == {"failing"}


def test_a_limit_is_no_failure_and_a_doubt_is_one(status: Status, cache: Path) -> None:
    now = time.time()
    note(
        cache,
        Event("limited", now - 1, f"{ORIGIN}/a/x/", "it answered 429", 60.0),
        Event("doubted", now - 5, f"{ORIGIN}/b/x/", "digest"),
    )
    found = status(code=1)
    assert {index["url"]: index["state"] for index in found["indexes"]} == {
        f"{ORIGIN}/a/": "limited",
        f"{ORIGIN}/b/": "doubtful",
    }
    assert len(found["attention"]) == 1


def test_what_is_over_wants_no_attention(status: Status, cache: Path) -> None:
    now = time.time()
    note(
        cache, Event("failed", now - 400, f"{ORIGIN}/a/x/", "gone"), Event("failed", now - 99, f"{ORIGIN}/b/x/", "gone")
    )
    note(cache, Event("answered", now - 90, f"{ORIGIN}/b/x/"))
    assert {index["state"] for index in status()["indexes"]} == {"well"}


def test_a_cache_that_cannot_be_used_wants_attention(
    status: Status, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir()
    cache.chmod(0o777)
    found = status(code=1)
    assert str(cache) in found["attention"][0]
    monkeypatch.setenv("CACHEDINDEX_DISABLE", "true")
    assert status(code=1)["attention"] == ["disable = true"]


def test_the_json_has_the_documented_fields_and_no_others(status: Status, cache: Path) -> None:
    now = time.time()
    note(cache, Event("failed", now, f"{ORIGIN}/a/x/", "gone"))
    found = status(code=1)
    text = (CHECKOUT / "docs/reference/command-line.md").read_text("utf-8")
    own = text.partition("## `cachedindex status")[2]
    table = own.partition("`--json` prints one object")[2].partition("\n\n")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert sorted(name for cell in cells for name in re.findall("`(.*?)`", cell)) == sorted(found.keys() - {"text"})
    assert all(f"`{name}`" in table for name in found["indexes"][0])
