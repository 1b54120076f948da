"""The hook in a base interpreter: the file that an administrator edits is as it was, but for our block."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cachedindex.errors import SettingsError
from cachedindex.run import installation
from cachedindex.run.installation import Place
from cachedindex.store import disk, new_file

THEIRS = b"# coding: latin-1\r\nname = '\xe9'"
HAS_LINKS = os.name == "posix"
"""Not every user of Windows may make a link."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give a standard library whose sitecustomize.py leads to a file elsewhere, as Debian's does."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "etc").mkdir()
    if HAS_LINKS:
        (tmp_path / "lib/sitecustomize.py").symlink_to("../etc/sitecustomize.py")
    (tmp_path / "lib/sitecustomize.py").write_bytes(THEIRS)
    return Place(tmp_path / "lib", base=True)


@pytest.fixture
def theirs(place: Place) -> Path:
    return (place.folder / "sitecustomize.py").resolve()


def install(place: Place, config: str | None = None) -> None:
    installation.install_hook(place, sys.executable, config)


def remove(place: Place) -> bool:
    return installation.remove_hook(place, sys.executable)


def test_it_is_as_it_was_but_for_our_block(place: Place, theirs: Path) -> None:
    theirs.chmod(0o640)
    mode = theirs.stat().st_mode
    install(place)
    once = theirs.read_bytes()
    assert once.startswith(THEIRS)
    install(place, "/etc/cachedindex.cfg")
    assert theirs.read_bytes() == once
    assert (installation.values_in(place) or {})["CONFIG"] == "/etc/cachedindex.cfg"
    assert theirs.stat().st_mode == mode
    assert [path.name for path in place.installed()] == ["_cachedindex_base.py", "sitecustomize.py"]
    assert remove(place)
    assert theirs.read_bytes() == THEIRS
    assert theirs.stat().st_mode == mode
    assert [path.name for path in place.folder.glob("*.py")] == ["sitecustomize.py"]
    assert (place.folder / "sitecustomize.py").is_symlink() is HAS_LINKS
    assert not place.installed()
    assert not remove(place)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="SKIPPED FOR WANT OF ROOT")
def test_it_stays_its_owners(place: Place, theirs: Path) -> None:
    os.chown(theirs, 12345, 54321)
    install(place)
    assert (theirs.stat().st_uid, theirs.stat().st_gid) == (12345, 54321)


def test_what_an_administrator_wrote_later_stays(place: Place, theirs: Path) -> None:
    install(place)
    theirs.write_bytes(theirs.read_bytes() + b"later = 1\r\n")
    install(place)
    assert theirs.read_bytes().startswith(THEIRS + b"\r\nlater = 1\r\n")
    remove(place)
    assert theirs.read_bytes() == THEIRS + b"\r\nlater = 1\r\n"


@pytest.mark.posix("links that everybody may make")
def test_a_link_to_no_file_gets_one_and_leads_to_none_again(place: Place, theirs: Path) -> None:
    """As on a Debian whose administrator has removed the file."""
    theirs.unlink()
    install(place)
    assert b"run_hidden" in theirs.read_bytes()
    remove(place)
    assert not theirs.exists()
    assert (place.folder / "sitecustomize.py").is_symlink()


def test_what_was_written_into_a_file_of_ours_stays(tmp_path: Path) -> None:
    place = Place(tmp_path, base=True)
    install(place)
    path = tmp_path / "sitecustomize.py"
    path.write_bytes(path.read_bytes() + b"import site\n")
    remove(place)
    assert path.read_bytes() == b"import site\n"


def _no_folder(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


def _circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


_links = pytest.mark.posix("links that everybody may make")
REFUSED = [
    pytest.param("cannot run it: SyntaxError: ", lambda path: path.write_bytes(b"import (\n"), id="syntax"),
    pytest.param(
        "cannot run it: SyntaxError: .*encoding",
        lambda path: path.write_bytes(b"# coding: no-such-thing\n"),
        id="encoding",
    ),
    pytest.param("first or its last line", lambda path: path.write_bytes(b"# <<< cachedindex\n"), id="cut"),
    pytest.param("no such folder", _no_folder, id="nowhere", marks=_links),
    pytest.param("leads nowhere|cannot be read", _circle, id="circle", marks=_links),
]


@pytest.mark.parametrize(("said", "spoil"), REFUSED)
def test_what_python_would_not_run_is_refused(
    place: Place, theirs: Path, said: str, spoil: Callable[[Path], object]
) -> None:
    spoil(theirs)
    before = theirs.read_bytes() if theirs.is_file() else None
    with pytest.raises(SettingsError, match=said):
        install(place)
    assert (theirs.read_bytes() if theirs.is_file() else None) == before
    assert not list(place.folder.glob("_cachedindex*"))


def test_a_file_that_cannot_be_written_is_as_it_was(
    place: Place, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def access(path: Path, mode: int) -> bool:
        return path != theirs

    monkeypatch.setattr(os, "access", access)
    with pytest.raises(SettingsError, match="may not write"):
        install(place)
    assert theirs.read_bytes() == THEIRS
    assert not list(place.folder.glob("_cachedindex*"))


def test_a_full_disk_leaves_it_as_it_was(place: Place, theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = new_file.publish

    def publish(path: Path, data: bytes, root: Path) -> None:
        if path == theirs:
            raise disk.unavailable("write to", root, OSError(28, "No space left on device"))
        write(path, data, root)

    monkeypatch.setattr(new_file, "publish", publish)
    with pytest.raises(SettingsError, match="No space left"):
        install(place)
    assert theirs.read_bytes() == THEIRS
    assert not list(place.folder.glob("_cachedindex*"))


def test_a_mistake_that_was_made_later_does_not_keep_it_there(place: Place, theirs: Path) -> None:
    install(place)
    theirs.write_bytes(b"import (\r\n" + theirs.read_bytes())
    remove(place)
    assert theirs.read_bytes() == b"import (\r\n" + THEIRS


def test_a_block_that_the_rest_needs_is_not_taken_out(place: Place, theirs: Path) -> None:
    install(place)
    lines = theirs.read_bytes().removeprefix(THEIRS).strip().splitlines()
    theirs.write_bytes(b"if True:\n" + b"".join(b"    " + line + b"\n" for line in lines))
    before = theirs.read_bytes()
    with pytest.raises(SettingsError, match="without the block"):
        remove(place)
    assert theirs.read_bytes() == before


def test_the_file_that_0_1_0_wrote_is_replaced_and_removed(tmp_path: Path) -> None:
    place = Place(tmp_path, base=True)
    (start,) = place.files().values()
    (tmp_path / "sitecustomize.py").write_text(start + "    _run_hidden()\n")
    assert [path.name for path in place.installed()] == ["sitecustomize.py"]
    assert (installation.values_in(place) or {})["HOOK"] == str(installation.HOOK)
    install(place)
    assert "_run_hidden" not in (tmp_path / "sitecustomize.py").read_text()
    remove(place)
    assert not list(tmp_path.glob("*.py"))
