"""The real pip, oldest and newest, through `cachedindex run`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import index as faults
from tests.conftest import Ran, Run
from tests.index import Index

CACHEDINDEX = (sys.executable, "-m", "cachedindex")
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}


@pytest.fixture(params=["pip==23.2.1", "pip==26.3"])
def pip(request: pytest.FixtureRequest, python_with: Callable[..., Path]) -> list[object]:
    return [python_with(request.param), "-m", "pip"]


@pytest.fixture
def install(run: Run, pip: list[object], index: Index, tmp_path: Path) -> Callable[..., Ran]:
    """Give a function that installs into a new folder through `cachedindex run`."""

    def install(folder: str, *requirements: str, **variables: str) -> Ran:
        command = [*CACHEDINDEX, "run", "--", *pip, "install", "-q", "--target", tmp_path / folder, *requirements]
        return run(*command, PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1", **variables)

    return install


def installed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.dist-info"))


def test_an_isolated_build_survives_a_refused_connection(
    install: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    assert install("A", "alpha", "source").code == 0
    assert "/simple/tinybackend/" in index.pages_seen()
    index.close()

    second = install("B", "alpha", "source", **EXPIRED)

    assert second.code == 0, second.err
    assert installed(tmp_path / "A") == installed(tmp_path / "B")
    assert len(installed(tmp_path / "B")) == 6
    (line,) = second.ours
    assert "served 7 pages stale" in line
    assert index.origin in line
    assert "it refused the connection" in line


def test_a_build_in_a_new_environment_is_covered_where_pip_clears_the_path(
    run: Run, python_with: Callable[..., Path], index: Index, tmp_path: Path
) -> None:
    pip = (python_with("pip==26.3"), "-m", "pip", "--use-feature", "venv-isolation")

    def install(folder: str, **variables: str) -> Ran:
        command = (*CACHEDINDEX, "run", "--", *pip, "install", "-q", "--target", tmp_path / folder, "source")
        return run(*command, PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1", **variables)

    assert install("A").code == 0
    index.close()
    second = install("B", **EXPIRED)
    assert second.code == 0, second.err
    assert "served 2 pages stale" in second.ours[-1]


def test_a_hanging_index_is_waited_for_twice_in_all_processes_together(
    install: Callable[..., Ran], index: Index
) -> None:
    assert install("A", "alpha", "source").code == 0
    index.fault(faults.hang)
    index.seen.clear()

    second = install("B", "alpha", "source", CACHEDINDEX_TIMEOUT="0.3", **EXPIRED)

    assert second.code == 0, second.err
    assert len(index.seen) == 2
    assert "served 7 pages stale" in second.ours[-1]
    assert "no answer within 0.3 s" in second.ours[-1]

    index.seen.clear()
    third = install("C", "alpha", "source", CACHEDINDEX_TIMEOUT="0.3", **EXPIRED)
    assert third.code == 0, third.err
    assert index.seen == []


def test_a_fresh_cache_asks_nothing(install: Callable[..., Ran], index: Index) -> None:
    assert install("A", "alpha", "source").code == 0
    index.seen.clear()

    second = install("B", "alpha", "source")

    assert second.code == 0
    assert index.seen == []
    assert second.ours == []


def test_a_slow_index_is_used(install: Callable[..., Ran], index: Index) -> None:
    index.fault(faults.slow(1), "/simple/")
    assert install("A", "epsilon").code == 0
    index.seen.clear()

    second = install("B", "epsilon", CACHEDINDEX_TIMEOUT="0.2", **EXPIRED)

    assert second.code == 0
    assert index.pages_seen() == ["/simple/epsilon/"]
    assert second.ours == []


@pytest.mark.parametrize(
    "fault",
    [faults.status(500), faults.status(404), faults.body(faults.PORTAL), faults.cut, faults.reset,
     faults.body(b'{"files": [], "name": "alpha"}', faults.JSON), faults.body(b"{", faults.JSON),
     faults.redirect("/login")],
    ids=["500", "404", "portal", "cut", "reset", "empty", "broken", "login"],
)  # fmt: skip
def test_an_unsound_page_is_neither_served_nor_stored(
    install: Callable[..., Ran], index: Index, fault: faults.Fault
) -> None:
    assert install("A", "epsilon").code == 0
    index.fault(fault, "/simple/|/login")

    second = install("B", "epsilon", **EXPIRED)
    assert second.code == 0, second.err
    assert "served 1 page stale" in second.ours[-1]

    index.heal()
    index.close()
    third = install("C", "epsilon", **EXPIRED)
    assert third.code == 0, third.err


@pytest.mark.parametrize(("wish", "looks"), [(None, False), ("0", True)])
def test_a_pip_looks_for_a_newer_one_only_where_somebody_wants_it(
    install: Callable[..., Ran], environment: dict[str, str], index: Index, wish: str | None, looks: bool
) -> None:
    del environment["PIP_DISABLE_PIP_VERSION_CHECK"]
    if wish is not None:
        environment["PIP_DISABLE_PIP_VERSION_CHECK"] = wish
    assert install("A", "epsilon").code == 0
    assert ("/simple/pip/" in index.pages_seen()) is looks


def test_a_cold_failure_is_the_bare_clients(
    install: Callable[..., Ran], run: Run, pip: list[object], index: Index, tmp_path: Path
) -> None:
    index.fault(faults.status(404), "/simple/alpha/")
    bare = run(*pip, "install", "-q", "--target", tmp_path / "bare", "alpha", PIP_INDEX_URL=index.url)
    ours = install("ours", "alpha")

    assert (ours.code, ours.out, ours.err) == (bare.code, bare.out, bare.err)


def test_a_page_that_names_another_hash_gets_another_file(
    install: Callable[..., Ran], index: Index, distributions: Path, tmp_path: Path
) -> None:
    from tests import packages

    assert install("A", "epsilon").code == 0
    packages.add_wheel(distributions, "epsilon", "1.0", ("delta",))

    assert install("B", "epsilon", **EXPIRED).code == 0
    assert len(installed(tmp_path / "B")) == 2


def test_a_wheel_that_rotted_in_the_cache_is_fetched_again(
    install: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    assert install("A", "epsilon").code == 0
    blobs = [path for path in (tmp_path / "cache/blobs-v1").rglob("*") if path.is_file()]
    for blob in blobs:
        blob.write_bytes(blob.read_bytes()[:-1] + b"\0")

    assert install("B", "epsilon").code == 0
    index.close()
    assert install("C", "epsilon").code == 0


def test_what_is_asked_with_credentials_is_not_stored(
    install: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    secret = index.url.replace("http://", "http://user:secret@")
    run = install("A", "--index-url", secret, "epsilon")

    assert run.code == 0
    assert not list((tmp_path / "cache").rglob("page.*"))
    everything = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert b"secret" not in everything


@pytest.fixture
def cached(run: Run, pip: list[object], index: Index, tmp_path: Path) -> Callable[..., Ran]:
    """Give an `install` by a pip that keeps its own HTTP cache, which it does for hosts that it trusts."""
    host = index.origin.removeprefix("http://")

    def install(folder: str, *requirements: str, **variables: str) -> Ran:
        command = [*CACHEDINDEX, "run", "--", *pip, "install", "-q", "--target", tmp_path / folder, *requirements]
        return run(*command, PIP_INDEX_URL=index.url, PIP_TRUSTED_HOST=host, **variables)

    return install


def test_beside_pips_own_cache(cached: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    index.validators = True
    index.headers["Cache-Control"] = "max-age=600"
    assert cached("bare", "alpha", CACHEDINDEX_DISABLE="true").code == 0
    assert (tmp_path / "pip-cache").is_dir()
    assert cached("A", "alpha").code == 0
    assert len(list((tmp_path / "cache").rglob("page.*"))) == 5
    index.close()
    second = cached("B", "alpha", **EXPIRED, PIP_NO_CACHE_DIR="1")
    assert second.code == 0, second.err
    assert "served 5 pages stale" in second.ours[-1]


def test_pips_own_cache_does_not_answer_for_upstream(cached: Callable[..., Ran], index: Index) -> None:
    index.headers["Cache-Control"] = "max-age=600"
    assert cached("A", "alpha").code == 0
    index.seen.clear()
    assert cached("B", "alpha", **EXPIRED).code == 0
    assert sorted(index.pages_seen()) == [f"/simple/{name}/" for name in ("alpha", "beta", "delta", "epsilon", "gamma")]


def test_the_environment_is_as_it_was(install: Callable[..., Ran], pip: list[object]) -> None:
    folder = Path(str(pip[0])).parent.parent

    def files() -> dict[Path, int]:
        return {
            path: path.stat().st_mtime_ns
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    before = files()
    assert install("A", "epsilon").code == 0
    assert files() == before


def test_a_cache_that_cannot_be_written_breaks_nothing(
    install: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")

    ran = install("A", "alpha", "source")

    assert ran.code == 0, ran.err
    assert len(installed(tmp_path / "A")) == 6
    (line,) = ran.ours
    assert str(tmp_path / "cache") in line
    assert "the build goes on" in line
