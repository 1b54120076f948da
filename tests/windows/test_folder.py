"""Which folder is used, what is kept there, and what is said of it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from requests.auth import _basic_auth_str

from cachedindex.store.store import Store
from tests import index as faults
from tests.conftest import Ran, Run
from tests.index import Index
from tests.stored import put_page

USED = "from cachedindex import sources; s = sources.load().settings; print(s.offline, sources.cache_folder(s))"
AUTH = ("user", "password")
PLACES = dict(os.environ)
"""As the system names them, before a test sets others."""


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[Path]:
    """Give the root of a drive, on which some user has made the folder and the file that a POSIX host has."""
    drive = Path(tmp_path.anchor)
    made = [drive / "var", drive / "var/cache", drive / "var/cache/cachedindex", drive / "etc"]
    if any(folder.exists() for folder in made):
        pytest.skip(f"SKIPPED: there is a folder var or etc on {drive} already")
    for folder in made:
        folder.mkdir()
    file = drive / "etc/cachedindex.cfg"
    file.write_text("[cachedindex]\noffline = yes\n")
    yield drive
    file.unlink()
    for folder in reversed(made):
        folder.rmdir()


def test_nobodys_folder_on_a_drive_is_taken_for_the_hosts(run: Run, planted: Path, environment: dict[str, str]) -> None:
    del environment["CACHEDINDEX_CACHE_DIR"]
    ran = run(sys.executable, "-c", USED, cwd=planted)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.strip() == f"False {Path(environment['LOCALAPPDATA']) / 'cachedindex'}"


@pytest.fixture(params=["LOCALAPPDATA", "PROGRAMDATA"])
def kept_in(request: pytest.FixtureRequest) -> Iterator[tuple[Path, bool]]:
    """Give a new folder below that of the user or that of all users, and whether it is the user's own.

    The folder of the test, and the variables that it sees, would do for neither: both are below the user's own.
    """
    with tempfile.TemporaryDirectory(prefix="cachedindex-test-", dir=PLACES[request.param]) as folder:
        yield Path(folder) / "cache", request.param == "LOCALAPPDATA"


def test_what_needs_credentials_is_kept_below_the_users_own_folder_only(
    open_session: Callable[..., requests.Session], index: Index, kept_in: tuple[Path, bool]
) -> None:
    cache, is_own = kept_in
    index.fault(faults.unless("Authorization", _basic_auth_str(*AUTH)))
    session = open_session(cache_dir=cache)
    assert session.get(f"{index.url}alpha/", auth=AUTH).ok
    assert (cache / "private-v1").exists() is is_own
    assert not list((cache / "records-v1").rglob("page.*"))
    index.close()
    again = open_session(cache_dir=cache, index_ttl=0)
    if is_own:
        assert again.get(f"{index.url}alpha/", auth=AUTH).ok
    else:
        with pytest.raises(requests.ConnectionError):
            again.get(f"{index.url}alpha/", auth=AUTH)
    with pytest.raises(requests.ConnectionError):
        again.get(f"{index.url}alpha/", auth=("user", "wrong"))


def test_the_doctor_says_nothing_that_it_cannot_know(command: Callable[..., Ran], tmp_path: Path) -> None:
    put_page(Store(tmp_path / "cache"), "six")
    ran = command("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert "locks work" in ran.out
    assert "mode " not in ran.out
    assert "no access list" not in ran.out
    assert "only its owner" not in ran.out
    assert "access lists" in ran.out
    assert "private" in ran.out
    assert command("doctor", "--repair").code == 0


@pytest.mark.parametrize("words", [("doctor",), ("status",), ("ls",), ("gc",), ("hook", "status")], ids=" ".join)
def test_a_path_that_the_code_page_has_not_is_printed(
    command: Callable[..., Ran], tmp_path: Path, words: tuple[str, ...]
) -> None:
    root = tmp_path / "каша-茶"
    put_page(Store(root), "six")
    ran = command(*words, CACHEDINDEX_CACHE_DIR=str(root))
    assert "Error" not in ran.err
    assert ran.code == (words == ("hook", "status")), ran.out  # That the hook is off is 1.
