from __future__ import annotations

import socket
from json import dumps, loads
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from cachedindex.model import Event, EventKind
from cachedindex.rules import breaker
from cachedindex.store import disk, health_log
from cachedindex.store.health_log import decode, encode

WRITTEN_BY_0_1_0 = [
    (
        b'{"what": "failed", "at": 100.25, "url": "https://index.example/six/#0a", "cause": "h\\u00e9", "took": 0.0}\n',
        Event("failed", 100.25, "https://index.example/six/#0a", "hé"),
    ),
    (
        b'{"what": "answered", "at": 101.0, "url": "https://index.example/simple/six/", "cause": "", "took": 2.5}\n',
        Event("answered", 101.0, "https://index.example/simple/six/", took=2.5),
    ),
]
FAILURES_TO_0_1_0 = [
    (Event("unreachable", 100.25, "https://index.example/simple/six/", "it refused the connection"), -1.0),
    (Event("abrupt", 100.25, "https://index.example/simple/six/", "it reset the connection"), -2.0),
    (Event("limited", 100.25, "https://index.example/simple/six/", "it answered 429", 60.0), 60.0),
]


@pytest.mark.parametrize(("line", "event"), WRITTEN_BY_0_1_0, ids=["failed", "answered"])
def test_the_format_is_that_of_release_0_1_0(line: bytes, event: Event) -> None:
    assert decode(line) == event
    assert encode(event) == line


@pytest.mark.parametrize(("event", "took"), FAILURES_TO_0_1_0, ids=["unreachable", "abrupt", "limited"])
def test_a_kind_that_release_0_1_0_does_not_know_is_a_failure_to_it(event: Event, took: float) -> None:
    fields = loads(encode(event))
    assert fields == {"what": "failed", "at": event.at, "url": event.url, "cause": event.cause, "took": took}
    assert decode(encode(event)) == event


@pytest.mark.parametrize(
    "change",
    [{"what": "paused"}, {"what": ["failed"]}, {"at": "1"}, {"took": None}, {"url": 1}, {"cause": {}}, {"more": 1}],
)
def test_an_event_of_another_release_is_none(change: dict[str, object]) -> None:
    fields = {"what": "failed", "at": 1.0, "url": "url", "cause": "", "took": 0.0}
    assert decode(dumps(fields).encode()) is not None
    assert decode(dumps({**fields, **change}).encode()) is None


@given(st.binary(max_size=100))
def test_no_line_is_an_error(line: bytes) -> None:
    decode(line)


def test_every_cut_of_a_line_is_none() -> None:
    line = encode(Event("failed", 100.25, "url", "cause"))[:-1]
    assert decode(line)
    assert not any(decode(line[:end]) for end in range(len(line)))


def test_the_first_line_has_the_probe_whatever_its_time(tmp_path: Path) -> None:
    one, other = (health_log.of_host(tmp_path, None) for _ in range(2))
    for at, url in ((1.0, "a"), (2.0, "b")):
        one.append("index", Event("failed", at, url))
    # Both take the time of their events, and the later one is the first to append.
    early, late = Event("probing", 50.0, "a", "early"), Event("probing", 50.001, "a", "late")
    seen_by_late = breaker.recall(other.claim("index", late), 51.0)
    seen_by_early = breaker.recall(one.claim("index", early), 51.0)
    assert breaker.is_prober([seen_by_late], "late")
    assert not breaker.is_prober([seen_by_early], "early")


@pytest.mark.linux("the name of its kernel's start")
def test_the_containers_of_a_machine_share_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for container in ("one", "another"):
        monkeypatch.setattr(socket, "gethostname", lambda container=container: container)
        health_log.of_host(tmp_path, None).append(
            "index", Event("failed", 1.0, "https://index.example/six/", container)
        )
    assert [event.cause for event in health_log.of_host(tmp_path, None).events("index")] == ["one", "another"]


@pytest.mark.parametrize(("hostname", "folder"), [("builder", "builder"), ("", "localhost")])
def test_without_that_a_machine_is_known_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hostname: str, folder: str
) -> None:
    monkeypatch.setattr(health_log, "_BOOT", tmp_path / "nothing")
    monkeypatch.setattr(socket, "gethostname", lambda: hostname)
    health_log.of_host(tmp_path, None).append("index", Event("failed", 1.0, "https://index.example/six/"))
    assert (tmp_path / "health-v1" / folder / "index").is_file()


def test_of_which_origins_the_log_says_anything(tmp_path: Path) -> None:
    assert health_log.names(tmp_path) == []
    log = health_log.of_host(tmp_path, None)
    for name in ("index.example", "files.example"):
        log.append(name, Event("failed", 1.0, "https://index.example/six/"))
    next((tmp_path / "health-v1").glob("*/files.example")).with_name(".files.example.1.tmp").touch()
    assert health_log.names(tmp_path) == ["files.example", "index.example"]


def test_a_long_log_keeps_since_when_a_project_is_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_log, "_LONGEST", 1500)
    log, page = health_log.of_host(tmp_path, None), "https://index.example/simple/{}/".format
    for name in ("removed", "gone"):
        log.append("index", Event("doubted", 100.0, page(name), "404"))
    for minute in range(200):
        log.append("index", Event("answered", 160.0 + 60 * minute, page("six")))
        log.append("index", Event("doubted", 161.0 + 60 * minute, page("gone"), "404"))
    health = breaker.recall(health_log.of_host(tmp_path, None).events("index"), 13_000.0)
    assert {url: seen.first for url, seen in health.doubted.items()} == {page("removed"): 100.0, page("gone"): 100.0}
    assert health.answered == 160.0 + 60 * 199
    assert sum(path.stat().st_size for path in tmp_path.rglob("index")) < 2000


def test_a_process_that_has_not_read_a_long_log_keeps_what_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, page = health_log.of_host(tmp_path, None), "https://index.example/simple/{}/".format
    events = [Event("doubted", float(at), page(at), "404") for at in range(4)]
    for event in events[:3]:  # Each takes 100 bytes.
        log.append("index", event)
    monkeypatch.setattr(health_log, "_LONGEST", 250)
    monkeypatch.setattr(breaker, "compacted", lambda events: events[-1:])
    health_log.of_host(tmp_path, None).append("index", events[3])
    assert log.events("index") == events[2:]


def test_of_too_much_that_counts_the_newer_half_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = health_log.of_host(tmp_path, None)
    for at in range(10):
        log.append("index", Event("answered", float(at), "https://index.example/simple/six/"))
    doubts = [Event("doubted", 20.0 + at, f"https://index.example/simple/{at}{'x' * 200}/", "404") for at in range(5)]
    for doubt in doubts[:4]:  # Each takes 300 bytes.
        log.append("index", doubt)
    monkeypatch.setattr(health_log, "_LONGEST", 2000)
    monkeypatch.setattr(breaker, "compacted", lambda events: [each for each in events if each.what == "doubted"])
    log.append("index", doubts[4])
    assert log.events("index") == doubts[2:]


def test_a_log_that_is_removed_while_it_is_read_has_no_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    health_log.of_host(tmp_path, None).append("index", Event("failed", 1.0, "https://index.example/six/"))
    monkeypatch.setattr(disk, "read", lambda *_: None)
    assert health_log.of_host(tmp_path, None).events("index") == []


@given(st.lists(st.tuples(st.sampled_from(["failed", "answered", "doubted", "removed"]), st.sampled_from("ab"),
                          st.sampled_from(["404", "half"])), max_size=20))  # fmt: skip
def test_what_is_left_of_a_long_log_says_the_same_of_doubt(said: list[tuple[EventKind, str, str]]) -> None:
    events = [
        Event(what, float(at), f"https://index.example/simple/{name}/", cause)
        for at, (what, name, cause) in enumerate(said)
    ]
    whole, left = breaker.recall(events, 30.0), breaker.recall(breaker.compacted(events), 30.0)
    assert left.doubted == whole.doubted
    assert left.opened is None or whole.opened is not None


def test_a_folder_that_is_only_read_is_not_written(tmp_path: Path) -> None:
    event = Event("failed", 1.0, "https://index.example/six/")
    health_log.of_host(tmp_path, None).append("index", event)
    log = health_log.of_host(tmp_path, None, read_only=True)
    log.append("index", Event("failed", 2.0, "https://index.example/six/"))
    assert [each.at for each in log.events("index")] == [1.0, 2.0], "this process knows it"
    assert health_log.of_host(tmp_path, None).events("index") == [event]


def test_the_processes_of_a_run_share_what_they_remember(tmp_path: Path) -> None:
    event = Event("removed", 1.0, "https://index.example/six/")
    health_log.of_run(tmp_path).append("index", event)
    assert health_log.of_run(tmp_path).events("index") == [event]


def test_a_short_limit_is_one_as_well() -> None:
    event = Event("limited", 1.0, "https://index.example/six/", "it answered 429", 0.5)
    assert decode(encode(event)) == event
