"""The folder that is one user's alone, on a real file system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cachedindex.errors import StoreUnavailable
from cachedindex.store.private import Private, folder_of_user

pytestmark = pytest.mark.skipif(
    not hasattr(os, "getuid"), reason="SKIPPED FOR WANT OF USERS, which Windows numbers not"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir(mode=0o755)
    return tmp_path / "cache"


def private(root: Path, *, read_only: bool = False) -> Private:
    return Private(root, lambda: None, read_only=read_only) if read_only else Private(root, lambda: None)


def test_a_folder_is_made_with_a_secret_that_nobody_else_can_read(root: Path) -> None:
    mine = private(root)
    mine.secure()
    secret = mine.folder / "secret"
    assert mine.is_own()
    assert [path.stat().st_mode & 0o7777 for path in (mine.folder, secret)] == [0o700, 0o600]
    assert len(secret.read_bytes()) == 32
    assert mine.folder.parent.stat().st_mode & 0o1000, "else others could move it away"
    assert sorted(path.name for path in mine.folder.parent.iterdir()) == sorted(["README", mine.folder.name])


def test_a_scope_says_nothing_of_its_credential_and_is_the_same_for_all_processes(root: Path, tmp_path: Path) -> None:
    scope = private(root).scope("user:password")
    assert len(scope) == 32
    assert private(root).scope("user:password") == scope
    assert private(root).scope("user:another") != scope
    (tmp_path / "other").mkdir()
    assert private(tmp_path / "other").scope("user:password") != scope, "another cache has another secret"


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_secret_that_is_damaged_is_made_anew(root: Path, damage: str) -> None:
    before = private(root).scope("user:password")
    secret = private(root).folder / "secret"
    if damage == "cut":
        secret.write_bytes(secret.read_bytes()[:10])
    else:
        secret.unlink()
    with pytest.raises(StoreUnavailable, match="damaged"):
        private(root, read_only=True).scope("user:password")
    after = private(root).scope("user:password")
    assert after != before
    assert private(root).scope("user:password") == private(root, read_only=True).scope("user:password") == after


def test_who_only_reads_makes_no_folder(root: Path) -> None:
    with pytest.raises(StoreUnavailable, match="is not there"):
        private(root, read_only=True).secure()
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_is_open_to_others_is_not_used(root: Path, mode: int) -> None:
    private(root).secure()
    private(root).folder.chmod(mode)
    assert not private(root).is_own()
    with pytest.raises(StoreUnavailable, match="does not belong to this user alone"):
        private(root).scope("user:password")


def test_each_user_has_a_folder_of_its_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    assert folder_of_user(root) == root / "private-v1/1234"
