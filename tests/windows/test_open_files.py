"""What another process has open, which nobody can replace, remove or, if it is held alone, read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import requests

from cachedindex.store.store import Store
from cachedindex.upkeep import gc
from tests.conftest import Ran
from tests.environments import CHECKOUT
from tests.index import Index
from tests.stored import DAY, age, page, put_file, put_page
from tests.windows.conftest import held

SCANNED = 0.3
"""Seconds."""
WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from cachedindex.store.store import Store
from tests.stored import open_blob, page, put_file, put_page
store = Store(Path(sys.argv[2]), damaged=lambda path: print("damaged", path))
for number in range(60):
    name = str(number % 3)
    body = name.encode() * 5000
    put_page(store, name, body)
    put_file(store, name, body)
    found = store.get(page(name))
    assert found is not None and found.page == body, "the page is lost"
"""


def test_a_record_that_is_held_for_a_moment_in_an_outage_is_served(
    open_session: Callable[..., requests.Session], index: Index, own_home: Path
) -> None:
    before = open_session().get(f"{index.url}alpha/")
    assert before.ok
    index.close()
    (record,) = (own_home / "cache/records-v1").rglob("page.*")
    with held(record, SCANNED):
        after = open_session(index_ttl=0).get(f"{index.url}alpha/")
    assert (after.status_code, after.content) == (200, before.content)


def test_a_blob_that_is_held_for_a_moment_is_served(
    open_session: Callable[..., requests.Session], index: Index, own_home: Path
) -> None:
    session = open_session()
    session.get(f"{index.url}alpha/")
    wheel = f"{index.origin}/files/alpha-1.0-py3-none-any.whl"
    before = session.get(wheel).content
    index.close()
    (blob,) = (path for path in (own_home / "cache/blobs-v1").rglob("*") if path.is_file())
    with held(blob, SCANNED):
        assert session.get(wheel).content == before


def test_a_record_that_is_held_for_a_moment_is_replaced_and_removed(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    path = put_page(store, "six", b"<a href=x>old</a>")
    with held(path, SCANNED):
        put_page(store, "six", b"<a href=x>new</a>")
    found = store.get(page("six"))
    assert found is not None
    assert found.page == b"<a href=x>new</a>"
    with held(path, SCANNED):
        store.bar(page("six"))
    assert store.get(page("six")) is None


def test_processes_that_replace_what_the_others_read_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER, str(CHECKOUT), str(tmp_path / "cache")]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    assert said == [("", "")] * 4
    assert not list((tmp_path / "cache").rglob("*.tmp"))


APPENDER = """
import sys
from pathlib import Path
from cachedindex.store import disk
name, folder = sys.argv[1], Path(sys.argv[2])
for number in range(300):
    disk.append(folder / "log", f"{name} {number} {'x' * 200}\\n".encode(), folder)
"""


def test_processes_that_append_to_one_file_lose_and_tear_no_line(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", APPENDER, str(number), str(tmp_path)] for number in range(4)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for command in commands]
    assert [process.communicate(timeout=120) for process in processes] == [("", "")] * 4
    lines = (tmp_path / "log").read_text().splitlines()
    expected = {f"{name} {number} {'x' * 200}" for name in range(4) for number in range(300)}
    assert len(lines) == len(expected)
    assert set(lines) == expected


def test_a_collection_deletes_what_nobody_uses(command: Callable[..., Ran], tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    old, new = put_page(store, "old"), put_page(store, "new")
    record, blob = put_file(store, "six-1.0.whl", b"wheel" * 20_000)
    for path, days in ((old, 61), (record, 1), (blob, 1)):
        age(path, days * DAY)
    collected = gc.collect(store.root, store.root, 1e12, 60 * DAY)
    assert collected is not None
    assert collected.removed == 1
    assert [path.exists() for path in (old, new)] == [False, True]
    ran = command("gc", "--max-size", "50 kB")
    assert (ran.code, ran.err) == (0, "")
    assert "removed 2 files" in ran.out
    assert not blob.exists()
