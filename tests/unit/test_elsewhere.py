"""The engine over two folders: a copy in the one that is also read is as good as one in the own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

from cachedindex.errors import UpstreamFailed
from cachedindex.lookup.cache import Cache
from cachedindex.lookup.elsewhere import Elsewhere
from cachedindex.lookup.upstream import Upstream
from cachedindex.model import Identity, Request
from cachedindex.options import Settings
from cachedindex.run.folder import RunFolder
from cachedindex.run.report import Report
from cachedindex.store import disk, health_log, others, probe, system
from cachedindex.store.store import Store
from tests.stored import HOUR, age
from tests.unit.test_cache import FILE_URL, GOOD, PAGE, WHEEL, World, page
from tests.values import replace

FILE = Request("GET", FILE_URL, "other", {})
NEWER = page({"url": FILE_URL, "filename": "six-1.0.whl", "hashes": {"sha256": sha256(WHEEL).hexdigest()}},
             {"url": "/six-2.0.whl", "filename": "six-2.0.whl"})  # fmt: skip


class Two:
    """An own folder, and one that another build has filled."""

    def __init__(self, folder: Path) -> None:
        self.other = World(folder / "other", Settings(timeout=30.0))
        self.own = World(folder / "own", Settings(timeout=30.0))
        self.own.reply = self.own.fail
        self.folders = [folder / "other"]
        self.join()

    def join(self, *, read_only: bool = False, run: RunFolder | None = None) -> None:
        """Have a new process use both."""
        own = self.own
        own.store = Store(own.store.root, read_only=read_only, is_alone=False)
        own.report = Report(own.said.append, run)
        clock = lambda: own.now  # noqa: E731
        upstream = Upstream(own.store, health_log.of_host(own.store.root, None), health_log.of_run(None), clock)
        elsewhere = Elsewhere(own.store, self.folders, own.report, clock)
        own.cache = Cache(own.store, upstream, own.settings, own.report, clock, elsewhere=elsewhere)

    def fill(self) -> None:
        """Have the other build get the page and the file that it promises."""
        self.other.get()
        self.other.reply = lambda: self.other.answer(WHEEL, content_length=str(len(WHEEL)))
        assert self.other.get(FILE) == (WHEEL, "miss")

    def pass_time(self, seconds: float) -> None:
        self.own.now += seconds
        self.other.now += seconds

    def tree(self) -> list[tuple[str, int, int]]:
        """Return all that shows whether the other folder has been changed."""
        found = sorted((self.folders[0], *self.folders[0].rglob("*")))
        return [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in found if path.exists()]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    two = Two(tmp_path)
    yield two
    two.own.over.set()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_fresh_copy_there_is_a_fresh_hit(two: Two, read_only: bool) -> None:
    two.fill()
    before = two.tree()
    two.join(read_only=read_only)
    assert two.own.get() == (GOOD, "hit")
    assert two.own.get(FILE) == (WHEEL, "hit")
    assert two.own.get(FILE) == (WHEEL, "hit")
    assert two.own.asked == []
    assert two.tree() == before
    assert two.own.store.root.exists() is not read_only


def test_what_was_found_there_is_stored_here(two: Two) -> None:
    two.fill()
    two.own.get()
    two.own.get(FILE)
    two.folders.clear()
    two.join()
    assert two.own.get() == (GOOD, "hit")
    assert two.own.get(FILE) == (WHEEL, "hit")


def test_an_expired_copy_is_revalidated_and_renewed_here(two: Two) -> None:
    two.other.reply = lambda: two.other.answer(GOOD, etag='"1"', cache_control="max-age=10")
    two.other.get()
    before = two.tree()
    two.pass_time(100)
    two.own.reply = lambda: two.own.answer(b"", 304, etag='"1"')
    assert two.own.get() == (GOOD, "revalidated")
    assert two.own.asked[-1][0] == {"if-none-match": '"1"'}
    assert two.tree() == before
    two.folders.clear()
    two.join()
    assert two.own.get() == (GOOD, "hit")


def test_in_an_outage_a_copy_there_stands_in(two: Two) -> None:
    two.fill()
    two.pass_time(10_000)
    assert two.own.get() == (GOOD, "stale")
    assert two.own.get(FILE) == (WHEEL, "hit")


@pytest.mark.parametrize("later", ["own", "other"])
def test_the_one_that_was_asked_for_later_is_used(two: Two, later: str) -> None:
    worlds = [two.own, two.other] if later == "other" else [two.other, two.own]
    for world, body in zip(worlds, (GOOD, NEWER), strict=True):
        world.reply = lambda world=world, body=body: world.answer(body)  # type: ignore[misc]
        two.folders[:] = []
        two.join()
        world.get()
        two.pass_time(100)
    two.folders[:] = [two.other.store.root]
    two.own.reply = two.own.fail
    two.join()
    assert two.own.get() == (NEWER, "stale")


def test_a_hit_here_looks_no_further(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    two.fill()
    two.own.get()
    two.own.get(FILE)
    two.join()
    monkeypatch.setattr(Elsewhere, "_each", lambda *_: pytest.fail("it looked further"))
    assert two.own.get() == (GOOD, "hit")
    assert two.own.get(FILE) == (WHEEL, "hit")


def test_what_is_barred_here_is_not_taken_from_there(two: Two) -> None:
    two.fill()
    two.own.get()
    two.own.store.bar(PAGE)
    two.join()
    with pytest.raises(UpstreamFailed):
        two.own.get()
    two.own.now += 10
    two.own.reply = lambda: two.own.answer(NEWER)
    assert two.own.get() == (NEWER, "miss")


def test_what_bars_here_is_in_use_as_long_as_it_is_asked_for(two: Two) -> None:
    two.fill()
    two.own.get()
    two.own.store.bar(PAGE)
    (path,) = (two.own.store.root / "records-v1").rglob("page.*")
    age(path, 2 * HOUR)
    before = path.stat().st_mtime
    two.join()
    with pytest.raises(UpstreamFailed):
        two.own.get()
    assert path.stat().st_mtime > before


def test_what_the_index_has_removed_does_not_come_back_from_there(two: Two) -> None:
    two.other.get()
    two.pass_time(100)
    two.own.reply = lambda: two.own.answer(b"", 404)
    for _ in range(2):
        two.own.get()
        two.pass_time(90_000)
    two.own.reply = two.own.fail
    two.join()
    with pytest.raises(UpstreamFailed):
        two.own.get()


def test_a_page_that_the_index_did_not_have_later_is_not_taken(two: Two) -> None:
    two.fill()
    two.pass_time(100)
    two.folders.clear()
    two.own.reply = lambda: two.own.answer(b"", 404)
    two.own.get()
    two.folders.append(two.other.store.root)
    two.own.reply = two.own.fail
    two.pass_time(100)
    two.join()
    assert two.own.get() == (b"", "absent")


def test_a_page_that_the_index_did_not_have_later_as_another_folder_knows_is_not_taken(
    two: Two, tmp_path: Path
) -> None:
    two.fill()
    two.pass_time(100)
    third = World(tmp_path / "third", Settings(timeout=30.0))
    third.now = two.own.now
    third.reply = lambda: third.answer(b"", 404)
    third.get()
    two.folders.append(third.store.root)
    two.pass_time(100)
    two.join()
    assert two.own.get() == (b"", "absent")


def test_that_an_index_did_not_have_a_page_is_known_from_there(two: Two) -> None:
    two.other.reply = lambda: two.other.answer(b"", 404)
    two.other.get()
    two.pass_time(100)
    assert two.own.get() == (b"", "absent")


def test_what_a_user_got_with_credentials_is_not_looked_for_there(two: Two) -> None:
    own = replace(PAGE, identity=Identity("user:secret"))
    two.other.get(own)
    with pytest.raises(UpstreamFailed):
        two.own.get(own)


def test_a_public_copy_there_answers_no_request_with_credentials(two: Two) -> None:
    two.fill()
    with pytest.raises(UpstreamFailed):
        two.own.get(replace(PAGE, identity=Identity("user:secret")))


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b"x", lambda _: b"", lambda _: b"\0"])
def test_what_is_damaged_there_is_a_miss_and_stays(two: Two, damage: Callable[[bytes], bytes]) -> None:
    two.fill()
    two.own.get()
    for path in (path for path in two.folders[0].rglob("*") if path.is_file()):
        path.write_bytes(damage(path.read_bytes()))
    before = two.tree()
    with pytest.raises(UpstreamFailed):
        two.own.get(FILE)
    assert two.tree() == before


def test_a_blob_that_is_lost_here_is_served_from_there(two: Two) -> None:
    two.fill()
    two.own.get()
    two.own.get(FILE)
    for path in (two.own.store.root / "blobs-v1").rglob("*/*"):
        path.unlink()
    two.join()
    assert two.own.get() == (GOOD, "hit")
    assert two.own.get(FILE) == (WHEEL, "hit")


def test_another_file_under_the_same_address_is_not_taken(two: Two) -> None:
    two.fill()
    two.folders.clear()
    two.own.reply = lambda: two.own.answer(GOOD.replace(sha256(WHEEL).hexdigest().encode(), b"0" * 64))
    two.own.now += 1
    two.own.get()
    two.folders.append(two.other.store.root)
    two.own.reply = two.own.fail
    with pytest.raises(UpstreamFailed):
        two.own.get(FILE)


@pytest.mark.posix("modes")
@pytest.mark.skipif(system.is_root(), reason="NOT TESTED AS ROOT: root may read everything")
def test_what_may_not_be_read_there_is_a_miss(two: Two) -> None:
    two.fill()
    for path in two.folders[0].rglob("*"):
        if path.is_file():
            path.chmod(0)
    with pytest.raises(UpstreamFailed):
        two.own.get()
    assert two.own.said == []


def test_an_error_of_reading_is_a_miss_that_leaves_no_mark(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    two.fill()
    before = two.tree()
    read = disk._read

    def refuse(path: Path, most: int) -> bytes:
        if two.folders[0] in path.parents:
            raise PermissionError(13, "Permission denied")
        return read(path, most)

    monkeypatch.setattr(disk, "_read", refuse)
    with pytest.raises(UpstreamFailed):
        two.own.get()
    assert two.tree() == before
    assert two.own.said == []


def test_a_folder_that_is_not_there_is_a_miss(two: Two, tmp_path: Path) -> None:
    two.folders[:] = [tmp_path / "none", tmp_path / "other"]
    two.fill()
    two.join()
    assert two.own.get() == (GOOD, "hit")
    assert two.own.said == []
    assert not (tmp_path / "none").exists()


def test_a_folder_that_does_not_answer_costs_one_process_of_a_run_its_bound(
    two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.fill()
    tried: list[Path] = []
    monkeypatch.setattr(probe, "is_readable", lambda folder: tried.append(folder) or False)
    (tmp_path / "run").mkdir()
    run = RunFolder(tmp_path / "run")
    for _ in range(2):
        two.join(run=run)
        with pytest.raises(UpstreamFailed):
            two.own.get()
    assert tried == two.folders
    assert two.own.said == [f"also-read: {two.folders[0]} does not answer; the build goes on without what lies there"]


def test_a_folder_that_ceases_to_answer_is_left_out(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    two.fill()
    assert two.own.get() == (GOOD, "hit")
    monkeypatch.setattr("cachedindex.lookup.elsewhere._LONG", -1.0)
    monkeypatch.setattr(probe, "is_readable", lambda _: False)
    assert two.own.get(FILE) == (WHEEL, "hit")
    monkeypatch.setattr(others.OtherFolder, "forms", lambda *_: pytest.fail("it was asked"))
    with pytest.raises(UpstreamFailed):
        two.own.get(replace(PAGE, url="https://index.example/simple/flask/"))


@pytest.mark.posix("modes")
def test_a_folder_whose_mode_is_not_clear_is_not_read(two: Two) -> None:
    two.fill()
    two.folders[0].chmod(0o777)
    with pytest.raises(UpstreamFailed):
        two.own.get()
    (line,) = two.own.said
    assert line.startswith("also-read: ")
    assert line.endswith("; the build goes on without what lies there")


def test_a_page_from_a_clock_that_is_ahead_does_not_replace_the_own(two: Two) -> None:
    two.other.now += 90_000
    two.other.reply = lambda: two.other.answer(NEWER)
    two.other.get()
    two.own.reply = lambda: two.own.answer(GOOD)
    two.folders.clear()
    two.own.get()
    two.folders.append(two.other.store.root)
    two.own.now += 100
    two.own.reply = two.own.fail
    two.join()
    assert two.own.get() == (GOOD, "stale")


def test_a_full_disk_here_does_not_keep_what_is_there_from_being_served(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.fill()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "within", refuse)
    assert two.own.get() == (GOOD, "hit")
    assert two.own.get(FILE) == (WHEEL, "hit")
    assert len(two.own.said) == 1
    assert "nothing is stored" in two.own.said[0]


def test_a_file_that_breaks_off_as_it_is_copied_costs_no_look_up(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    two.fill()
    two.own.get()
    opened = others.OtherFolder.open_blob
    broken = iter([Broken()])
    monkeypatch.setattr(others.OtherFolder, "open_blob", lambda *given: next(broken, None) or opened(*given))
    assert two.own.get(FILE) == (WHEEL, "hit")
    assert next(broken, None) is None
    assert list(two.own.store.root.rglob("*.tmp")) == []
