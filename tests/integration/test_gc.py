"""Collecting in a real folder, beside processes that store there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path

import pytest

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Record
from cachedindex.rules import layout
from cachedindex.run.folder import RunFolder
from cachedindex.store import new_file
from cachedindex.store.store import Store
from cachedindex.upkeep import background, gc, listing, progress
from cachedindex.upkeep.gc import Collected
from cachedindex.upkeep.hourly import Upkeep
from cachedindex.upkeep.listing import ListedFile
from cachedindex.upkeep.progress import Progress
from tests.conftest import CHECKOUT, Run
from tests.mounts import Mount, small_disk
from tests.stored import DAY, HOUR, age, file, open_blob, page, put_file, put_page, record_path

CACHEDINDEX = (sys.executable, "-m", "cachedindex")
USER = os.getuid() if hasattr(os, "getuid") else 0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def collect(store: Store, limit: float = 1e12, idle: float = 60 * DAY) -> Collected:
    collected = gc.collect(store.root, store.root, limit, idle)
    assert collected is not None
    return collected


def test_what_nobody_used_goes_with_its_blob_and_empty_folders(store: Store) -> None:
    old = put_file(store, "old-1.0.whl", b"old")
    new = put_file(store, "new-1.0.whl", b"new")
    age(put_page(store, "old"), 61 * DAY)
    age(old[0], 61 * DAY)
    collected = collect(store)
    assert (collected.removed, collected.kept) == (3, 2)
    assert [path.exists() for path in (*old, *new)] == [False, False, True, True]
    assert not old[1].parent.exists()
    assert not (store.root / "records-v1/index.example").exists()


def test_what_was_evicted_is_a_miss_and_can_be_stored_again(store: Store) -> None:
    put_page(store, "six")
    record = store.get(page("six"))
    put_file(store, "six-1.0.whl", b"six")
    assert collect(store, limit=0).kept == 0
    assert store.get(page("six")) is None
    assert store.get(file("six-1.0.whl", b"six")) is None
    assert open_blob(store, file("six-1.0.whl", b"six").sha256 or "", 3) is None
    assert record is not None
    put_page(store, "six")
    put_file(store, "six-1.0.whl", b"six")
    assert store.get(page("six")) == record


def test_the_least_recently_served_goes_first(store: Store) -> None:
    paths = {name: put_file(store, name, name.encode() * 1000) for name in ("a", "b", "c")}
    for number, (record, blob) in enumerate(paths.values()):
        age(record, (10 - number) * HOUR)
        age(blob, (10 - number) * HOUR)
    assert store.get(file("a", b"a" * 1000)) is not None
    blob = open_blob(store, file("a", b"a" * 1000).sha256 or "", 1000)
    assert blob is not None
    blob.close()
    size = collect(store).size
    assert collect(store, limit=size - 1).removed == 2
    assert [record.exists() for record, _ in paths.values()] == [True, False, True]


def test_a_blob_that_was_last_used_before_its_record_counts_with_it(store: Store) -> None:
    record, blob = put_file(store, "a", b"a" * 100_000)
    put_page(store, "six")
    age(record, 10 * HOUR)
    age(blob, 11 * HOUR)
    would = gc.collect(store.root, store.root, 50_000, 60 * DAY, dry_run=True)
    assert would is not None
    assert would.removed == 2
    assert collect(store, limit=50_000).removed == 2


def test_serving_touches_hourly_at_most(store: Store) -> None:
    path = put_page(store, "six")
    age(path, 50 * 60)
    used = path.stat().st_mtime
    store.get(page("six"))
    assert path.stat().st_mtime == used
    age(path, 11 * 60)
    store.get(page("six"))
    assert path.stat().st_mtime > used
    age(path, -2 * HOUR)  # Touched by a clock that is ahead: it counts as ours again.
    store.get(page("six"))
    assert path.stat().st_mtime < used + 2 * HOUR


def test_a_read_only_store_touches_nothing(store: Store) -> None:
    record, blob = put_file(store, "a", b"a")
    age(record, DAY)
    age(blob, DAY)
    used = record.stat().st_mtime, blob.stat().st_mtime
    reader = Store(store.root, read_only=True)
    assert reader.get(file("a", b"a")) is not None
    opened = open_blob(reader, file("a", b"a").sha256 or "", 1)
    assert opened is not None
    opened.close()
    assert (record.stat().st_mtime, blob.stat().st_mtime) == used


def test_what_is_in_use_again_when_its_turn_comes_stays_with_its_blob(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, blob = put_file(store, "a", b"a")
    age(record, 61 * DAY)
    remove = ListedFile.remove

    def used(listed: ListedFile) -> bool:
        os.utime(record)
        return remove(listed)

    monkeypatch.setattr(ListedFile, "remove", used)
    assert collect(store).removed == 0
    assert record.exists()
    assert blob.exists()


def test_a_blob_whose_record_is_on_its_way_stays_for_an_hour(store: Store) -> None:
    record, blob = put_file(store, "a", b"a")
    record.unlink()
    assert collect(store).removed == 0
    age(blob, HOUR + 60)
    assert collect(store).removed == 1
    assert not blob.exists()


def test_a_blob_that_a_record_names_that_may_not_be_read_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record, blob = put_file(store, "a", b"a")
    age(blob, DAY)
    head = ListedFile.head

    def refuse(listed: ListedFile, size: int) -> bytes:
        if listed.path == record:
            raise PermissionError(record)
        return head(listed, size)

    monkeypatch.setattr(ListedFile, "head", refuse)
    assert collect(store).removed == 0
    assert blob.exists()


def test_a_blob_stays_as_long_as_one_of_two_records_names_it(store: Store) -> None:
    first, blob = put_file(store, "a", b"a" * 1000)
    second, _ = put_file(store, "b", b"a" * 1000)
    age(first, 61 * DAY)
    assert collect(store).removed == 1
    assert [path.exists() for path in (first, second, blob)] == [False, True, True]
    age(second, 61 * DAY)
    assert collect(store).removed == 2
    assert not blob.exists()


def test_no_more_absences_stay_than_are_of_use(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "_MOST_ABSENCES", 2)
    for number in range(4):
        request = page(str(number))
        store.put_absence(request, Record(request.url, request.url, {}, 10.0, 11.0, 1.0, 0, sha256().hexdigest(), b""))
        age(record_path(store, request, layout.ABSENT), (number + 1) * HOUR)
    put_page(store, "six")
    assert collect(store).removed == 2
    assert [store.absence(page(str(number))) is not None for number in range(4)] == [True, True, False, False]
    assert store.get(page("six")) is not None


class Killed(BaseException):
    """What ends a collection as a kill does."""


@pytest.mark.parametrize("kills_after", [1, 7, 30, 45, 60, 75])
def test_a_collection_goes_on_where_the_last_one_ended(
    store: Store, monkeypatch: pytest.MonkeyPatch, kills_after: int
) -> None:
    """However short a process lives, a few of them together keep the limit, and each file is dealt with once."""
    old = [put_file(store, f"old-{number}", b"%d" % number * 500) for number in range(10)]
    new = [put_file(store, f"new-{number}", b"%d" % number * 700) for number in range(10)]
    for path in (path for pair in old for path in pair):
        age(path, DAY)
    limit = sum(path.stat().st_size for pair in new for path in pair) * 1.2
    monkeypatch.setattr(gc, "_BATCH", 1)
    monkeypatch.setattr(gc, "_MARKED_EVERY", 0.0)
    seen: list[int] = []
    keep = gc._Mark.keep

    def mortal(mark: gc._Mark, state: Progress, after: str) -> None:
        keep(mark, state, after)
        seen.append(1)
        if not len(seen) % kills_after:
            raise Killed

    monkeypatch.setattr(gc._Mark, "keep", mortal)
    for _ in range(1 + 80 // kills_after):
        with suppress(Killed):
            assert gc.collect(store.root, store.root, limit, 60 * DAY, resume=True)
            break
    else:
        pytest.fail("it took more lives than there are files")
    assert [path.exists() for pair in new for path in pair] == [True] * 20
    left = sum(file.status.st_size for tree in ("records-v1", "blobs-v1") for file in listing.files(store.root / tree))
    assert left <= limit
    assert not any(blob.exists() for record, blob in old if not record.exists())
    assert not (store.root / "gc.mark").exists()


@pytest.mark.parametrize("damage", [b"", b"x", b"0" * 64 + b"\n[]\n", None])
def test_a_damaged_mark_begins_anew(store: Store, damage: bytes | None) -> None:
    record, blob = put_file(store, "a", b"a")
    age(blob, DAY)
    state = Progress.begin(new_file.now(store.root))
    state.step = "delete blobs-v1"  # Without the names that the records have.
    progress.write(store.root, state)
    raw = (store.root / "gc.mark").read_bytes()
    (store.root / "gc.mark").write_bytes(raw[:-3] + b"xxx" if damage is None else damage)
    assert gc.collect(store.root, store.root, 1e12, 60 * DAY, resume=True)
    assert record.exists()
    assert blob.exists()


def test_a_pointer_with_a_long_header_names_its_blob(store: Store) -> None:
    name = "a" * 20_000
    record, blob = put_file(store, name, b"a")
    assert record.stat().st_size > 20_000
    age(blob, DAY)
    assert collect(store).removed == 0
    assert blob.exists()


@pytest.mark.posix("links that everybody may make")
def test_no_link_is_followed_and_nothing_else_is_touched(store: Store, tmp_path: Path) -> None:
    put_page(store, "six")
    outside = tmp_path / "outside"
    outside.mkdir()
    foreign = [
        outside / ".x.tmp",
        store.root / "notes.txt",
        store.root / "records-v2/x",
        store.root / "private-v1/0x/y",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        age(path, 100 * DAY)
    (store.root / "records-v1/link").symlink_to(outside)
    (store.root / "records-v1/.link.tmp").symlink_to(outside / ".x.tmp")
    (store.root / "quarantine-v1").symlink_to(outside)
    (store.root / "blobs-v1").symlink_to(outside)
    assert collect(store, limit=0).removed == 1
    assert all(path.exists() for path in foreign)
    assert (store.root / "records-v1/link").is_symlink()


@pytest.mark.posix("links that everybody may make")
@pytest.mark.parametrize("link", ["private-v1", f"private-v1/{USER}"])
def test_no_link_leads_to_what_is_private(store: Store, tmp_path: Path, link: str) -> None:
    put_page(store, "six")
    other = Store(tmp_path / "other/private-v1" / str(USER))
    path = put_page(other, "six")
    age(path, 100 * DAY)
    (store.root / link).parent.mkdir(exist_ok=True)
    (store.root / link).symlink_to(tmp_path / "other" / link)
    collect(store, limit=0)
    assert path.exists()


@pytest.mark.posix("users with numbers")
def test_what_is_private_is_collected_for_its_owner(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put_page(store, "six")
    paths = [put_page(Store(store.root / "private-v1" / str(USER + more)), "six") for more in (0, 1)]
    for path in paths:
        age(path, 100 * DAY)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert collect(store).removed == 1
    assert [path.exists() for path in paths] == [False, True]


@pytest.mark.posix("users with numbers")
def test_what_is_private_is_collected_for_everybody_by_root(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put_page(store, "six")
    paths = [put_page(Store(store.root / "private-v1" / str(1000 + more)), "six") for more in (0, 1)]
    for path in paths:
        age(path, 100 * DAY)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert collect(store).removed == 2
    assert not any(path.exists() for path in paths)


@pytest.mark.posix("users with numbers")
@pytest.mark.parametrize("link", ["private-v1/1000", "private-v1/1000/records-v1", "private-v1/1000/records-v1/h"])
def test_root_is_not_led_elsewhere_by_a_users_link(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    """Neither if it is there from the start, nor if it takes the place of a folder after that was listed."""
    put_page(store, "six")
    victim = tmp_path / "victim/records-v1/h/etc"
    victim.parent.mkdir(parents=True)
    victim.write_text("x")
    age(victim, 100 * DAY)
    targets = {"1000": tmp_path / "victim", "records-v1": victim.parent.parent, "h": victim.parent}
    target = targets[link.rpartition("/")[2]]
    place, opened = store.root / link, os.open
    place.mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def swapping(path: str | Path, *arguments: int, **named: int | None) -> int:
        if Path(path).name == place.name and not place.is_symlink():
            place.rmdir()
            place.symlink_to(target)
        return opened(path, *arguments, **named)

    monkeypatch.setattr(os, "open", swapping)
    for _ in range(2):
        collect(store)
        assert place.is_symlink()
        assert victim.exists()


def test_what_replaced_a_file_since_it_was_seen_stays(store: Store) -> None:
    path = put_page(store, "six")
    listed = listing.records(store.root)
    found = next(listed)
    modified = path.stat().st_mtime_ns
    path.rename(path.with_name("aside"))
    path.write_bytes(b"another file of the same age")
    os.utime(path, ns=(modified, modified))
    assert not found.remove()
    assert path.exists()
    path.unlink()
    assert found.remove()


def test_strays_go_and_what_is_young_stays(store: Store, tmp_path: Path) -> None:
    put_page(store, "six")
    shared = tmp_path / "locks"
    old = {
        store.root / ".README.1.ab.tmp": HOUR + 60,
        store.root / "blobs-v1/ab/.x.1.ab.tmp": HOUR + 60,
        store.root / "records-v1/index.example/.six.1.ab.tmp": HOUR + 60,
        shared / ".clock.1.ab.tmp": HOUR + 60,
        shared / "locks-v1/.x.mark.1.ab.tmp": HOUR + 60,
        shared / "locks-v1/x.lock": 8 * DAY,
        shared / "health-v1/host/origin": 8 * DAY,
    }
    for path, seconds in old.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(path.name + ".new.tmp").write_bytes(b"x")
        path.write_bytes(b"x")
        age(path, seconds)
    young = [path.with_name(path.name + ".new.tmp") for path in old]
    collected = gc.collect(store.root, shared, 1e12, 60 * DAY)
    assert collected is not None
    assert collected.removed == len(old)
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in young)


def test_folders_that_were_never_finished_go(store: Store, tmp_path: Path) -> None:
    put_page(store, "six")
    own = store.root / "private-v1" / str(USER)
    folders = [top / ".records-v1.1.ab.tmp" for top in (store.root, own, tmp_path / "locks")]
    kept = store.root / ".notes.tmp/mine"
    for folder in (*folders, kept):
        folder.mkdir(parents=True)
    gc.collect(store.root, tmp_path / "locks", 1e12, 60 * DAY)
    assert not any(folder.exists() for folder in folders)
    assert kept.exists(), "only what is empty, and nothing below it"


def test_one_collects_at_a_time(store: Store) -> None:
    put_page(store, "six")
    code = f"""
import sys
from pathlib import Path
from cachedindex.store import locks
root = Path({str(store.root)!r})
with locks.holding(root / "locks-v1" / "gc.lock", root) as alone:
    print(alone, flush=True)
    sys.stdin.read()
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert gc.collect(store.root, store.root, 0, 0) is None
        other.kill()
    assert collect(store).kept == 1


@pytest.mark.parametrize("program", [sys.executable, "/usr/bin/uwsgi", "", None])
def test_a_store_collects_once_an_hour_and_waits_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None
) -> None:
    """In a process of its own, or here if that is another program than a Python."""
    monkeypatch.setattr(sys, "executable", program)
    root = tmp_path / "cache"
    upkeep = Upkeep(root, root, 0, 60 * DAY)
    store = Store(root, stored=upkeep.stored)
    first = put_page(store, "first")
    assert upkeep.thread is None  # A folder that is new.
    age(root / "gc.stamp", HOUR + 60)
    put_page(store, "second")
    assert upkeep.thread is not None
    upkeep.thread.join()
    assert not first.exists()
    ended = upkeep.thread
    age(root / "gc.stamp", HOUR + 60)  # As long as another process is at it, that stays as old.
    put_page(store, "third")
    assert upkeep.thread is ended
    assert store.get(page("third")) is not None


def children() -> set[str]:
    """Return the numbers of this process's children, those included that have ended and that nobody has waited for."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # It has just ended.
            if path.read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                found.add(path.parent.name)
    return found


@pytest.mark.linux("/proc")
@pytest.mark.skipif(
    not hasattr(os, "posix_spawn"), reason="SKIPPED: PyPy has no os.posix_spawn, and collects in a thread"
)
def test_a_process_that_collects_is_nobodys_child_and_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it outlives the build, whoever waits for the build's children or for the end of its output is not held up."""
    put_page(Store(tmp_path), "six")
    seen = tmp_path / "seen"
    code = f"""
import os
from pathlib import Path
from cachedindex.upkeep import background, gc
def look(*_, **__):
    held = [os.readlink(f"/proc/self/fd/{{number}}") for number in (0, 2)]
    others = [name for name in os.listdir("/proc/self/fd") if int(name) > 2 and os.path.exists("/proc/self/fd/" + name)]
    is_ours = os.getppid() == {os.getpid()}
    Path({str(seen)!r}).write_text(repr((is_ours, os.getpgrp() == os.getpid(), os.nice(0), os.getcwd(), held, others)))
gc.collect = look
background.main()
"""
    monkeypatch.setattr(background, "_CODE", code)
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    before = children()  # Of other tests, such as a server.
    try:
        assert background.collect(tmp_path, tmp_path, 0, 0)
        assert children() <= before
    finally:
        os.close(writer)
        os.close(reader)
    assert seen.read_text() == repr((False, True, 19, "/", ["/dev/null", "/dev/null"], []))


def test_a_process_collects_once_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, go_on = tmp_path / "cache", threading.Event()
    upkeep = Upkeep(root, root, 1e9, 60 * DAY)
    monkeypatch.setattr(background, "collect", lambda *_: go_on.wait(60))
    store = Store(root, stored=upkeep.stored)
    put_page(store, "first")
    threads = []
    for name in ("second", "third"):
        age(root / "gc.stamp", HOUR + 60)
        put_page(store, name)
        threads.append(upkeep.thread)
    go_on.set()
    assert threads[0] is threads[1] is not None
    threads[0].join()


def test_a_collection_that_fails_is_nobodys_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "cache"
    upkeep = Upkeep(root, root, 0, 60 * DAY)
    store = Store(root, stored=upkeep.stored)
    put_page(store, "first")
    age(root / "gc.stamp", HOUR + 60)
    monkeypatch.setattr(background, "collect", lambda *_: 1 / 0)
    put_page(store, "second")
    assert upkeep.thread is not None
    upkeep.thread.join()
    assert store.get(page("second")) is not None


def test_a_folder_that_is_removed_under_a_writer_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a/b/c"
    (tmp_path / "a/b").mkdir(parents=True)
    opened, lost = os.open, []

    def losing(path: str, *arguments: int) -> int:
        if not lost:
            lost.append(path)
            (tmp_path / "a/b").rmdir()
        return opened(path, *arguments)

    monkeypatch.setattr(os, "open", losing)
    new_file.publish(target, b"x", tmp_path)
    assert lost
    assert target.read_bytes() == b"x"


@pytest.mark.posix("a rename that nothing surrounds")
def test_a_blobs_folder_that_is_removed_before_its_rename_is_made_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store.root / "blobs-v1/ca").mkdir(parents=True)
    replaced, lost = os.replace, []

    def losing(path: Path, target: Path) -> None:
        if not lost and target.parent.name == "ca":
            lost.append(target)
            target.parent.rmdir()
        replaced(path, target)

    monkeypatch.setattr(os, "replace", losing)
    _, blob = put_file(store, "a", b"a")
    assert lost
    assert blob.read_bytes() == b"a"


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give a function that starts a process of Python code, which does not outlive the test."""
    with ExitStack() as stack:

        def start(code: str, *arguments: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", code, *arguments]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            return process

        yield start


@pytest.mark.slow
def test_writers_readers_and_collectors_race_and_are_killed(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """Whoever reads gets a whole record or none, whatever dies beside it; and nothing but strays is left over."""
    code = f"""
import itertools, sys
from pathlib import Path
sys.path.insert(0, {str(CHECKOUT)!r})
from cachedindex.upkeep import gc
from cachedindex.store.store import Store
from tests.stored import file, open_blob, page, put_file, put_page
store = Store(Path({str(tmp_path / "cache")!r}), damaged=lambda path: print("damaged", path))
print("ready", flush=True)
for number in itertools.count():
    name = str(number % 7)
    if sys.argv[1] == "write":
        put_page(store, name, name.encode() * 5000)
        put_file(store, name, name.encode() * 50_000)
    elif sys.argv[1] == "collect":
        gc.collect(store.root, store.root, 200_000, 1)
    else:
        record = store.get(page(name))
        assert record is None or record.page == name.encode() * 5000
        wanted = file(name, name.encode() * 50_000)
        record = store.get(wanted)
        blob = record and open_blob(store, wanted.sha256, 50_000)
        if blob:
            with blob:
                assert blob.read() == name.encode() * 50_000
    if sys.argv[1] == "read" and number == int(sys.argv[2]):
        break
"""

    reader = start(code, "read", "8000")
    while reader.poll() is None:
        for process in [start(code, job) for job in ("write", "collect", "write")]:
            process.kill()
            out, err = process.communicate()
            assert "damaged" not in out
            assert not err, err
    out, err = reader.communicate()
    assert (reader.returncode, out) == (0, ""), err
    gc.collect(tmp_path / "cache", tmp_path / "cache", 0, 60 * DAY)
    left = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert all(
        name.endswith(".tmp") or name in ("README", "CACHEDIR.TAG", "gc.stamp", "gc.lock") or len(name) == 64
        for name in left
    )


def test_the_command_says_what_it_did(run: Run, tmp_path: Path) -> None:
    ran = run(*CACHEDINDEX, "gc")
    assert (ran.code, ran.out) == (0, f"nothing is stored yet in {tmp_path / 'cache'}\n")
    (tmp_path / "cache/locks-v1").mkdir(parents=True)  # Somebody is just asking for the first page.
    assert run(*CACHEDINDEX, "gc") == ran
    store = Store(tmp_path / "cache")
    put_file(store, "a", b"a" * 100_000)
    put_page(store, "six")
    for options, did in (("--dry-run",), "would remove"), ((), "removed"):
        ran = run(*CACHEDINDEX, "gc", "--max-size", "50 kB", *options)
        assert (ran.code, ran.err) == (0, "")
        removed, kept = ran.out.splitlines()
        assert removed.startswith(f"{did} 2 files, 100.")
        assert kept.startswith("1 files, ")
        assert kept.endswith(f" stay in {store.root}")
        assert (store.root / "gc.stamp").exists() == (not options)
    assert store.get(page("six")) is not None


def fill(store: Store) -> None:
    for number in range(100):
        put_file(store, f"{number}.whl", b"%d" % number * 10_000)


@pytest.mark.linux("small disks to mount")
@pytest.mark.parametrize("full", ["size=256k", "nr_inodes=30"])
def test_a_full_disk_is_made_room_on(run: Run, mount: Mount, tmp_path: Path, full: str) -> None:
    root = tmp_path / "cache"
    small_disk(mount, root, full)
    store = Store(root)
    with pytest.raises(StoreUnavailable, match="No space left"):
        fill(store)
    ran = run(*CACHEDINDEX, "gc", "--max-size", "20 kB")
    assert (ran.code, ran.err) == (0, "")
    put_page(store, "six")
    assert store.get(page("six")) is not None


def test_the_command_leaves_alone_what_is_not_ours(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cache/records-v1").mkdir(parents=True)
    path = tmp_path / "cache/records-v1/mine"
    path.write_text("mine")
    age(path, 100 * DAY)
    for tag in (None, "Signature: 8a477f597d28d172789f06886806bc55\n# by another program"):
        if tag:
            (tmp_path / "cache/CACHEDIR.TAG").write_text(tag)
        ran = run(*CACHEDINDEX, "gc")
        assert ran.code == 2
        assert ran.ours == [
            f"cachedindex: {tmp_path / 'cache'} holds no CACHEDIR.TAG of cachedindex, so it is left alone"
        ]
    assert path.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--max-size", "much"),
            'command line: max-size = much: write a number of bytes, or one with a unit: "500 MB"',
        ),
        (("--max-siz", "3"), "command line: --max-siz: there is no such option; did you mean --max-size?"),
        (("everything",), "command line: everything: this command takes options only"),
        pytest.param(
            ("--cache-dir", "/tmp"),
            "/tmp is not used: in a folder with the sticky bit",
            marks=pytest.mark.posix("modes"),
        ),
    ],
)
def test_a_mistake_is_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    ran = run(*CACHEDINDEX, "gc", *arguments)
    assert ran.code == 2
    (line,) = ran.ours
    assert said in line


@pytest.mark.posix("modes")
def test_folders_of_runs_that_were_killed_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead, alive, link, others = (tmp_path / f"cachedindex-run-{name}" for name in ("dead", "alive", "link", "others"))
    others.mkdir(mode=0o755)  # No run of this user has such a mode.
    others.chmod(0o755)
    age(others, 8 * DAY)
    dead.mkdir(mode=0o700)
    alive.mkdir(mode=0o700)
    link.symlink_to(alive)
    (dead / "1.jsonl").write_text("{}")
    age(dead / "1.jsonl", 8 * DAY)
    age(dead, 8 * DAY)
    (alive / "1.jsonl").write_text("{}")  # It was made eight days ago, and written to just now.
    age(alive, 8 * DAY)
    run = RunFolder.begin()
    assert sorted(tmp_path.iterdir()) == sorted([alive, link, others, run.folder])
