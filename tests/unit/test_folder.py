from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from cachedindex.store import folder, system


@pytest.mark.posix("modes")
@pytest.mark.parametrize(
    ("mode", "acl", "private", "refused"),
    [
        (0o700, False, False, False),
        (0o2775, False, False, False),
        (0o775, False, False, True),
        (0o775, True, False, False),
        (0o775, False, True, False),
        (0o777, True, True, True),
    ],
)
def test_which_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, acl: bool, private: bool, refused: bool
) -> None:
    monkeypatch.setattr(folder, "has_acl", lambda _: acl)
    monkeypatch.setattr(folder, "_is_private", lambda *_: private)
    root = tmp_path / "cache"
    assert folder.refusal(root) is None, "it is not there yet"
    root.mkdir()
    root.chmod(mode)
    assert (folder.refusal(root) is not None) is refused


@pytest.mark.posix("groups with numbers")
@pytest.mark.parametrize(
    ("name", "members", "group", "private"),
    [
        ("julia", [], 7, True),
        ("julia", ["julia"], 7, True),
        ("julia", ["julia", "eve"], 7, False),
        ("staff", [], 7, False),
        ("julia", [], 8, False),
    ],
)
def test_which_group_holds_its_user_alone(
    monkeypatch: pytest.MonkeyPatch, name: str, members: list[str], group: int, private: bool
) -> None:
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_gid=7, pw_name="julia"))
    monkeypatch.setattr("grp.getgrgid", lambda _: SimpleNamespace(gr_name=name, gr_mem=members))
    assert folder._is_private(5, group) is private


@pytest.mark.posix("users with numbers")
def test_a_user_without_a_name_has_no_group_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert not folder._is_private(5, 7)


def test_a_folder_is_ours_by_its_tag(tmp_path: Path) -> None:
    assert not folder.is_ours(tmp_path)
    (tmp_path / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n# Made by another program")
    assert not folder.is_ours(tmp_path)
    folder.make_tagged(tmp_path / "cache")
    assert folder.is_ours(tmp_path / "cache")
    assert (tmp_path / "cache/README").is_file()


@pytest.mark.skipif(not hasattr(os, "getxattr"), reason="SKIPPED FOR WANT OF GETXATTR, which Linux alone has")
@pytest.mark.parametrize(("text", "has"), [(b"\x02\x00", True), (b"", False), (None, False)])
def test_whether_there_is_an_access_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes | None, has: bool
) -> None:
    def attribute(*_: object) -> bytes:
        if text is None:
            raise OSError
        return text

    monkeypatch.setattr(os, "getxattr", attribute)
    assert folder.has_acl(tmp_path) is has


MINE, OTHERS, ROOTS = (1000, 1000, 0o755), (666, 666, 0o755), (0, 0, 0o755)
EVERYBODYS, GROUPS = (0, 0, 0o1777), (666, 7, 0o2775)
"""Owner, group and mode of a folder."""


@pytest.mark.posix("users with numbers")
@pytest.mark.parametrize(
    ("above", "refused"),
    [
        # the cache folder, the one that it is in, and so on
        ([MINE, EVERYBODYS, ROOTS], None),
        ([OTHERS, ROOTS, ROOTS], None),
        ([GROUPS, EVERYBODYS, ROOTS], None),
        ([OTHERS, EVERYBODYS, ROOTS], "/a/b/c belongs to user 666"),
        ([MINE, OTHERS, EVERYBODYS], "/a/b belongs to user 666"),
        ([MINE, EVERYBODYS, OTHERS, EVERYBODYS], "/a belongs to user 666"),
    ],
)
def test_a_folder_that_a_stranger_could_make_is_refused(
    monkeypatch: pytest.MonkeyPatch, above: list[tuple[int, int, int]], refused: str | None
) -> None:
    root = Path("/a/b/c")
    known = dict(zip((root, *root.parents), above, strict=False))

    def status(path: Path) -> SimpleNamespace:
        owner, group, mode = known.get(path, ROOTS)
        return SimpleNamespace(st_mode=mode, st_uid=owner, st_gid=group)

    monkeypatch.setattr(Path, "stat", status)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [7])
    refusal = folder.refusal(root)
    assert (refusal is None) is (refused is None)
    assert refusal is None or str(refused) in refusal.why


def test_a_folder_below_one_that_is_gone_or_closed_is_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known of it then, and the first read reports it."""
    status, seen = Path.stat, []

    def once(path: Path) -> os.stat_result:
        seen.append(path)
        if len(seen) > 1:
            raise PermissionError
        return status(path)

    tmp_path.chmod(0o700)
    monkeypatch.setattr(Path, "stat", once)
    assert folder.refusal(tmp_path) is None


def test_windows_invents_the_mode_that_it_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o777)
    assert bool(folder.refusal(tmp_path)) is system.HAS_USERS
    monkeypatch.setattr(system, "HAS_USERS", False)
    assert folder.refusal(tmp_path) is None
    tmp_path.chmod(0o700)


def test_nobody_writes_below_a_folder_that_may_not_be_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder.may_write(tmp_path / "a/b")

    def closed(_: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "exists", closed)
    assert not folder.may_write(tmp_path / "a/b")


def test_the_files_of_a_folder_that_is_there_stay_as_they_are(tmp_path: Path) -> None:
    folder.make_tagged(tmp_path)
    (tmp_path / "README").write_text("Ask the build team before you delete anything.")
    folder.make_tagged(tmp_path)
    assert (tmp_path / "README").read_text().startswith("Ask")
