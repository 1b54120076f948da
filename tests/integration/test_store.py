"""The store on a real file system."""

from __future__ import annotations

import errno
import os
import stat
import threading
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import pytest

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Event, Outcome, Record, Request
from cachedindex.run.folder import RunFolder
from cachedindex.store import (
    blob as blob_module,
    disk,
    health_log,
    locks,
    new_file,
    record,
    store as store_module,
    system,
)
from cachedindex.store.store import Store
from tests.stored import file, open_blob
from tests.values import replace

WHEEL = file("six-1.0.whl", b"wheel")
PAGE = Request("GET", "https://index.example/simple/six/", "page", {})
BODY = b"<a href=six-1.0.whl>six</a>"
RECORD = Record(PAGE.url, PAGE.url, {}, 10.0, 11.0, 1.0, len(BODY), sha256(BODY).hexdigest(), BODY, "html")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def only_file(folder: Path) -> Path:
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    return path


def test_what_was_put_is_got(store: Store) -> None:
    assert store.get(PAGE) is None
    assert store.put(PAGE, RECORD)
    assert store.get(PAGE) == RECORD
    assert (store.root / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55")
    assert only_file(store.root / "records-v1").parent.name == "six"


def test_a_late_answer_never_overwrites_a_newer_page(store: Store) -> None:
    assert store.put(PAGE, RECORD)
    assert not store.put(PAGE, replace(RECORD, asked=9.0))
    assert store.put(PAGE, replace(RECORD, asked=10.5))
    stored = store.get(PAGE)
    assert stored is not None
    assert stored.asked == 10.5


def test_a_stored_record_from_a_clock_that_was_days_ahead_gives_way(store: Store) -> None:
    store.put(PAGE, replace(RECORD, asked=3 * 86_400.0, checked=3 * 86_400.0))
    assert store.put(PAGE, RECORD)


def test_one_sentence_for_every_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    store, said = Store(tmp_path / "cache"), set()
    for url in ("https://index.example/simple/a/", "https://index.example/simple/b/"):
        with pytest.raises(StoreUnavailable) as caught:
            store.put(replace(PAGE, url=url), RECORD)
        said.add(str(caught.value))
    assert len(said) == 1


def test_a_damaged_record_is_a_miss_and_is_healed(store: Store) -> None:
    store.put(PAGE, RECORD)
    path = only_file(store.root / "records-v1")
    path.write_bytes(path.read_bytes()[:-1])
    assert store.get(PAGE) is None
    assert store.put(PAGE, RECORD)
    assert store.get(PAGE) == RECORD


def test_a_blob_is_published_under_its_digest_and_verified(store: Store) -> None:
    blob = store.new_blob(WHEEL)
    blob.write(b"wheel")
    assert open_blob(store, blob.sha256, 5) is None
    blob.commit()
    digest = sha256(b"wheel").hexdigest()
    opened = open_blob(store, digest, 5)
    assert opened is not None
    with opened:
        assert opened.read() == b"wheel"
    assert open_blob(store, digest, 4) is None
    only_file(store.root / "blobs-v1").write_bytes(b"whee!")
    assert open_blob(store, digest, 5) is None


def test_an_abandoned_blob_leaves_nothing(store: Store) -> None:
    blob = store.new_blob(WHEEL)
    blob.write(b"half a whe")
    blob.abandon()
    assert not [path for path in store.root.rglob("*") if path.is_file() and "blobs" in str(path)]


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    store = Store(tmp_path / "cache")
    assert store.get(PAGE) is None
    with pytest.raises(StoreUnavailable, match="cache"):
        store.put(PAGE, RECORD)
    with pytest.raises(StoreUnavailable, match="cache"):
        store.new_blob(WHEEL)


@pytest.mark.posix("modes")
@pytest.mark.parametrize(("root", "file", "folder"), [(0o2775, 0o664, 0o2775), (0o700, 0o600, 0o700)])
@pytest.mark.parametrize("umask", [0o077, 0o022])
def test_the_roots_mode_is_the_policy_whatever_the_umask(
    tmp_path: Path, root: int, file: int, folder: int, umask: int
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(root)
    before = os.umask(umask)
    try:
        Store(tmp_path / "cache").put(PAGE, RECORD)
    finally:
        os.umask(before)
    path = only_file(tmp_path / "cache/records-v1")
    assert stat.S_IMODE(path.stat().st_mode) & file == file
    assert stat.S_IMODE(path.parent.stat().st_mode) == folder


def test_a_file_that_another_host_replaced_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[bytes | int] = [
        errno.ESTALE,
        errno.ESTALE,
        b"new",
        errno.ESTALE,
        errno.ESTALE,
        errno.ESTALE,
        errno.EIO,
    ]

    def read(_: Path, _most: int) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, int):
            raise OSError(answer, "x")
        return answer

    monkeypatch.setattr(disk, "_read", read)
    assert disk.read(tmp_path / "a", tmp_path) == b"new"
    assert disk.read(tmp_path / "a", tmp_path) is None
    with pytest.raises(StoreUnavailable):
        disk.read(tmp_path / "a", tmp_path)


def test_a_blob_that_another_host_replaced_is_opened_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = store.new_blob(WHEEL)
    blob.write(b"wheel")
    blob.commit()
    errors = [errno.ESTALE, errno.ESTALE, None, errno.EIO]
    digest_of = blob_module._digest_of

    def failing(opened: BinaryIO) -> tuple[str, int]:
        if error := errors.pop(0):
            raise OSError(error, "x")
        return digest_of(opened)

    monkeypatch.setattr(blob_module, "_digest_of", failing)
    opened = open_blob(store, blob.sha256, 5)
    assert opened is not None
    opened.close()
    with pytest.raises(StoreUnavailable):
        open_blob(store, blob.sha256, 5)


def test_a_damaged_blob_that_cannot_be_read_twice_is_a_miss(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = store.new_blob(WHEEL)
    blob.write(b"wheel")
    blob.commit()
    only_file(store.root / "blobs-v1").write_bytes(b"whee!")
    digest_of, reads = blob_module._digest_of, iter([True])

    def once(opened: BinaryIO) -> tuple[str, int]:
        if next(reads, False):
            return digest_of(opened)
        raise OSError(errno.EIO, "x")

    monkeypatch.setattr(blob_module, "_digest_of", once)
    assert open_blob(store, blob.sha256, 5) is None


@pytest.mark.posix("a rename that nothing surrounds")
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_file.publish(tmp_path / "a", b"old", tmp_path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(PermissionError("in use")))
    with pytest.raises(StoreUnavailable):
        new_file.publish(tmp_path / "a", b"new", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


FAILED = Event("failed", 100.0, "a", "one")


def test_events_are_shared_and_cut_lines_ignored(tmp_path: Path) -> None:
    log = health_log.of_host(tmp_path / "cache", None)
    log.append("index", FAILED)
    file = only_file(tmp_path / "cache")
    file.write_bytes(file.read_bytes() + b'{"what": "fai\n{"from": "a later release"}\n')
    health_log.of_host(tmp_path / "cache", None).append("index", Event("failed", 101.0, "b", "two"))
    assert [event.at for event in log.events("index")] == [100.0, 101.0]
    assert log.events("another") == []


def test_events_are_read_on_and_read_anew(tmp_path: Path) -> None:
    log, other = (health_log.of_host(tmp_path / "cache", None) for _ in range(2))
    log.append("index", FAILED)
    assert log.events("index") is log.events("index"), "nothing was added"
    other.append("index", Event("failed", 101.0, "b", "two"))
    assert [event.at for event in log.events("index")] == [100.0, 101.0]
    file = only_file(tmp_path / "cache")
    line = file.read_bytes().splitlines()[1]
    file.write_bytes(line + b"\n")  # Begun anew by another process.
    assert [event.at for event in log.events("index")] == [101.0]
    file.write_bytes(line + b"\n" + line)
    assert [event.at for event in log.events("index")] == [101.0], "not written to its end yet"
    file.write_bytes(line + b"\n" + line + b"\n")
    assert [event.at for event in log.events("index")] == [101.0, 101.0]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files that are opened from now on."""
    names: list[str] = []
    real_open, real_read = os.open, Path.read_bytes

    def noticed_open(path: Path, *arguments: int) -> int:
        names.append(Path(path).name)
        return real_open(path, *arguments)

    def noticed_read(path: Path) -> bytes:
        names.append(path.name)
        return real_read(path)

    monkeypatch.setattr(os, "open", noticed_open)
    monkeypatch.setattr(Path, "read_bytes", noticed_read)
    return names


@pytest.mark.posix("an open that nothing surrounds")
def test_a_log_is_opened_only_if_it_has_changed(tmp_path: Path, opened: list[str]) -> None:
    log, other = (health_log.of_host(tmp_path, tmp_path / "run") for _ in range(2))
    assert log.events("index") == []
    assert opened == [], "there is no file"
    log.append("index", FAILED)  # Which makes the folder.
    opened.clear()
    log.append("index", FAILED)
    assert log.events("index") == [FAILED, FAILED]
    assert opened == ["index"], "the events are read with the descriptor that appends"
    other.append("index", replace(FAILED, at=101.0))
    opened.clear()
    assert [len(log.events("index")) for _ in range(3)] == [3, 3, 3]
    assert opened == ["index"]


@pytest.mark.posix("an open that nothing surrounds")
def test_a_claim_shows_who_was_first_with_one_open(tmp_path: Path, opened: list[str]) -> None:
    log, other = (health_log.of_host(tmp_path, tmp_path / "run") for _ in range(2))
    other.append("index", FAILED)
    opened.clear()
    mine = Event("probing", 101.0, "a", "token")
    assert log.claim("index", mine) == [FAILED, mine]
    assert opened == ["index"]
    log.append("index", FAILED)
    assert other.claim("index", mine) == [FAILED, mine, FAILED, mine]  # as the lines came


def test_a_claim_that_no_folder_takes_is_the_processs_own(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    assert health_log.of_host(tmp_path / "cache", None).claim("index", FAILED) == [FAILED]
    assert health_log.of_run(None).claim("index", FAILED) == [FAILED]


def test_events_that_the_cache_does_not_take_go_to_the_runs_folder(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    (tmp_path / "run").mkdir()
    log = health_log.of_host(tmp_path / "cache", tmp_path / "run")
    log.append("index", FAILED)
    assert health_log.of_host(tmp_path / "cache", tmp_path / "run").events("index") == [FAILED]


def test_events_that_no_folder_takes_are_remembered_by_the_process(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    log = health_log.of_host(tmp_path / "cache", None)
    log.append("index", FAILED)
    assert log.events("index") == [FAILED]
    assert log.events("another") == []


def test_a_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    log = health_log.of_host(tmp_path, None)
    for number in range(3):
        log.append("index", Event("failed", float(number), "x" * 40_000))
    assert only_file(tmp_path).stat().st_size < 100_000


def test_what_a_process_remembers_by_itself_does_not_grow_for_ever() -> None:
    log = health_log.of_run(None)
    for number in range(1000):
        log.append("index", Event("removed", float(number), "a"))
    assert len(log.events("index")) == 500
    assert log.events("index")[-1].at == 999


@pytest.mark.posix("links that everybody may make")
def test_nothing_is_appended_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    log = health_log.of_host(tmp_path / "cache", None)
    log.append("index", FAILED)
    file = only_file(tmp_path / "cache")
    file.unlink()
    file.symlink_to(tmp_path / "theirs")
    log.append("index", FAILED)
    assert (tmp_path / "theirs").read_text() == "theirs"


OUTCOME = Outcome("stale", "page", "https://index.example/x/", "https://index.example", "gone", 5.0)


def test_a_run_collects_what_its_processes_say_and_leaves_nothing() -> None:
    run = RunFolder.begin()
    assert RunFolder.handed_down({"CACHEDINDEX_RUN": str(run.folder)}) is not None
    RunFolder(run.folder).add_outcome(OUTCOME)
    assert run.outcomes() == [OUTCOME]
    RunFolder(run.folder).add_page("index.example/simple/x/page.html.1")
    assert run.pages() == {"index.example/simple/x/page.html.1"}
    assert RunFolder(run.folder).is_first_to_say("x")
    assert [run.is_first_to_say("x"), run.is_first_to_say("y")] == [False, True]
    run.remove_folder()
    assert not run.folder.exists()
    assert RunFolder.handed_down({"CACHEDINDEX_RUN": str(run.folder)}) is None
    assert RunFolder.handed_down({}) is None


@pytest.mark.posix("links that everybody may make")
def test_another_users_folder_is_not_taken_for_the_run(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert RunFolder.handed_down({"CACHEDINDEX_RUN": str(tmp_path)})
    assert RunFolder.handed_down({"CACHEDINDEX_RUN": str(tmp_path / "link")}) is None
    if os.geteuid() != 0:
        pytest.skip("SKIPPED FOR WANT OF ROOT, who alone can give a folder away")
    os.chown(tmp_path, 65534, -1)
    assert RunFolder.handed_down({"CACHEDINDEX_RUN": str(tmp_path)}) is None
    os.chown(tmp_path, 0, -1)


def test_a_page_is_barred_in_every_form_whoever_was_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    as_json = replace(PAGE, headers={"accept": "application/vnd.pypi.simple.v1+json"})
    store.put(PAGE, RECORD)
    store.put(as_json, replace(RECORD, form="json"))
    store.bar(PAGE)
    assert (store.get(PAGE), store.get(as_json)) == (None, None)


def test_a_newer_page_that_comes_while_an_older_one_is_written_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = record.encode
    newer = replace(RECORD, asked=11.0)

    def slow(new: Record) -> bytes:
        if new == RECORD:
            assert Store(store.root).put(PAGE, newer)
        return encoded(new)

    monkeypatch.setattr(record, "encode", slow)
    assert not store.put(PAGE, RECORD)
    assert store.get(PAGE) == newer
    assert not list(store.root.rglob("*.tmp"))


@pytest.mark.parametrize("change", ["expire", "bar"])
def test_a_page_that_comes_while_an_older_one_is_marked_stays_as_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    store.put(PAGE, RECORD)
    encoded, newer = record.encode, replace(RECORD, asked=11.0)

    def slow(new: Record) -> bytes:
        if new.expired or new.barred:
            assert Store(store.root).put(PAGE, newer)
        return encoded(new)

    monkeypatch.setattr(record, "encode", slow)
    if change == "expire":
        store.expire(store.record_name(PAGE, RECORD))
    else:
        store.bar(PAGE)
    assert store.get(PAGE) == newer


def test_an_answer_that_a_page_is_gone_removes_none_that_was_asked_for_later(store: Store) -> None:
    store.put(PAGE, RECORD)
    store.remove(PAGE, 9.0)
    assert store.get(PAGE) == RECORD
    store.remove(PAGE, 10.0)
    assert store.get(PAGE) is None


@pytest.mark.parametrize("accept", [None, "application/vnd.pypi.simple.v1+json"])
def test_a_page_that_is_gone_is_removed_in_every_form_whoever_has_asked(store: Store, accept: str | None) -> None:
    as_json = replace(PAGE, headers={"accept": "application/vnd.pypi.simple.v1+json"})
    store.put(PAGE, RECORD)
    store.put(as_json, replace(RECORD, form="json"))
    store.remove(replace(PAGE, headers={"accept": accept} if accept else {}), 11.0)
    assert (store.get(PAGE), store.get(as_json)) == (None, None)


def test_of_many_answers_at_once_the_newest_stays(store: Store) -> None:
    for turn in range(30):
        url = f"{PAGE.url}{turn}/"
        page = replace(PAGE, url=url)
        records = [replace(RECORD, url=url, asked=10.0 + number) for number in range(4)]
        together = threading.Barrier(len(records))

        def put(new: Record, page: Request = page, together: threading.Barrier = together) -> None:
            together.wait()
            Store(store.root).put(page, new)

        threads = [threading.Thread(target=put, args=(new,)) for new in records]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.get(page) == records[-1]


def test_a_renewal_is_written_over_the_header_alone(store: Store) -> None:
    store.put(PAGE, RECORD)
    path = only_file(store.root / "records-v1")
    before, size = path.stat().st_ino, path.stat().st_size
    renewed = replace(RECORD, asked=RECORD.asked + 1.25, checked=RECORD.checked + 600.123456)
    assert store.put(PAGE, renewed, renewal=True)
    assert store.get(PAGE) == renewed
    assert (only_file(store.root / "records-v1").stat().st_ino, path.stat().st_size) == (before, size)


def test_a_renewal_never_changes_a_newer_page(store: Store) -> None:
    newer = replace(RECORD, asked=RECORD.asked + 2, page=b"new", size=3, sha256=sha256(b"new").hexdigest())
    store.put(PAGE, newer)
    assert not store.put(PAGE, replace(RECORD, asked=RECORD.asked + 1), renewal=True)
    later = replace(newer, asked=newer.asked + 2)
    store.put(PAGE, later)
    assert not store.put(PAGE, replace(newer, asked=newer.asked + 1), renewal=True)
    assert store.get(PAGE) == later


@pytest.mark.posix("an open file that can be replaced")
def test_a_page_that_comes_just_as_an_older_one_is_renewed_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = replace(RECORD, asked=RECORD.asked + 2, page=b"new", size=3, sha256=sha256(b"new").hexdigest())
    store.put(PAGE, RECORD)
    renewed = record.renewed

    def meanwhile(beginning: bytes, new: Record) -> bytes | None:
        assert Store(store.root).put(PAGE, newer)
        return renewed(beginning, new)

    monkeypatch.setattr(record, "renewed", meanwhile)
    store.put(PAGE, replace(RECORD, asked=RECORD.asked + 1), renewal=True)
    assert store.get(PAGE) == newer


@pytest.mark.parametrize("other", ["a snapshot", "a link", "nothing", "another user's"])
def test_a_renewal_that_cannot_be_written_there_is_a_file_of_its_own(store: Store, tmp_path: Path, other: str) -> None:
    store.put(PAGE, RECORD)
    path, aside = only_file(store.root / "records-v1"), tmp_path / "aside"
    if other == "a snapshot":
        os.link(path, aside)
    elif other == "a link":
        path.rename(aside)
        path.symlink_to(aside)
    elif other == "nothing":
        path.unlink()
    elif system.is_root():
        pytest.skip("SKIPPED AS ROOT, who may write to every file")
    else:
        path.chmod(0o444)
    kept = aside.read_bytes() if aside.exists() else b""
    renewed = replace(RECORD, asked=RECORD.asked + 1)
    assert store.put(PAGE, renewed, renewal=True)
    assert store.get(PAGE) == renewed
    assert (aside.read_bytes() if aside.exists() else b"") == kept


def test_a_record_that_is_read_just_as_it_is_renewed_is_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(PAGE, RECORD)
    read = disk.read

    def torn(path: Path, root: Path, most: int = -1) -> bytes | None:
        monkeypatch.setattr(disk, "read", read)
        return (read(path, root, most) or b"")[:20].ljust(10_000)

    monkeypatch.setattr(disk, "read", torn)
    assert store.get(PAGE) == RECORD
    assert not (store.root / "quarantine-v1").exists()


def test_a_lock_that_is_released_at_the_very_moment_is_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store._shared.record_path(PAGE, "html")
    path.parent.mkdir(parents=True)
    lock = path.parent / f".{path.name}.lock.tmp"
    made = os.open

    def released(name: Path, flags: int, mode: int = 0o777) -> int:
        monkeypatch.setattr(os, "open", made)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(name))

    monkeypatch.setattr(os, "open", released)
    with locks.replacing(path):
        assert lock.exists()
    assert not lock.exists()


def test_a_lock_that_a_killed_process_left_is_removed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(PAGE, RECORD)
    path = only_file(store.root / "records-v1")
    left = path.parent / f".{path.name}.lock.tmp"
    left.touch()
    monkeypatch.setattr(locks, "_LONGEST_TURN", 0.0)
    assert store.put(PAGE, replace(RECORD, asked=11.0))
    assert not left.exists()


def test_a_record_is_compared_and_replaced_while_nobody_else_replaces_it(store: Store) -> None:
    path = store._shared.record_path(PAGE, "html")
    lock = path.parent / f".{path.name}.lock.tmp"
    assert store._shared.publish(path, RECORD, lambda _: lock.exists())
    assert not lock.exists()


def test_a_record_in_place_of_nothing_needs_no_lock(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[Path] = []
    monkeypatch.setattr(locks, "_made", asked_for.append)
    assert store.put(PAGE, RECORD)
    assert not asked_for
    assert [only_file(store.root / "records-v1")] == [store._shared.record_path(PAGE, "html")]


def test_a_record_that_comes_as_nothing_is_replaced_is_compared_as_well(store: Store) -> None:
    later = RECORD._replace(asked=RECORD.asked + 1)
    path, seen = store._shared.record_path(PAGE, "html"), list[Record | None]()

    def replaces(there: Record | None) -> bool:
        seen.append(there)
        if len(seen) == 2:  # The first time nobody has the lock.
            assert store.put(PAGE, later)
        return len(seen) > 1 and there is None

    assert not store._shared.publish(path, RECORD, replaces)
    assert seen == [None, None, later]
    assert store.get(PAGE) == later


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_that_has_no_links(store: Store, monkeypatch: pytest.MonkeyPatch, is_there: bool) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    newer = RECORD._replace(asked=RECORD.asked + 1)
    assert not is_there or store.put(PAGE, RECORD)
    assert store.put(PAGE, newer)
    assert not store.put(PAGE, RECORD)
    assert store.get(PAGE) == newer
    assert only_file(store.root / "records-v1")


def test_where_there_is_no_locking_two_may_do_the_same_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(system, "lock", taken)
    with locks.holding(tmp_path / "gc.lock", tmp_path) as first, locks.holding(tmp_path / "gc.lock", tmp_path) as other:
        assert (first, other) == (True, True)


def test_who_could_make_no_lock_leaves_that_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_made", lambda _: None)
    others = tmp_path / ".page.lock.tmp"
    with locks.replacing(tmp_path / "page"):
        others.touch()
    assert others.exists()


def test_where_no_lock_can_be_made_a_page_is_stored(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_made", lambda _: None)
    assert store.put(PAGE, RECORD)


# -- what a store that only reads leaves alone, and what others are marked by ------------------------------------------

MARKER = replace(RECORD, page=b"", size=0, sha256=sha256(b"").hexdigest())
OWN = PAGE.within("0" * 32)
EGG = Request("GET", "https://index.example/simple/six-1.0.egg", "file", {}, sha256(b"egg").hexdigest())
NEXT_WEEK = RECORD.asked + 7 * 86400.0


def put_egg(store: Store) -> Record:
    blob = store.new_blob(EGG)
    blob.write(b"egg")
    blob.commit()
    stored = Record(EGG.url, EGG.url, {}, 10.0, 11.0, 1.0, 3, blob.sha256)
    assert store.put(EGG, stored)
    return stored


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return all files, with what is in them and when they were written."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def test_a_store_that_only_reads_changes_nothing(store: Store) -> None:
    absent = replace(PAGE, url="https://index.example/simple/none/")
    store.put(PAGE, RECORD)
    egg = put_egg(store)
    store.put_absence(absent, replace(MARKER, url=absent.url))
    for path in store.root.rglob("*"):
        os.utime(path, (1e9, 1e9))
    blob = store._shared.blob_path(egg.sha256)
    blob.write_bytes(b"EGG")
    damaged = replace(PAGE, url="https://index.example/simple/damaged/")
    store.put(damaged, replace(RECORD, url=damaged.url))
    store._shared.record_path(damaged, "html").write_bytes(b"cut")
    before = files(store.root)
    reading = Store(store.root, read_only=True)
    assert reading.get(PAGE) == RECORD
    assert reading.absence(absent)
    assert reading.open_blob(EGG, egg) is None
    assert reading.get(damaged) is None
    assert not reading.put(PAGE, replace(RECORD, asked=NEXT_WEEK))
    reading.put_absence(replace(PAGE, url=absent.url + "x/"), MARKER)
    reading.put_prohibition(PAGE, MARKER)
    reading.remove(PAGE, NEXT_WEEK)
    reading.bar(PAGE)
    reading.expire(store.record_name(PAGE, RECORD))
    assert files(store.root) == before


def test_a_store_that_only_reads_holds_pages_and_no_files_for_its_process(store: Store) -> None:
    egg = put_egg(store)
    reading = Store(store.root, read_only=True)
    absent = replace(PAGE, url="https://index.example/simple/none/")
    reading.put(PAGE, RECORD)
    reading.put(EGG, replace(egg, asked=NEXT_WEEK))
    reading.put_absence(absent, replace(MARKER, url=absent.url))
    reading.put_prohibition(PAGE, MARKER)
    assert reading.get(PAGE) == RECORD
    assert reading.get(EGG) == egg
    assert reading.absence(absent)
    assert reading.is_forbidden(PAGE)
    reading.bar(PAGE)
    assert reading.get(PAGE) is None


@pytest.mark.parametrize("change", ["remove", "bar"])
def test_a_file_is_removed_or_barred_as_a_page_is(store: Store, change: str) -> None:
    put_egg(store)
    if change == "remove":
        store.remove(EGG, NEXT_WEEK)
    else:
        store.bar(EGG)
    assert store.get(EGG) is None


def test_an_absence_that_is_looked_at_is_in_use(store: Store) -> None:
    store.put_absence(PAGE, MARKER)
    path = store._shared.record_path(PAGE, "absent")
    os.utime(path, (1e9, 1e9))
    assert store.absence(PAGE)
    assert path.stat().st_mtime > 1e9


def test_what_says_the_same_is_not_written_again_for_some_minutes(store: Store) -> None:
    def put(checked: float) -> dict[str, tuple[bytes, int]]:
        marker = replace(MARKER, asked=checked, checked=checked)
        store.put_absence(PAGE, marker)
        store.put_prohibition(PAGE, marker)
        return files(store.root / "records-v1")

    assert put(100.0) == put(200.0)
    assert len(put(100.0)) == 2
    assert put(200.0) != put(900.0)


def test_a_file_does_not_show_that_an_index_has_its_pages_stored(store: Store) -> None:
    store.put_prohibition(PAGE, MARKER)
    put_egg(store)
    assert store.is_forbidden(PAGE)
    store.put(PAGE, RECORD)
    assert not store.is_forbidden(PAGE)


@pytest.mark.parametrize(
    ("stored", "asked", "known"),
    [
        (None, 10.0, True),
        # another one has just got it, or it is listed still
        (RECORD, 11.0, False),
        (replace(MARKER, form="html"), 9.0, False),
        # an empty page that is older says nothing else
        (replace(MARKER, form="html"), 11.0, True),
    ],
)
def test_when_it_is_kept_that_a_page_is_absent(store: Store, stored: Record | None, asked: float, known: bool) -> None:
    if stored:
        store.put(PAGE, stored)
    store.put_absence(PAGE, replace(MARKER, asked=asked, checked=asked))
    assert (store.absence(PAGE) is not None) is known


@pytest.mark.posix("modes")
def test_a_private_page_expires_in_its_own_folder(store: Store) -> None:
    store.root.mkdir()
    store.root.chmod(0o2775)
    store.put(OWN, RECORD)
    name = store.record_name(OWN, RECORD)
    for _ in range(2):
        store.expire(name)
    assert store.get(OWN) == replace(RECORD, expired=True)
    assert (store.root / name).stat().st_mode & 0o777 == 0o600
    store.expire("records-v1/index.example/simple/gone/page.html.0")
    assert store.get(PAGE) is None


@pytest.mark.posix("modes")
def test_a_private_folder_that_is_open_to_others_is_not_used(store: Store) -> None:
    store.put(OWN, RECORD)
    assert store.scopes(PAGE) == {"0" * 32}
    store.private.folder.chmod(0o755)
    assert store.scopes(PAGE) == set()
    with pytest.raises(StoreUnavailable, match="does not belong to this user alone"):
        store.get(OWN)


def test_a_page_does_not_grow_as_a_file_does(store: Store) -> None:
    assert store.growing(PAGE) is None


def test_which_record_is_sound(store: Store) -> None:
    store.put(PAGE, RECORD)
    path = only_file(store.root / "records-v1")
    assert store_module.is_sound_record(path, store.root)
    path.write_bytes(path.read_bytes()[:-1])
    assert not store_module.is_sound_record(path, store.root)
    path.unlink()
    assert store_module.is_sound_record(path, store.root), "there is nothing wrong with it any more"
