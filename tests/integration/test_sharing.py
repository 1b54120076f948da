"""Who may do what with the cache folder: its mode, other users, read-only folders, a folder for locks elsewhere."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cachedindex import sources
from cachedindex.model import Event
from cachedindex.options import Settings
from cachedindex.process import Process, join
from cachedindex.store import folder, health_log
from cachedindex.store.store import Store
from tests.conftest import SOURCE, Ran
from tests.stored import age, page, put_page

CACHEDINDEX = (sys.executable, "-m", "cachedindex")


@pytest.fixture
def assembled() -> Callable[..., tuple[Process, list[str]]]:
    def assembled(root: Path, **options: object) -> tuple[Process, list[str]]:
        said: list[str] = []
        return join(object(), sources.Loaded(Settings(cache_dir=str(root), **options)), say=said.append), said  # type: ignore[arg-type]

    return assembled


@pytest.mark.parametrize("mode", [0o1777, 0o3775, 0o777, 0o2777])
def test_a_folder_that_does_not_say_who_may_write_is_refused(
    assembled: Callable[..., tuple[Process, list[str]]], tmp_path: Path, mode: int
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    process, (said,) = assembled(tmp_path / "cache")
    assert process.cache is None
    assert f"{tmp_path / 'cache'} is not used: " in said
    assert said.endswith("the build continues without the cache")
    process, (said,) = assembled(tmp_path / "other", lock_dir=str(tmp_path / "cache"))
    assert process.cache is None


@pytest.mark.parametrize("mode", [0o2775, 0o755, 0o700])
def test_a_folder_that_does_is_used(
    assembled: Callable[..., tuple[Process, list[str]]], tmp_path: Path, mode: int
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    process, said = assembled(tmp_path / "cache")
    assert process.cache is not None
    assert said == []


def test_a_private_group_may_write() -> None:
    """As where a umask of 002 is the rule: the group has the owner's name, and nobody else in it."""
    assert folder._is_private(0, 0)
    assert not folder._is_private(0, 12345)
    assert not folder._is_private(12345, 12345)


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o027, 0o077])
def test_a_folder_that_we_make_is_never_refused(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        put_page(Store(tmp_path / "a/cache"), "six")
    finally:
        os.umask(before)
    mode = stat.S_IMODE((tmp_path / "a/cache").stat().st_mode)
    assert mode & 0o022 == 0
    assert mode & 0o700 == 0o700
    assert folder.refusal(tmp_path / "a/cache") is None


def test_a_folder_below_a_groups_folder_is_the_groups_where_the_umask_lets_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    before = os.umask(0o002)
    try:
        put_page(Store(tmp_path / "cache"), "six")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o2775


def test_nobody_sees_a_folder_before_it_has_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o2775)
    renamed, modes = os.rename, []

    def seen(path: Path, target: Path) -> None:
        assert not target.exists()
        modes.append(stat.S_IMODE(path.stat().st_mode))
        renamed(path, target)

    monkeypatch.setattr(os, "rename", seen)
    put_page(Store(tmp_path / "cache"), "six")
    assert set(modes) == {0o2775}
    assert len(modes) == 4


def test_a_read_only_cache_serves_and_writes_nothing(
    assembled: Callable[..., tuple[Process, list[str]]], tmp_path: Path
) -> None:
    path = put_page(Store(tmp_path / "cache"), "six")
    age(path, 86_400)
    (tmp_path / "cache/records-v1/damaged").write_bytes(b"")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*")}
    store = Store(tmp_path / "cache", read_only=True)
    log = health_log.of_host(tmp_path / "cache", None, read_only=True)
    record = store.get(page("six"))
    assert record is not None
    assert not store.put(page("flask"), record)
    log.append("index", Event("failed", 100.0, "a", "one"))
    assert [event.at for event in log.events("index")] == [100.0]
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*")} == before
    process, said = assembled(tmp_path / "cache", read_only=True)
    assert process.cache is not None
    assert said == []


def test_a_read_only_store_holds_a_page_for_its_own_process(tmp_path: Path) -> None:
    put_page(Store(tmp_path / "other"), "six")
    record = Store(tmp_path / "other").get(page("six"))
    assert record is not None
    store = Store(tmp_path / "cache", read_only=True)
    store.put(page("six"), record)
    assert store.get(page("six")) == record
    assert not (tmp_path / "cache").exists()


def test_locks_and_health_may_be_elsewhere(run: Callable[..., object], tmp_path: Path) -> None:
    put_page(Store(tmp_path / "cache"), "six")
    code = """
from cachedindex.process import join
from cachedindex.errors import UpstreamFailed
from cachedindex.model import Request
page = Request("GET", "https://index.example/simple/six/", "page")
join("test").cache._upstream.origin(page).failed(UpstreamFailed("gone"))
"""
    command = ("run", "--lock-dir", "locks", "--", sys.executable, "-c", code)
    run(*CACHEDINDEX, *command)
    run(*CACHEDINDEX, "gc", CACHEDINDEX_LOCK_DIR=str(tmp_path / "locks"))
    assert sorted(path.name for path in (tmp_path / "locks").iterdir()) == ["health-v1", "locks-v1"]
    assert not (tmp_path / "cache/health-v1").exists()
    assert not (tmp_path / "cache/locks-v1").exists()


@pytest.mark.posix("what Windows lacks")
def test_a_system_without_modes_users_and_flock(run: Callable[..., Ran]) -> None:
    """What Windows lacks, so that nobody has to try it there."""
    code = """
import os, sys
for name in ("getuid", "geteuid", "fchmod", "getxattr", "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK"):
    delattr(os, name)
for name in ("fcntl", "pwd", "grp"):
    sys.modules[name] = None
os.supports_dir_fd.clear()
os.supports_fd.clear()

class Entry:
    # What Windows lists of a file has neither its device nor its number.
    def __init__(self, entry):
        self.entry = entry
    def __getattr__(self, name):
        return getattr(self.entry, name)
    def __fspath__(self):
        return self.entry.path
    def stat(self, **options):
        status = self.entry.stat(**options)
        exact = {name: getattr(status, name) for name in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")}
        return os.stat_result((status[0], 0, 0, 0, *status[4:]), exact)

class Entries:
    def __init__(self, path="."):
        self.entries = scandir(path)
    def __iter__(self):
        return map(Entry, self.entries)
    def __next__(self):
        return Entry(next(self.entries))
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.entries.close()

scandir, os.scandir = os.scandir, Entries
from pathlib import Path
from cachedindex import __main__
from cachedindex.run.folder import RunFolder
from cachedindex.store.store import Store
from tests.stored import page, put_file, put_page
root = Path(os.environ["CACHEDINDEX_CACHE_DIR"])
put_page(Store(root), "six")
put_file(Store(root), "six", b"wheel")
print(Store(root).get(page("six")) is not None)
RunFolder.begin().remove_folder()
print(__main__.main(["doctor"]), __main__.main(["gc", "--max-size", "1"]))
"""
    ran = run(sys.executable, "-c", code, PYTHONPATH=str(SOURCE.parent))
    assert (ran.code, ran.err) == (0, "")
    first, *_, last = ran.out.splitlines()
    assert first == "True"
    assert "removed 3 files" in ran.out
    assert last == "1 0"  # The doctor says that locks do not work.


@pytest.fixture
def as_user() -> Iterator[Callable[..., Ran]]:
    """Give a function that runs Python code as a user of its own, in the group 7000 or not; `ROOT` is shared."""
    python = shutil.which("python3", path="/usr/bin")
    if not (shutil.which("setpriv") and python and hasattr(os, "geteuid") and os.geteuid() == 0):
        pytest.skip("SKIPPED FOR WANT OF ROOT: only root can become several users")
    if subprocess.run([python, "-c", "import sys; sys.exit(sys.version_info < (3, 10))"], check=False).returncode:
        pytest.skip(f"SKIPPED: {python}, which every user may run, is older than 3.10")
    # Not below tmp_path, which only its owner may enter.
    top = Path(tempfile.mkdtemp(prefix="cachedindex-test-"))
    top.chmod(0o755)
    shutil.copytree(SOURCE / "cachedindex", top / "cachedindex", ignore=shutil.ignore_patterns("__pycache__"))
    (top / "tests").mkdir()
    for name in ("stored.py", "values.py"):
        shutil.copy(SOURCE.parent / "tests" / name, top / "tests")
    root = top / "cache"
    root.mkdir()
    os.chown(root, 0, 7000)
    root.chmod(0o2775)

    def as_user(user: int, code: str, *, member: bool = True, umask: int = 0o022) -> Ran:
        groups = "7000" if member else "7999"
        start = f"import os; os.umask({umask}); from pathlib import Path; ROOT = Path({str(root)!r})\n{_IMPORTS}"
        ids = [f"--reuid={user}", f"--regid={user}", f"--groups={groups}"]
        environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(top), "CACHEDINDEX_CACHE_DIR": str(root)}
        command = ["setpriv", *ids, python, "-B", "-c", start + code]
        ran = subprocess.run(command, env=environ, cwd="/", capture_output=True, text=True, check=False)
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    yield as_user
    shutil.rmtree(top)


_IMPORTS = """
from cachedindex import __main__
from cachedindex.process import join
from cachedindex.errors import StoreUnavailable
from cachedindex.store.store import Store
from tests.stored import *
"""


_TOUCH = """
import time
store, real = Store(ROOT), time.time
path = record_path(store, page("flask"), "html")
before = path.stat().st_mtime
time.time = lambda: real() + 7200
store.get(page("flask"))
print(path.stat().st_mtime > before)
"""
_READ = """
store = join("test").store
print(store.read_only, store.get(page("six")) is not None)
"""


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_several_users_share_one_folder(as_user: Callable[..., Ran], umask: int) -> None:
    first, second, stranger = 7001, 7002, 7003
    steps = [
        (first, "put_page(Store(ROOT), 'six'); put_file(Store(ROOT), 'six', b'wheel'); print('stored')"),
        (second, "print(Store(ROOT).get(page('six')) is not None)"),
        (second, "put_page(Store(ROOT), 'six', b'newer'); print(Store(ROOT).get(page('six')).page)"),
        (first, "put_page(Store(ROOT), 'flask'); put_file(Store(ROOT), 'six', b'wheel'); print('stored')"),
        # A record that another owns is touched and evicted, and its damage set aside.
        (second, _TOUCH),
        (first, "record_path(Store(ROOT), page('flask'), 'html').write_bytes(b'')"),
        (first, "print(Store(ROOT).get(page('flask')))"),
        (second, "print(__main__.main(['gc', '--max-size', '1']), __main__.main(['doctor']))"),
    ]  # fmt: skip
    ran = [as_user(user, code, umask=umask) for user, code in steps]
    assert not any(one.err for one in ran), ran
    said = [one.out.strip() for one in ran]
    assert said[:7] == ["stored", "True", "b'newer'", "stored", "True", "", "None"]
    assert said[7].startswith("removed 3 files")
    assert said[7].endswith("0 0"), said[7]
    as_user(first, steps[0][1], umask=umask)
    assert as_user(stranger, _READ, member=False, umask=umask) == Ran(0, "True True\n", "")


def test_a_default_list_lets_a_group_in_whatever_the_umask(as_user: Callable[..., Ran]) -> None:
    root = Path(as_user(7001, "print(ROOT)").out.strip())
    root.chmod(0o755)
    os.chown(root, 0, 0)
    for kind in ("access", "default"):
        try:
            os.setxattr(root, f"system.posix_acl_{kind}", _acl(7000))
        except OSError as error:
            pytest.skip(f"SKIPPED FOR WANT OF ACCESS LISTS: {root}: {error.strerror}")
    assert stat.S_IMODE(root.stat().st_mode) == 0o775
    for user in (7001, 7002):
        code = "assert join('test').cache; put_page(Store(ROOT), 'six', str(os.getuid()).encode())"
        ran = as_user(user, code, umask=0o077)
        assert (ran.code, ran.err) == (0, "")


def _acl(group: int) -> bytes:
    """Return an access list for one more group, as Linux keeps it (linux/posix_acl_xattr.h)."""
    nobody = 0xFFFFFFFF
    entries = [(0x01, 7, nobody), (0x04, 5, nobody), (0x08, 7, group), (0x10, 7, nobody), (0x20, 5, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
