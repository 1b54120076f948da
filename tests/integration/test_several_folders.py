"""A second cache folder that builds read and never write: what the real clients and the commands make of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cachedindex.store.store import Store
from tests.conftest import Ran, Run
from tests.index import Index
from tests.stored import file as file_of, page, put_file

CACHEDINDEX = (sys.executable, "-m", "cachedindex")
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}


def tree(folder: Path) -> list[tuple[str, int, int]]:
    """Return all that shows whether a folder has been changed."""
    found = sorted((folder, *folder.rglob("*")))
    return [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in found]


@pytest.fixture(params=["pip==23.2.1", "pip==26.3"])
def install(
    run: Run, python_with: Callable[..., Path], index: Index, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[..., Ran]:
    """Give a function that installs into a new folder, with a cache folder of that name."""
    pip = (python_with(request.param), "-m", "pip")

    def install(folder: str, *requirements: str, also: str = "", **variables: str) -> Ran:
        own = {"CACHEDINDEX_CACHE_DIR": str(tmp_path / folder / "cache"), "CACHEDINDEX_ALSO_READ": also}
        (tmp_path / folder).mkdir(exist_ok=True)
        target = tmp_path / folder / "target"
        command = [*CACHEDINDEX, "run", "--", *pip, "install", "-q", "--target", target, *requirements]
        return run(*command, PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1", **own, **variables)

    return install


def installed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.dist-info"))


def test_an_untrusted_build_is_served_what_trusted_ones_have_stored(
    install: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    assert install("trusted", "alpha", "source").code == 0
    before = tree(tmp_path / "trusted/cache")
    index.seen.clear()
    also = str(tmp_path / "trusted/cache")

    fresh = install("fresh", "alpha", "source", also=also)
    assert fresh.code == 0, fresh.err
    assert index.seen == []
    assert fresh.ours == []

    index.close()
    stale = install("stale", "alpha", "source", also="trusted/cache", **EXPIRED)
    assert stale.code == 0, stale.err
    assert "stale" in stale.ours[-1]
    assert installed(tmp_path / "trusted/target") == installed(tmp_path / "stale/target")
    assert tree(tmp_path / "trusted/cache") == before

    alone = install("stale", "alpha", "source", **EXPIRED)
    assert alone.code == 0, "what was found there is stored here"


def test_a_build_that_stores_nothing_is_served_as_well(
    install: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    assert install("trusted", "alpha").code == 0
    index.close()
    also = str(tmp_path / "trusted/cache")
    ran = install("fresh", "alpha", also=also, CACHEDINDEX_READ_ONLY="true", **EXPIRED)
    assert ran.code == 0, ran.err
    assert not (tmp_path / "fresh/cache").exists()


def test_a_buildout_names_the_folder_relative_to_itself(buildout: Callable[..., Ran], index: Index) -> None:
    assert buildout("A").code == 0
    index.close()
    ran = buildout("B", options="also-read = ../cache\n  ../none\ncache-dir = own\nindex-ttl = 0",
                   CACHEDINDEX_CACHE_DIR="")  # fmt: skip
    assert ran.code == 0, ran.err
    assert "stale" in ran.ours[-1]


@pytest.fixture
def command(run: Run, tmp_path: Path) -> Callable[..., Ran]:
    return lambda *words: run(*CACHEDINDEX, *words, CACHEDINDEX_ALSO_READ=str(tmp_path / "other"))


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Store, Store]:
    """Give the own folder, which has another project, and one that is also read."""
    own, other = Store(tmp_path / "cache"), Store(tmp_path / "other")
    put_file(own, "flask-1.0.tar.gz", b"flask")
    put_file(other, "six-1.0.tar.gz", b"six")
    put_file(other, "six-2.0.tar.gz", b"sixes")
    return own, other


def test_commands_say_what_they_leave_alone(
    command: Callable[..., Ran], stores: tuple[Store, Store], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    before = tree(other)
    assert f"cachedindex ls --cache-dir {other} lists it" in command("ls").out
    assert f"{other}, which is read as well, is left as it is" in command("gc").out
    assert f"also-read: {other} is read after it, and never written" in command("doctor", "--repair").out
    assert f"{other}: read as well, and never written" in command("status").out
    assert f"{other} is read as well: what is stored may lie there" in command("explain", "six").out
    assert tree(other) == before


def test_a_folder_that_is_not_read_is_named(
    command: Callable[..., Ran], stores: tuple[Store, Store], tmp_path: Path
) -> None:
    (tmp_path / "other").chmod(0o777)
    assert "WRONG  also-read: " in command("doctor").out
    assert command("doctor").code == 1
    assert "ATTENTION  also-read: " in command("status").out
    ran = command("purge", "six")
    assert "what lies there is not searched" in ran.out
    assert ran.code == 1


@pytest.mark.parametrize("what", ["six", "six==1.0"])
def test_a_purge_bars_what_lies_in_the_other_folder(
    command: Callable[..., Ran], stores: tuple[Store, Store], tmp_path: Path, what: str
) -> None:
    own, _ = stores
    before = tree(tmp_path / "other")
    dry = command("purge", what, "--dry-run")
    assert f"of {what} stay in {tmp_path / 'other'}" in dry.out
    assert not own.is_barred(file_of("six-1.0.tar.gz", b"six"))

    ran = command("purge", what)
    assert ran.code == 1
    assert f"of {what} stay in {tmp_path / 'other'}" in ran.out
    assert own.is_barred(file_of("six-1.0.tar.gz", b"six"))
    assert own.is_barred(file_of("six-2.0.tar.gz", b"sixes")) == (what == "six")
    assert not own.is_barred(page("flask"))
    assert tree(tmp_path / "other") == before


def test_what_was_purged_is_not_served_from_the_other_folder(
    install: Callable[..., Ran], run: Run, index: Index, tmp_path: Path
) -> None:
    assert install("trusted", "epsilon").code == 0
    also = str(tmp_path / "trusted/cache")
    folders = {"CACHEDINDEX_CACHE_DIR": str(tmp_path / "own/cache"), "CACHEDINDEX_ALSO_READ": also}
    assert install("own", "alpha").code == 0
    assert run(*CACHEDINDEX, "purge", "epsilon", **folders).code == 1
    index.fault(lambda _: False, "nothing")
    index.seen.clear()
    index.refuse()
    lost = install("own", "epsilon", also=also, PIP_RETRIES="0")
    assert lost.code != 0
    index.heal()
    assert install("own", "epsilon", also=also).code == 0
