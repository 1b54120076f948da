"""What does not verify is set aside, counted, and fetched again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cachedindex.store import quarantine
from cachedindex.store.quarantine import Quarantine
from cachedindex.store.store import Store
from tests.stored import open_blob, page, put_file, put_page


@pytest.fixture
def aside() -> list[Path]:
    return []


@pytest.fixture
def store(tmp_path: Path, aside: list[Path]) -> Store:
    return Store(tmp_path / "cache", damaged=aside.append)


@pytest.mark.parametrize("damage", [b"", b"cachedindex-record-1 x\n{}\n", b"\0" * 100])
def test_a_damaged_record_is_set_aside_and_healed(store: Store, aside: list[Path], damage: bytes) -> None:
    path = put_page(store, "six")
    path.write_bytes(damage)
    assert store.get(page("six")) is None
    assert not path.exists()
    (moved,) = aside
    assert moved.parent == store.root / "quarantine-v1"
    assert moved.name.endswith(f"six-{path.name}")
    assert moved.read_bytes() == damage
    assert store.get(page("six")) is None
    assert len(aside) == 1
    put_page(store, "six")
    assert store.get(page("six")) is not None


def test_a_damaged_blob_is_set_aside_and_healed(store: Store, aside: list[Path]) -> None:
    _, path = put_file(store, "six", b"wheel")
    digest = path.name
    path.write_bytes(b"whee!")
    assert open_blob(store, digest, 5) is None
    (moved,) = aside
    assert moved.read_bytes() == b"whee!"
    put_file(store, "six", b"wheel")
    opened = open_blob(store, digest, 5)
    assert opened is not None
    opened.close()


def test_a_sound_file_that_does_not_fit_is_no_damage(store: Store, aside: list[Path]) -> None:
    """Another release's record, another URL's, a blob of which a record tells another size."""
    path = put_page(store, "six")
    path.replace(put_page(store, "flask"))
    assert store.get(page("flask")) is None
    _, blob = put_file(store, "six", b"wheel")
    assert open_blob(store, blob.name, 6) is None
    assert aside == []


def test_a_sound_file_that_came_meanwhile_stays(tmp_path: Path) -> None:
    isolated: list[Path] = []
    path = tmp_path / "records-v1/x"
    path.parent.mkdir()
    path.write_text("sound again")
    Quarantine(tmp_path, isolated.append).isolate(path, lambda: False)
    assert path.exists()
    path.unlink()
    Quarantine(tmp_path, isolated.append).isolate(path, lambda: True)
    assert isolated == []


@pytest.mark.parametrize("read_only", [True, False])
def test_who_may_not_write_has_a_miss(
    tmp_path: Path, aside: list[Path], monkeypatch: pytest.MonkeyPatch, *, read_only: bool
) -> None:
    path = put_page(Store(tmp_path / "cache"), "six")
    path.write_bytes(b"")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(PermissionError("not yours")))
    assert Store(tmp_path / "cache", read_only=read_only, damaged=aside.append).get(page("six")) is None
    assert path.exists()
    assert aside == []


def test_only_the_newest_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch, aside: list[Path]) -> None:
    monkeypatch.setattr(quarantine, "_MOST_FILES", 3)
    monkeypatch.setattr(quarantine, "_MOST_BYTES", 250)
    folder = store.root / "quarantine-v1"
    folder.mkdir(parents=True)
    for number, size in enumerate((100, 100, 100, 100)):
        (folder / f"2020010{number}T000000Z.x").write_bytes(b"x" * size)
    put_page(store, "six").write_bytes(b"x" * 60)
    store.get(page("six"))
    assert sorted(folder.iterdir()) == [folder / "20200103T000000Z.x", aside[0]]


def test_a_private_file_is_set_aside_privately(tmp_path: Path) -> None:
    private = Store(tmp_path / "private-v1/7", damaged=lambda _: None)
    put_page(private, "six").write_bytes(b"")
    assert private.get(page("six")) is None
    assert list((tmp_path / "private-v1/7/quarantine-v1").iterdir())
    assert not (tmp_path / "quarantine-v1").exists()


def test_file_names_stay_short(store: Store, aside: list[Path]) -> None:
    name = "n" * 300
    put_page(store, name).write_bytes(b"")
    assert store.get(page(name)) is None
    assert len(aside[0].name) < 200
