"""`cachedindex doctor`: what it finds wrong, what it says to do, what it mends."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cachedindex import sources
from cachedindex.commands import doctor as doctor_command
from cachedindex.options import Settings
from cachedindex.store.store import Store
from cachedindex.upkeep import inspection, mounts, verify
from cachedindex.upkeep.mounts import FileSystem
from tests.conftest import Ran, Run
from tests.stored import DAY, age, page, put, put_file, put_page
from tests.values import replace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    store = Store(tmp_path / "cache")
    put_page(store, "six")
    put_file(store, "six-1.0.whl", b"wheel")
    return store.root


@pytest.fixture
def doctor(run: Run) -> Callable[..., Ran]:
    return lambda *options, **variables: run(sys.executable, "-m", "cachedindex", "doctor", *options, **variables)


def wrong(ran: Ran) -> list[str]:
    return [line.removeprefix("WRONG  ") for line in ran.out.splitlines() if line.startswith("WRONG")]


def test_nothing_is_wrong(doctor: Callable[..., Ran], root: Path) -> None:
    ran = doctor("--max-size", "1 GB", "--timeout", "5", CACHEDINDEX_MAX_IDLE="unlimited")
    assert (ran.code, ran.err, wrong(ran)) == (0, "", [])
    assert f"the cache folder is {root}" in ran.out
    assert "3 records and blobs are sound" in ran.out
    assert "locks work" in ran.out
    assert "the folder's clock is this host's" in ran.out
    assert "timeout = 5 s  (command line)" in ran.out
    assert "max-size = 1.0 GB  (command line)" in ran.out
    assert "max-idle = unlimited  (environment)" in ran.out
    assert "stale-if-error = 30 d  (default)" in ran.out


def test_settings_tell_the_file_that_they_came_from(doctor: Callable[..., Ran], tmp_path: Path, root: Path) -> None:
    file = tmp_path / "node.cfg"
    index = "[cachedindex:a]\nurl = https://a.example/\ntimeout = 9\n"
    file.write_text(f"[cachedindex]\nindex-ttl = 5 min\nrefresh = six\nttl = 3\n{index}")
    ran = doctor(CACHEDINDEX_CONFIG=str(file))
    assert f"index-ttl = 5 min  ({file})" in ran.out
    assert f"refresh = six  ({file})" in ran.out
    assert "timeout = 9 s  (for https://a.example/)" in ran.out
    (line,) = wrong(ran)
    assert line.startswith(f"{file}: ttl: there is no such option")


def test_a_folder_that_is_not_there_yet(doctor: Callable[..., Ran], tmp_path: Path) -> None:
    assert doctor().code == 0
    (tmp_path / "cache").write_text("in the way")
    assert doctor().code == 1


def test_a_wrong_option_is_a_usage_error(doctor: Callable[..., Ran]) -> None:
    assert doctor("--timeout", "soon").code == 2


@pytest.mark.posix("modes")
def test_a_refused_folder(doctor: Callable[..., Ran], root: Path) -> None:
    root.chmod(0o1777)
    ran = doctor()
    assert ran.code == 1
    assert "sticky bit" in wrong(ran)[0]
    assert "install -d -m 2775" in wrong(ran)[0]


def test_what_is_not_ours_is_left_alone(doctor: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/mine").write_text("mine")
    ran = doctor("--repair")
    assert ran.code == 1
    assert "cache holds files of another program" in wrong(ran)[0]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["mine"]


@pytest.mark.posix("modes")
def test_damage_strays_and_modes_are_found_and_mended(doctor: Callable[..., Ran], root: Path) -> None:
    root.chmod(0o2775)
    store = Store(root)
    shut = put_page(store, "shut")
    shut.chmod(0o600)
    shut.parent.chmod(0o700)
    put_page(store, "damaged").write_bytes(b"")
    _, blob = put_file(store, "damaged-1.0.whl", b"damaged")
    blob.write_bytes(b"x")
    stray = root / "records-v1/.x.1.ab.tmp"
    stray.write_bytes(b"x")
    age(stray, DAY)

    ran = doctor()
    assert ran.code == 1
    said = "\n".join(wrong(ran))
    assert "1 strays" in said
    assert "shut out users of the folder" in said
    assert f"{blob} is damaged" in said

    ran = doctor("--repair")
    assert (ran.code, wrong(ran)) == (0, [])
    assert not stray.exists()
    assert stat.S_IMODE(shut.stat().st_mode) == 0o664
    assert stat.S_IMODE(shut.parent.stat().st_mode) == 0o2775
    assert len(list((root / "quarantine-v1").iterdir())) == 2
    assert store.get(page("six")) is not None
    ran = doctor()
    assert ran.code == 0, ran.out


@pytest.mark.posix("links that everybody may make")
def test_no_mode_is_mended_through_a_link(tmp_path: Path) -> None:
    """Somebody may put one in the place of a file between two looks at it."""
    theirs, link = tmp_path / "theirs", tmp_path / "link"
    theirs.touch(mode=0o600)
    link.symlink_to(theirs)
    with pytest.raises(OSError, match="symbolic links"):
        verify._raise(link, 0o666)
    assert theirs.stat().st_mode & 0o777 == 0o600


def test_a_read_only_folder_is_only_looked_at(doctor: Callable[..., Ran], root: Path) -> None:
    put_page(Store(root), "damaged").write_bytes(b"")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    ran = doctor("--read-only", "--repair")
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert "is damaged" in wrong(ran)[0]


@pytest.mark.linux("/proc/self/mountinfo")
@pytest.mark.parametrize("kind", ["nfs4", "cifs"])
def test_locks_on_a_network_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    (tmp_path / "local").mkdir()
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 8:1 / / rw shared:1 - ext4 /dev/sda rw\n"
        f"23 22 0:30 / {str(tmp_path).replace('/t', chr(92) + '057t')} rw - {kind} server:/x rw\n"
        f"24 22 0:31 / {tmp_path}/local rw - tmpfs tmpfs rw\n"
    )
    monkeypatch.setattr(mounts, "_MOUNTINFO", table)
    first, _ = inspection.ground(tmp_path, tmp_path, 1.0)
    assert f"network mount ({kind})" in first.says
    assert "lock-dir" in first.advice
    first, _ = inspection.ground(tmp_path, tmp_path / "local", 1.0)
    assert first.advice == ""
    assert mounts.file_system(Path("/")).kind == "ext4"
    monkeypatch.setattr(mounts, "_MOUNTINFO", tmp_path / "none")
    assert mounts.file_system(tmp_path).kind == "unknown"


@pytest.mark.parametrize(
    ("system", "limit", "advice"),
    [
        (FileSystem("ext4", 10**12, 10**6), 1e10, ""),
        (FileSystem("btrfs", 10**12, None), 1e10, ""),
        (FileSystem("ext4", 10**6, 10**6), 1e5, "make room"),
        (FileSystem("ext4", 10**12, 0), 1e10, "make room"),
        (FileSystem("ext4", 10**9, 10**6), 1e10, "lower max-size"),
        (FileSystem("ext4", 10**9, 10**6), float("inf"), ""),
    ],
)
def test_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: FileSystem, limit: float, advice: str) -> None:
    monkeypatch.setattr(mounts, "file_system", lambda _: system)
    *_, last = inspection.ground(tmp_path, tmp_path, limit)
    assert advice in last.advice
    assert bool(last.advice) == bool(advice)


def test_a_clock_that_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 600)
    found = inspection.clock(tmp_path)
    assert "s behind this host's" in found.says
    assert found.advice


def test_locks_that_do_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inspection.locking(tmp_path).advice == ""
    assert list((tmp_path / "locks-v1").iterdir()) == []
    monkeypatch.setattr("cachedindex.store.system.lock", lambda _: True)
    assert "do not work" in inspection.locking(tmp_path).says


@pytest.mark.linux("extended attributes")
def test_an_access_list_without_a_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def getxattr(_: Path, name: str) -> bytes:
        if name.endswith("access"):
            return b"x"
        raise OSError(61, "no data")

    monkeypatch.setattr(os, "getxattr", getxattr)
    assert any("setfacl -d" in found.advice for found in inspection.permissions(tmp_path, read_only=False))


LONG = "leaves too few for files in it"
"""Part of what is said of a path that is too long for Windows, as that of a test is."""


def notes(ran: Ran) -> list[str]:
    return [line for line in ran.out.splitlines() if line.startswith("note") and LONG not in line]


@pytest.mark.parametrize(("number", "noted"), [(4, 0), (5, 1)])
def test_a_page_for_many_tokens_is_a_reason_to_share(
    doctor: Callable[..., Ran], root: Path, number: int, noted: int
) -> None:
    store = Store(root)
    for token in range(number):
        for name in ("six", "flask"):
            put(store, page(name).within(store.private.scope(str(token))))
    ran = doctor()
    assert ran.code == 0, ran.out
    assert len(notes(ran)) == noted
    assert all("set share = user for this index" in line and "/simple/" in line for line in notes(ran))


@pytest.mark.parametrize(
    ("path", "noted"),
    [
        ("simple", 0),
        ("nightly/torch-2.0/simple", 0),
        ("0123456789abcdef0123456789abcdef01234567/simple", 0),  # a commit
        ("a1B2c3D4e5F6g7H8/org/repo/python/simple", 1),
        pytest.param(
            "priv/0123456789abcdef0123456789abcdef0123456789abcdef/user/repo/pypi/simple",
            1,
            marks=pytest.mark.posix("folders with such long names, by which it is seen"),
        ),
        ("api/glpat-abcdefghijklmnop/simple", 1),
    ],
)
def test_a_token_in_a_path_is_a_reason_to_keep_it_private(
    doctor: Callable[..., Ran], root: Path, path: str, noted: int
) -> None:
    put(Store(root), replace(page("six"), url=f"https://index.example/{path}/six/"))
    ran = doctor()
    assert ran.code == 0, ran.out
    assert len(notes(ran)) == noted
    assert all("set private = true" in line and "***" in line for line in notes(ran))
    assert noted == 0 or not any(len(segment) > 12 and segment in ran.out for segment in path.split("/"))


def test_options_are_shown_as_they_are_written(doctor: Callable[..., Ran], tmp_path: Path, root: Path) -> None:
    file = tmp_path / "node.cfg"
    file.write_text("[cachedindex:a]\nurl = https://a.example/token/\nprivate = yes\nshare = user\n")
    ran = doctor("--share", "yes", CACHEDINDEX_CONFIG=str(file))
    assert "share = true  (command line)" in ran.out
    assert "private = auto  (default)" in ran.out
    assert "private = true  (for https://a.example/***)" in ran.out


def test_what_doctor_and_an_outage_leave_is_ours(doctor: Callable[..., Ran], run: Run, tmp_path: Path) -> None:
    root = tmp_path / "cache"
    root.mkdir()
    (root / "lost+found").mkdir()
    assert doctor().code == 0
    assert (root / "locks-v1").is_dir()
    assert doctor().code == 0, "what it left itself"
    (root / "health-v1/host").mkdir(parents=True)
    ran = doctor()
    assert (ran.code, wrong(ran)) == (0, [])
    assert run(sys.executable, "-m", "cachedindex", "gc").code == 0


def test_a_user_or_a_mount_that_only_reads(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cachedindex.store.folder.may_write", lambda _: False)
    monkeypatch.setattr(mounts, "file_system", lambda _: FileSystem("squashfs", 0, 0))
    found = list(doctor_command._findings(sources.Loaded(Settings(cache_dir=str(root))), {}, repair=True))
    assert [finding.says for finding in found if finding.advice and LONG not in finding.says] == []
    assert "reads only: this user stores nothing" in [finding.says for finding in found]


@pytest.mark.posix("modes")
def test_what_is_in_the_way_is_named(doctor: Callable[..., Ran], tmp_path: Path, root: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (line,) = wrong(doctor("--cache-dir", str(tmp_path / "file/cache")))
    assert line.startswith(f"{tmp_path / 'file'} is no folder")
    lines = wrong(doctor("--lock-dir", str(tmp_path / "file")))
    assert lines[0].startswith(f"lock-dir is {tmp_path / 'file'}, which is no folder")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    lines = wrong(doctor("--lock-dir", str(tmp_path / "open")))
    assert f"lock-dir: {tmp_path / 'open'} is not used" in lines[0]


def test_a_section_that_is_misspelt(doctor: Callable[..., Ran], run: Run, tmp_path: Path, root: Path) -> None:
    file = tmp_path / "home/.config/cachedindex.cfg"
    file.parent.mkdir(parents=True)
    file.write_text("[cachedindx]\ntimeout = 5\n")
    ran = doctor()
    assert wrong(ran) == [f"{file}: [cachedindx]: did you mean [cachedindex]?: it is ignored; correct it there"]
    file.write_text("[cachedindex]\n[cached-index:company]\nurl = https://index.example/\n[other]\n")
    ran = run(sys.executable, "-m", "cachedindex", "run", "--", "true")
    assert ran.ours == [f"cachedindex: {file}: [cached-index:company]: did you mean [cachedindex:company]? (ignored)"]
