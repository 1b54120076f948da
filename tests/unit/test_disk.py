"""Files of the cache folder: which are read, how they are written, and whose they are."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cachedindex.errors import StoreUnavailable
from cachedindex.store import blob, disk, new_file, system
from tests.conftest import SOURCE
from tests.stored import DAY, age


@pytest.mark.posix("FIFOs")
@pytest.mark.parametrize(
    "work",
    [
        lambda path: disk.read(path, path.parent),
        lambda path: blob.open_hashed(path, path.parent),
        lambda path: disk.append(path, b"line\n", path.parent),
    ],
    ids=["read", "blob", "append"],
)
def test_nobody_waits_at_a_fifo_in_the_place_of_a_file(tmp_path: Path, work: Callable[[Path], object]) -> None:
    path = tmp_path / "file"
    os.mkfifo(path)
    with pytest.raises(StoreUnavailable):
        work(path)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    assert disk.read(tmp_path / "file", tmp_path) == b"x" * 3_000_000
    assert disk.read(tmp_path / "other", tmp_path) is None


# -- what is written, and what is left of it ---------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left_open")
def test_nothing_stays_open(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        disk.read(tmp_path, tmp_path)
    new_file.publish(tmp_path / "a/page", b"page", tmp_path)
    disk.append(tmp_path / "a/log", b"line\n", tmp_path)
    assert disk.append_and_read(tmp_path / "a/log", b"line\n", tmp_path)[1] == b"line\nline\n"
    new_file.written(tmp_path / "a/page", b"more", tmp_path).abandon()
    disk.make_parents(tmp_path / "b/c")
    disk.look_anew(tmp_path / "a")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["log", "page"]
    assert (tmp_path / "a/page").read_bytes() == b"page"


def test_without_random_bytes_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def urandom(_: int) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/dev/urandom")

    monkeypatch.setattr(os, "urandom", urandom)
    with pytest.raises(StoreUnavailable, match="open files"):
        new_file.publish(tmp_path / "page", b"page", tmp_path)


def test_a_file_that_is_written_has_its_bytes_at_once_and_no_name(tmp_path: Path) -> None:
    new = new_file.NewFile(tmp_path / "page", tmp_path)
    new.write(b"half")  # A fork would have a copy of a buffer, and write it at its end.
    assert disk.read(tmp_path / "page", tmp_path) is None
    opened = new.reopened()
    assert bool(opened) is not system.IS_WINDOWS
    if opened:
        with opened:
            assert opened.read() == b"half"
    assert new.modified() == pytest.approx(only(tmp_path).stat().st_mtime)
    new.commit(tmp_path / "other/page")
    new.abandon()
    assert disk.read(tmp_path / "other/page", tmp_path) == b"half"


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


class Reluctant:
    """A file of a disk that takes three bytes at a time, and then no more."""

    def __init__(self, file: Any, takes: int) -> None:
        self.file = file
        self.takes = takes

    def write(self, data: memoryview) -> int:
        if not self.takes:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.takes -= 1
        return int(self.file.write(data[:3]))

    def close(self) -> None:
        self.file.close()
        if not self.takes:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")


@pytest.mark.usefixtures("nothing_left_open")
@pytest.mark.parametrize("takes", [10, 3, 2])
def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, takes: int) -> None:
    new = new_file.NewFile(tmp_path / "page", tmp_path)
    new._file = Reluctant(new._file, takes)  # type: ignore[assignment]
    if takes == 10:
        new.write(b"12345678")
        new.commit()
        assert only(tmp_path).read_bytes() == b"12345678"
        return
    with pytest.raises(StoreUnavailable):  # noqa: PT012 - either of them
        new.write(b"12345678")
        new.commit()
    assert list(tmp_path.iterdir()) == []


def test_a_fork_leaves_the_file_that_its_parent_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = new_file.written(tmp_path / "page", b"half", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        new.abandon()
    assert only(tmp_path).read_bytes() == b"half"
    new.abandon()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_removed_again_and_again_is_made_so_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, tries = disk.make_folder, []

    def removed(folder: Path, mode: Callable[[Path], int]) -> None:
        made(folder, mode)
        tries.append(folder.name)
        if len(tries) < 4:
            folder.rmdir()

    monkeypatch.setattr(disk, "make_folder", removed)
    with pytest.raises(StoreUnavailable):
        new_file.publish(tmp_path / "a/page", b"page", tmp_path)
    assert tries == ["a"] * 3
    new_file.publish(tmp_path / "a/page", b"page", tmp_path)
    assert disk.read(tmp_path / "a/page", tmp_path) == b"page"


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o700)
    before = (tmp_path / "a").stat().st_ino
    new_file.publish(tmp_path / "a/b/page", b"page", tmp_path)
    assert (tmp_path / "a").stat().st_ino == before


def test_a_root_that_is_removed_meanwhile_is_not_made_again(tmp_path: Path) -> None:
    """It would have no tag then, and belong to whoever was writing."""
    root = tmp_path / "cache"
    with pytest.raises(FileNotFoundError):
        disk.within(root / "a", root, tmp_path.stat(), (root / "a/page").read_bytes)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_moved_into_a_folder_that_is_missing(tmp_path: Path) -> None:
    new_file.publish(tmp_path / "page", b"page", tmp_path)
    disk.move(tmp_path / "page", tmp_path / "a/b/page", tmp_path)
    assert disk.read(tmp_path / "a/b/page", tmp_path) == b"page"
    with pytest.raises(StoreUnavailable):
        disk.move(tmp_path / "page", tmp_path / "other", tmp_path)


@pytest.mark.parametrize("name", ["page", "x" * 240])
def test_a_temporary_has_a_name_of_its_own_beside_the_file(tmp_path: Path, name: str) -> None:
    names = {disk.temporary(tmp_path / name) for _ in range(20)}
    assert len(names) == 20
    for path in names:
        path.touch()
    seen = [disk.growing(tmp_path / name)]
    assert disk.growing(tmp_path / f"another-{name}") == []
    assert disk.growing(tmp_path / "a/b") is None
    next(iter(names)).write_bytes(b"more")
    seen.append(disk.growing(tmp_path / name))
    assert seen[0] != seen[1]


# -- whose it is, and who may change it --------------------------------------------------------------------------------


@pytest.mark.posix("modes")
@pytest.mark.parametrize(
    ("root", "umask", "file", "folder"),
    [
        (0o700, 0o000, 0o600, 0o700),
        (0o2775, 0o077, 0o664, 0o2775),
        (0o2775, 0o002, 0o664, 0o2775),
        (0o755, 0o022, 0o644, 0o755),
        (0o750, 0o077, 0o640, 0o750),
        (0o3775, 0o022, 0o664, 0o2775),
        (0o600, 0o022, 0o600, 0o700),
    ],
    ids=oct,
)
def test_what_is_made_has_the_mode_of_the_root(tmp_path: Path, root: int, umask: int, file: int, folder: int) -> None:
    if root == 0o600 and os.geteuid() != 0:
        pytest.skip("SKIPPED FOR WANT OF ROOT, who alone can write there")
    tmp_path.chmod(root)
    before = os.umask(umask)
    try:
        new_file.publish(tmp_path / "a/page", b"page", tmp_path)
        disk.append(tmp_path / "b/log", b"line\n", tmp_path)
        os.close(disk.open_shared(tmp_path / "b/lock", os.O_RDWR, tmp_path, most=0o600))
    finally:
        os.umask(before)
    paths = {path: path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*")}
    assert {mode for path, mode in paths.items() if path.is_dir()} == {folder}
    assert paths.pop(tmp_path / "b/lock") == 0o600
    assert {mode for path, mode in paths.items() if path.is_file()} == {file}
    tmp_path.chmod(0o700)


@pytest.mark.posix("modes")
def test_a_file_that_has_bytes_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    (tmp_path / "log").write_bytes(b"line\n")
    (tmp_path / "log").chmod(0o600)
    disk.append(tmp_path / "log", b"line\n", tmp_path)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


USER, STRANGER = 54321, 54322


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """Return the cache folder of a user, in which root works."""
    if not system.is_root():
        pytest.skip("SKIPPED FOR WANT OF ROOT, who alone can give files away")
    (tmp_path / "cache").mkdir(mode=0o755)
    os.chown(tmp_path / "cache", USER, USER)
    return tmp_path / "cache"


@pytest.mark.usefixtures("nothing_left_open")
def test_what_root_makes_in_a_users_folder_belongs_to_the_user(users: Path) -> None:
    new_file.publish(users / "a/b/page", b"page", users)
    disk.append(users / "a/log", b"line\n", users)
    disk.make_parents(users / "c/d")
    assert {(path.stat().st_uid, path.stat().st_gid) for path in users.rglob("*")} == {(USER, USER)}
    assert len(list(users.rglob("*"))) == 6


def test_root_gives_no_file_away_that_was_there(users: Path) -> None:
    (users / "roots").write_bytes(b"line\n")
    (users.parent / "outside").touch()
    (users / "link").hardlink_to(users.parent / "outside")
    (users / "strangers").touch()
    os.chown(users / "strangers", STRANGER, STRANGER)
    for name, owner in (("roots", 0), ("link", 0), ("strangers", STRANGER)):
        disk.append(users / name, b"line\n", users)
        assert (users / name).stat().st_uid == owner


def test_what_root_makes_in_its_own_folder_keeps_its_group(users: Path) -> None:
    os.chown(users, 0, USER)
    new_file.publish(users / "a/page", b"page", users)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in users.rglob("*")} == {(0, 0)}


def test_a_folder_that_another_job_makes_meanwhile_is_used(tmp_path: Path) -> None:
    def meanwhile(new: Path) -> int:
        (tmp_path / "a/b").mkdir(parents=True)
        return new.stat().st_mode

    disk.make_folder(tmp_path / "a", meanwhile)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    (tmp_path / "file").touch()
    with pytest.raises((NotADirectoryError, FileExistsError)):
        disk.make_folder(tmp_path / "file", lambda _: 0o700)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "file"]


@pytest.mark.posix("modes")
def test_a_file_system_without_modes_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    tmp_path.chmod(0o2775)
    monkeypatch.setattr(Path, "chmod", refused)
    monkeypatch.setattr(os, "fchmod", refused)
    before = os.umask(0o002)
    try:
        new_file.publish(tmp_path / "a/page", b"page", tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / "a/page").stat().st_mode & 0o777 == 0o664, "as the umask leaves it"


@pytest.mark.posix("modes")
def test_which_folder_is_a_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "own")
    (tmp_path / "file").touch(mode=0o600)
    assert disk.is_own(tmp_path / "own")
    assert not any(disk.is_own(tmp_path / name) for name in ("link", "file", "none"))
    for mode in (0o701, 0o710, 0o740):
        (tmp_path / "own").chmod(mode)
        assert not disk.is_own(tmp_path / "own")
    (tmp_path / "own").chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: STRANGER)
    assert not disk.is_own(tmp_path / "own")
    monkeypatch.setattr(system, "HAS_USERS", False)
    assert disk.is_own(tmp_path / "own"), "Windows does not identify users by this"


# -- times, and what is said of a failure ------------------------------------------------------------------------------


def test_a_file_in_use_is_touched_once_an_hour(tmp_path: Path) -> None:
    path = tmp_path / "page"
    disk.touch(path)
    assert not path.exists()
    path.touch()
    for seconds, is_touched in ((3500, False), (3700, True), (-3500, False), (-3700, True)):
        age(path, path.stat().st_mtime - time.time() + seconds)
        before = path.stat().st_mtime
        disk.touch(path)
        assert (path.stat().st_mtime != before) is is_touched, seconds


def test_the_time_is_that_of_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_file.NewFile, "modified", lambda _: 5.0)
    assert new_file.now(tmp_path) == 5.0
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(time, "time", lambda: 7.0)
    assert new_file.now(tmp_path / "none") == 7.0, "the disk may be full"


def test_one_build_a_week_says_that_a_part_belongs_to_another_user(tmp_path: Path) -> None:
    denied = PermissionError(errno.EACCES, "Permission denied")
    stamp = tmp_path / "denied.stamp"
    for seconds, is_known in ((0, False), (6 * DAY, True), (2 * DAY, False), (0, True)):
        if stamp.exists():
            age(stamp, seconds)
        error = disk.unavailable("write to", tmp_path, denied)
        assert system.DENIED_BY in str(error)
        assert error.is_known is is_known


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError("something else"), "something else"),
    ],
)
def test_what_is_said_of_any_other_failure(tmp_path: Path, error: OSError, said: str) -> None:
    assert str(disk.unavailable("write to", tmp_path, error)) == f"cannot write to {tmp_path}: {said}"
    assert not disk.unavailable("write to", tmp_path, error).is_known


def test_a_folder_that_belongs_to_another_user_as_a_whole_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "may_write", lambda _: False)
    error = disk.unavailable("write to", tmp_path, PermissionError(errno.EACCES, "Permission denied"))
    assert str(error) == f"cannot write to {tmp_path}: Permission denied"


def test_what_has_a_name(tmp_path: Path) -> None:
    for name in ("b.pages", ".a.pages", "a.jsonl", "[x].pages"):
        (tmp_path / name).touch()
    assert [path.name for path in disk.named(tmp_path, ending=".pages")] == [".a.pages", "[x].pages", "b.pages"]
    assert disk.named(tmp_path, beginning="[x]") == [tmp_path / "[x].pages"]
    assert disk.named(tmp_path / "none") == []


def test_no_module_of_a_projects_own_is_imported_to_list_a_folder(tmp_path: Path) -> None:
    """On Python 3.15 `Path.glob` imports `glob` when it is first called."""
    (tmp_path / "glob.py").write_text("raise SystemExit('the project has its own')")
    code = (
        f"import sys; sys.path.append({str(SOURCE)!r}); from cachedindex.store import disk; from pathlib import Path\n"
    )
    words = [sys.executable, "-c", f"{code}print(len(disk.named(Path())))"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
