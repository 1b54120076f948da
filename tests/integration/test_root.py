"""Root in a user's folder: what it makes there belongs to the user, whose builds can replace it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Event, Record, Request
from cachedindex.store import folder, health_log, private
from cachedindex.store.locks import FOLDER, Locks
from cachedindex.store.store import RECORDS, Store
from cachedindex.upkeep import verify

pytestmark = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="SKIPPED FOR WANT OF ROOT")

USER = 12345
PAGE = Request("GET", "https://index.example/simple/six/", "page")
FAILURE = Event("failed", 1.0, PAGE.url, "no answer within 3 s")


@pytest.fixture
def home() -> Iterator[Path]:
    """Give the home of another user, in a place that this user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="cachedindex-home-"))
    os.chown(folder, USER, USER)
    yield folder
    shutil.rmtree(folder)


def as_user(work: Callable[[], object]) -> None:
    """Call a function as the user, in a process of its own."""
    if (child := os.fork()) == 0:
        code = 1
        try:
            os.setgid(USER)
            os.setgroups([])
            os.setuid(USER)
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def page(text: bytes, asked: float) -> Record:
    return Record(PAGE.url, PAGE.url, {}, asked, asked, 0.1, len(text), sha256(text).hexdigest(), text, "html")


def test_what_root_makes_in_a_users_folder_is_the_users(home: Path) -> None:
    root = home / ".cache/cachedindex"
    store = Store(root)
    store.put(PAGE, page(b"roots", 1.0))
    blob = store.new_blob(PAGE)
    blob.write(b"bytes")
    blob.commit()
    lock = Locks(root / FOLDER, root).try_lock("page")
    assert lock
    lock.release()
    health_log.of_host(root, None).append("index", FAILURE)
    store.private.secure()
    own = root / private.FOLDER / "0"
    made = [path for path in home.rglob("*") if path != own and own not in path.parents]
    assert {path.lstat().st_uid for path in made} == {USER}
    assert {path.stat().st_uid for path in (own, *own.rglob("*"))} == {0}, "what root got with credentials is root's"
    as_user(lambda: Store(root).put(PAGE, page(b"the users", 2.0)))
    assert store.get(PAGE).page == b"the users"  # type: ignore[union-attr]


def test_a_file_of_roots_that_was_moved_there_stays_roots(home: Path) -> None:
    """The user could have a hard link to it, or have put it there."""
    root = home / "cache"
    Store(root).put(PAGE, page(b"roots", 1.0))
    log = root / health_log.FOLDER / "host"
    log.mkdir(parents=True)
    (log / "one").touch()
    os.link(log / "one", log / "index")
    health_log.HealthLog((root, f"{health_log.FOLDER}/host")).append("index", FAILURE)
    assert (log / "one").stat().st_uid == 0


def test_a_part_that_cannot_be_written_is_said_by_one_build_and_named_by_doctor(home: Path) -> None:
    root = home / "cache"
    Store(root).put(PAGE, page(b"roots", 1.0))
    closed = root / RECORDS / "index.example/simple/six"
    os.chown(closed, 0, 0)

    def build(*, known: bool) -> Callable[[], None]:
        def put() -> None:
            with pytest.raises(StoreUnavailable, match="doctor` names it") as raised:
                Store(root).put(PAGE, page(b"the users", 2.0))
            assert raised.value.is_known is known

        return put

    as_user(build(known=False))
    as_user(build(known=True))

    def examine() -> None:
        found = verify.denied(root, root)
        assert str(closed) in found.says
        assert f"chown -R --no-dereference {USER} {closed}" in found.advice

    as_user(examine)
    subprocess.run(["chown", "-R", "--no-dereference", str(USER), str(closed)], check=True)
    as_user(lambda: Store(root).put(PAGE, page(b"the users", 2.0)))
    assert stat.S_IMODE(root.stat().st_mode) == 0o755


@pytest.mark.parametrize("made", ["open/cache", "open"])
def test_a_folder_that_another_user_made_first_is_refused(tmp_path: Path, made: str) -> None:
    place = tmp_path / "sticky"
    root = place / "open/cache"
    root.mkdir(parents=True)
    place.chmod(0o1777)
    assert folder.refusal(root) is None
    os.chown(place / made, 4321, 4321)
    refused = folder.refusal(root)
    assert refused is not None
    assert "belongs to user 4321" in str(refused)
    place.chmod(0o755)
    tmp_is_open = any(above.stat().st_mode & 0o002 for above in place.parents)
    assert (folder.refusal(root) is None) is not tmp_is_open
