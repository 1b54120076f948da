"""Runs with a remote, over a real S3 server that is well, dead, slow, full, forbidden or lying."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from cachedindex.remote import manifest
from cachedindex.store import record
from tests import index as faults
from tests.between import Between, between
from tests.conftest import Ran, Run
from tests.index import Fault, Handler, Index
from tests.mounts import Mount, fill, small_disk
from tests.nodes import Node, send_at_once
from tests.objects import READER, STRANGER, WRITER, Identity, Objects, serving, variables

pytest.importorskip("obstore", reason="SKIPPED FOR WANT OF obstore: pip install --editable .[remote]")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("objects")]
SECONDS = 3.0
"""`remote-timeout` of the runs here: enough for a busy machine to bring some small objects."""
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}


@pytest.fixture
def before(objects: Objects) -> Iterator[Between]:
    with between(objects.endpoint) as server:
        yield server


@pytest.fixture
def node(
    run: Run, before: Between, objects: Objects, index: Index, python_with: Callable[..., Path], tmp_path: Path
) -> Callable[..., Node]:
    """Give a function that makes a new node, whose runs come to the store as somebody."""
    pip = python_with("pip==26.3")

    def node(name: str, who: Identity = WRITER, remote: str = objects.url, job: str = "nightly") -> Node:
        options = {"CACHEDINDEX_REMOTE": remote, "CACHEDINDEX_REMOTE_TIMEOUT": f"{SECONDS} s", "CACHEDINDEX_JOB": job}
        known = variables(who, before.origin)
        return Node(tmp_path / name, run, pip, {"PIP_INDEX_URL": index.url, **options, **known})

    return node


def test_a_warm_node_asks_for_its_manifest_and_for_nothing_else(node: Callable[..., Node], before: Between) -> None:
    one = node("one")
    assert one.installs("alpha", "source").ours == []
    before.seen.clear()
    ran = one.installs("alpha", "source", "--upgrade")
    assert (ran.code, ran.ours) == (0, [])
    assert [(seen.method, "/jobs-v1/" in seen.path) for seen in before.seen] == [("GET", True)]


def test_a_new_node_has_all_before_its_first_look_up(node: Callable[..., Node], index: Index) -> None:
    assert node("one").installs("alpha", "source").code == 0
    index.seen.clear()
    two = node("two")
    ran = two.installs("alpha", "source")
    assert (ran.code, ran.ours) == (0, [])
    assert index.seen == [], "nothing is asked of the index that a node of the fleet has got a moment before"
    use = two.uses()["before"]
    assert (use.found, use.refused, use.left) == (use.asked, 0, 0)


def test_in_an_outage_another_job_gets_what_is_there(node: Callable[..., Node], index: Index) -> None:
    assert node("one").installs("alpha", "source").code == 0
    index.refuse()
    two = node("two", job="another")
    ran = two.installs("alpha", "source", **EXPIRED)
    assert ran.code == 0, ran.err
    assert two.installed == ["alpha-1.0.dist-info", "beta-1.0.dist-info", "delta-1.0.dist-info",
                             "epsilon-1.0.dist-info", "gamma-1.0.dist-info", "source-2.0.dist-info"]  # fmt: skip
    assert two.uses()["outage"].found > 0
    (line,) = ran.ours
    assert "stale" in line


def test_a_healthy_build_without_copies_asks_the_index(
    node: Callable[..., Node], before: Between, index: Index
) -> None:
    assert node("one").installs("alpha").code == 0
    before.seen.clear()
    assert node("two", job="another", who=READER).installs("alpha", CACHEDINDEX_REMOTE_READ_ONLY="yes").code == 0
    assert len(before.seen) == 1
    assert index.seen


def test_a_build_that_may_only_read_sends_nothing(node: Callable[..., Node], before: Between, objects: Objects) -> None:
    ran = node("one").installs("alpha", CACHEDINDEX_REMOTE_READ_ONLY="yes")
    assert (ran.code, ran.ours) == (0, [])
    assert {seen.method for seen in before.seen} == {"GET"}
    assert objects.keys("") == []


def only(method: str, fault: Fault) -> Fault:
    """Return a fault that requests of other methods do not meet."""
    return lambda handler: fault(handler) if handler.command == method else True


BAD = {
    "refuses connections": lambda before, _objects: before.refuse(),
    "hangs": lambda before, _objects: before.fault(faults.hang),
    "takes 30 s for each answer": lambda before, _objects: before.fault(faults.slow(30)),
    "answers 503": lambda before, _objects: before.fault(faults.status(503)),
    "answers 403": lambda before, _objects: before.fault(faults.status(403)),
    "resets": lambda before, _objects: before.fault(faults.reset),
    "cuts its answers": lambda before, _objects: before.fault(faults.cut),
    "is killed": lambda _before, objects: objects.kill(),
    "is full": lambda before, _objects: before.fault(only("PUT", faults.status(507))),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_store_costs_one_line_and_its_time_once(
    node: Callable[..., Node], before: Between, objects: Objects, fault: str
) -> None:
    one = node("one")
    BAD[fault](before, objects)
    ran = one.installs("alpha", "source")
    assert ran.code == 0, ran.err
    assert len(one.installed) == 6
    (line,) = ran.ours
    assert line.startswith(f"cachedindex: remote: {objects.url} "), line
    assert line.endswith("; the build goes on without it")
    assert sum(use.took for use in one.uses().values() if use.problem) < SECONDS + 5
    assert WRITER.secret not in ran.err + ran.out
    before.heal()


def test_a_store_that_is_killed_in_the_run_is_given_up(
    node: Callable[..., Node], before: Between, objects: Objects, index: Index
) -> None:
    """The index is dead as well: each of five look-ups would ask."""
    assert node("one").installs("alpha").code == 0
    index.refuse()
    two = node("two", job="another")

    def kill(handler: Handler) -> bool:
        objects.kill()
        return True

    before.fault(kill, "blobs-v1")
    before.seen.clear()
    ran = two.installs("alpha", **EXPIRED)
    assert ran.code == 1
    assert [line for line in ran.ours if line.startswith("cachedindex: remote: ")]
    assert two.uses()["outage"].problem
    after = [number for number, seen in enumerate(before.seen) if "blobs-v1" in seen.path]
    assert all("blobs-v1" in seen.path for seen in before.seen[after[0] :]), "only that one object is tried again"


@pytest.mark.linux("a small disk to mount")
def test_a_store_whose_disk_is_full_has_whole_objects_only(
    node: Callable[..., Node], mount: Mount, distributions: Path, index: Index, tmp_path: Path
) -> None:
    with zipfile.ZipFile(distributions / "epsilon-1.0-py3-none-any.whl", "a") as wheel:
        wheel.writestr("payload", os.urandom(3 << 20))
    disk = tmp_path / "disk"
    small_disk(mount, disk, "size=64m")
    with serving(disk) as full:

        def builds(name: str) -> tuple[Ran, Node]:
            each = node(name, remote=full.url)
            ran = each.installs("alpha", **variables(WRITER, full.endpoint))
            assert ran.code == 0, ran.err
            assert len(each.installed) == 5
            assert all(is_whole(key, full.read(key)) for key in full.keys(""))
            return ran, each

        filler = fill(disk, leaving=1 << 20)
        ran, _ = builds("one")
        (line,) = ran.ours
        assert line.startswith(f"cachedindex: remote: {full.url}")
        ran, two = builds("two")
        (line,) = ran.ours
        assert two.uses()["before"].refused == 0
        filler.unlink()
        full.kill()
        full.start()
        assert builds("three")[0].ours == []
        index.seen.clear()
        ran, four = builds("four")
        assert ran.ours == []
        assert four.uses()["before"].found == four.uses()["before"].asked > 0
        assert index.seen == []


def test_a_stranger_is_told_nothing_but_the_refusal(node: Callable[..., Node], objects: Objects) -> None:
    ran = node("one", who=STRANGER).installs("alpha")
    assert ran.code == 0
    (line,) = ran.ours
    assert "refuses" in line
    assert STRANGER.key not in line
    assert objects.keys("") == []


LIES = {
    "cut": lambda data: data[: len(data) // 2],
    "altered": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_lies_there_wrong_is_never_used(
    node: Callable[..., Node], objects: Objects, index: Index, lie: str
) -> None:
    assert node("one").installs("alpha", "source").code == 0
    wrong = [key for key in objects.keys("") if not key.startswith("jobs-v1")]
    for key in wrong:
        objects.write(key, LIES[lie](objects.read(key)))
    two = node("two")
    ran = two.installs("alpha", "source")
    assert ran.code == 0, ran.err
    assert len(two.installed) == 6
    (line,) = ran.ours
    assert "not what their names say" in line
    assert two.uses()["before"].found == 0
    three = node("three")
    assert three.installs("alpha", "source").ours == [], "the one that got it from the index has put it right"
    assert three.uses()["before"].refused == 0


def test_objects_that_are_swapped_are_refused(node: Callable[..., Node], objects: Objects) -> None:
    assert node("one").installs("alpha", "beta").code == 0
    for folder in ("blobs-v1", "records-v1"):
        keys = objects.keys(folder)
        held = [objects.read(key) for key in keys]
        for key, data in zip(keys, [*held[1:], held[0]], strict=True):
            objects.write(key, data)
    two = node("two")
    ran = two.installs("alpha", "beta")
    assert ran.code == 0, ran.err
    assert two.uses()["before"].found == 0
    assert len(two.installed) == 5


def test_a_manifest_that_is_none_is_written_anew(node: Callable[..., Node], objects: Objects) -> None:
    one = node("one")
    objects.write(manifest.name("nightly"), b"no manifest")
    ran = one.installs("alpha")
    assert (ran.code, ran.ours) == (0, [])
    assert manifest.decoded(objects.read(manifest.name("nightly")))


def test_of_two_nodes_that_send_at_once_the_newer_page_stays(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables(WRITER, objects.endpoint).items():
        monkeypatch.setenv(name, value)
    send_at_once(objects, tmp_path)


@pytest.mark.parametrize("at", ["blobs-v1", "records-v1", "jobs-v1"])
def test_a_node_that_is_killed_while_it_sends_leaves_whole_objects(
    node: Callable[..., Node], before: Between, objects: Objects, environment: dict[str, str], at: str
) -> None:
    one = node("one")
    started: list[subprocess.Popen[bytes]] = []

    def kill(handler: Handler) -> bool:
        if handler.command == "PUT":
            os.killpg(started[0].pid, signal.SIGKILL)
        return True

    before.fault(kill, at)
    started.append(
        subprocess.Popen(
            one.command("alpha"), env={**environment, **one.environ}, start_new_session=True, cwd=one.folder
        )
    )
    assert started[0].wait(60) == -signal.SIGKILL
    before.heal()
    for key in objects.keys(""):
        assert is_whole(key, objects.read(key)), key
    two, three = node("two"), node("three")
    assert two.installs("alpha").ours == []
    assert three.installs("alpha").ours == []
    assert three.uses()["before"].found > 0


def is_whole(key: str, data: bytes) -> bool:
    if key.startswith("records-v1"):
        return record.decode(data) is not None
    return (
        sha256(data).hexdigest() == key.rpartition("/")[2]
        if key.startswith("blobs-v1")
        else bool(manifest.decoded(data))
    )


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_an_interrupt_ends_the_waiting_at_once(
    node: Callable[..., Node], before: Between, environment: dict[str, str], method: str
) -> None:
    """Before the command it ends the run; after it, the exit code of the command stands."""
    one = node("one")
    before.fault(only(method, faults.hang))
    process = subprocess.Popen(
        one.command("alpha"), env={**environment, **one.environ, "CACHEDINDEX_REMOTE_TIMEOUT": "1 h"}, cwd=one.folder,
        start_new_session=True,
    )  # fmt: skip
    try:
        while not any(seen.method == method for seen in before.seen):
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == (-signal.SIGINT if method == "GET" else 0)
    finally:
        with pytest.MonkeyPatch.context():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    before.heal()
    assert one.installed == (
        [] if method == "GET" else [f"{name}-1.0.dist-info" for name in ("alpha", "beta", "delta", "epsilon", "gamma")]
    )


def test_no_secret_is_left_anywhere(node: Callable[..., Node], objects: Objects) -> None:
    one = node("one")
    ran = one.installs("alpha", CACHEDINDEX_MESSAGES="verbose", CACHEDINDEX_LOG=str(one.folder / "log"))
    files = [path.read_bytes() for path in one.folder.rglob("*") if path.is_file()]
    held = [objects.read(key) for key in objects.keys("")]
    for secret in (WRITER.secret, WRITER.key):
        assert not any(secret.encode() in data for data in (*files, *held, ran.err.encode()))
