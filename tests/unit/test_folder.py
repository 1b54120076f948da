from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from cachedindex.store import folder

grp, pwd = pytest.importorskip("grp"), pytest.importorskip("pwd")


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
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_gid=7, pw_name="julia"))
    monkeypatch.setattr(grp, "getgrgid", lambda _: SimpleNamespace(gr_name=name, gr_mem=members))
    assert folder._is_private(5, group) is private


def test_a_user_without_a_name_has_no_group_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
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
