"""The real pip, oldest and newest, through `cachedindex run`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Ran, Run
from tests.index import Index, serving

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


@pytest.mark.usefixtures("measured_environments")
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
        blob.write_bytes(blob.read_bytes()[:-1] + b"!")  # A wheel ends in a zero byte.

    second = install("B", "epsilon")
    assert second.code == 0
    assert (
        f"{len(blobs)} damaged files set aside in {tmp_path / 'cache/quarantine-v1'}, to be fetched again"
        in second.ours[-1]
    )
    assert len(list((tmp_path / "cache/quarantine-v1").iterdir())) == len(blobs)
    index.close()
    third = install("C", "epsilon")
    assert (third.code, third.ours) == (0, [])


def test_offline_says_that_it_lacks_what_was_damaged(install: Callable[..., Ran], tmp_path: Path) -> None:
    assert install("A", "epsilon").code == 0
    for record in (tmp_path / "cache/records-v1").rglob("page.*"):
        record.write_bytes(b"")
    second = install("B", "epsilon", CACHEDINDEX_OFFLINE="yes")
    assert second.code == 1
    (line,) = second.ours
    assert "could not get epsilon, of which nothing is stored" in line
    assert "offline = true" in line
    assert "1 damaged file set aside" in line


def test_a_read_only_cache_carries_a_build_and_stays_as_it_is(
    install: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    assert install("A", "alpha").code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    second = install("B", "alpha", "source", CACHEDINDEX_READ_ONLY="yes", **EXPIRED)
    assert (second.code, second.ours) == (0, [])
    index.close()
    third = install("C", "alpha", CACHEDINDEX_READ_ONLY="yes", **EXPIRED)
    assert third.code == 0
    assert "served 5 pages stale" in third.ours[-1]
    assert installed(tmp_path / "A") == installed(tmp_path / "C")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")} == before


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


@pytest.mark.parametrize("validators", [True, False])
@pytest.mark.parametrize("stale_if_error", ["7 d", "0"])
def test_pips_own_cache_does_not_answer_for_upstream(
    cached: Callable[..., Ran], index: Index, validators: bool, stale_if_error: str
) -> None:
    index.validators = validators
    index.headers["Cache-Control"] = "max-age=600"
    assert cached("A", "alpha").code == 0
    index.seen.clear()
    assert cached("B", "alpha", **EXPIRED, CACHEDINDEX_STALE_IF_ERROR=stale_if_error).code == 0
    assert sorted(index.pages_seen()) == [f"/simple/{name}/" for name in ("alpha", "beta", "delta", "epsilon", "gamma")]


@pytest.mark.usefixtures("measured_environments")
def test_what_was_not_there_is_installed_as_soon_as_it_is(
    run: Run, pip: list[object], index: Index, distributions: Path, tmp_path: Path
) -> None:
    """All in one run, as a CI job is one: ask, publish, install, publish again, install that."""
    packages.add_wheel(tmp_path, "newcomer", "1.0", ())
    packages.add_wheel(tmp_path, "newcomer", "2.0", ())
    first, second = sorted(path.name for path in tmp_path.glob("newcomer*.whl"))
    script = tmp_path / "job.py"
    script.write_text(
        "import shutil, subprocess, sys\n"
        f"pip = {[str(part) for part in pip]!r}\n"
        "run = lambda *words: subprocess.run([*pip, *words]).returncode\n"
        "assert run('download', '-q', 'newcomer') == 1\n"
        f"shutil.copy({first!r}, {str(distributions)!r})\n"
        "assert run('install', '-q', '--target', 'A', 'newcomer') == 0\n"
        f"shutil.copy({second!r}, {str(distributions)!r})\n"
        "assert run('install', '-q', '--target', 'B', 'newcomer==2.0') == 0\n"
        "assert run('install', '-q', '--target', 'C', 'newcomer>2.0') == 1\n"
    )
    ran = run(*CACHEDINDEX, "run", "--", sys.executable, script, PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1")
    assert ran.code == 0, ran.err
    assert installed(tmp_path / "A") == ["newcomer-1.0.dist-info"]
    assert installed(tmp_path / "B") == ["newcomer-2.0.dist-info"]
    # Missing, there, fresh but too old, still too old.
    assert index.pages_seen() == ["/simple/newcomer/"] * 4
    assert ran.ours == []


def test_a_run_that_failed_has_its_pages_asked_for_again(run: Run, install: Callable[..., Ran], index: Index) -> None:
    assert install("A", "alpha").code == 0
    index.seen.clear()
    failing = install("B", "alpha", "nowhere")
    assert failing.code != 0
    index.seen.clear()
    assert install("C", "alpha").code == 0
    assert index.pages_seen() == [f"/simple/{name}/" for name in ("alpha",)]


@pytest.fixture
def another_index(tmp_path: Path) -> Iterator[Index]:
    folder = tmp_path / "another"
    folder.mkdir()
    packages.add_wheel(folder, "epsilon", "0.1", ())
    with serving(folder) as index:
        yield index


@pytest.mark.parametrize(
    "fault", [faults.reset, faults.status(503), faults.body(faults.PORTAL)], ids=["reset", "503", "portal"]
)
@pytest.mark.usefixtures("measured_environments")
def test_a_project_that_comes_from_another_index_for_want_of_an_answer(
    install: Callable[..., Ran], index: Index, another_index: Index, fault: faults.Fault, tmp_path: Path
) -> None:
    index.fault(fault)
    more = {"PIP_EXTRA_INDEX_URL": another_index.url, "PIP_RETRIES": "0"}
    warned = install("A", "epsilon", **more)
    assert warned.code == 0, warned.err
    assert installed(tmp_path / "A") == ["epsilon-0.1.dist-info"], "as without us"
    assert f"{index.url} could not be asked for epsilon" in warned.ours[0]
    assert f"taken from {another_index.url} alone" in warned.ours[0]

    failed = install("B", "epsilon", CACHEDINDEX_MISSING_INDEX="fail", **more)
    assert failed.code == 1
    assert f"ERROR: cachedindex: {index.url}epsilon/: " in failed.err
    assert "Traceback" not in failed.err
    assert not installed(tmp_path / "B")


@pytest.mark.parametrize(
    "fault",
    [faults.reset, faults.half_a_status_line, faults.no_http, faults.status(503)],
    ids=lambda fault: fault.__name__,
)
@pytest.mark.usefixtures("measured_environments")
def test_a_broken_page_that_another_index_has_leaves_the_next_ones_alone(
    install: Callable[..., Ran], index: Index, another_index: Index, fault: faults.Fault, tmp_path: Path
) -> None:
    packages.add_wheel(index.folder, "zeta", "1.0", ())
    index.fault(fault, "/simple/epsilon/")
    ran = install("A", "epsilon", "zeta", PIP_EXTRA_INDEX_URL=another_index.url, PIP_RETRIES="1")
    assert ran.code == 0, ran.err
    assert installed(tmp_path / "A") == ["epsilon-0.1.dist-info", "zeta-1.0.dist-info"]


def test_an_index_that_has_a_copy_is_not_missing(
    install: Callable[..., Ran], index: Index, another_index: Index, tmp_path: Path
) -> None:
    more = {"PIP_EXTRA_INDEX_URL": another_index.url, "PIP_RETRIES": "0", "CACHEDINDEX_MISSING_INDEX": "fail"}
    assert install("A", "epsilon", **more).code == 0
    index.close()
    second = install("B", "epsilon", **more, **EXPIRED)
    assert second.code == 0, second.err
    assert installed(tmp_path / "B") == ["epsilon-1.0.dist-info"]


def test_a_run_waits_for_what_is_not_stored_once(install: Callable[..., Ran], index: Index) -> None:
    index.fault(faults.reset)
    ran = install("A", "alpha", "beta", "gamma", PIP_RETRIES="1")
    assert ran.code == 1
    assert len(index.seen) == 2, "one page, with the client's own retry"
    assert "could not get alpha" in ran.ours[-1]
    assert "it reset the connection" in ran.ours[-1]


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


def test_fast_deps_read_parts_of_the_stored_wheel(run: Run, pip: list[object], index: Index, tmp_path: Path) -> None:
    page = faults.html_page("epsilon", index.distributions("epsilon"))
    index.fault(faults.body(re.sub(rb' data-core-metadata="[^"]*"', b"", page)), "/simple/epsilon/")

    def install(folder: str, **variables: str) -> Ran:
        command = ("install", "-v", "--use-feature", "fast-deps", "--target", tmp_path / folder, "epsilon")
        return run(
            *CACHEDINDEX, "run", "--", *pip, *command, PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1", **variables
        )

    assert install("A").code == 0
    index.close()
    second = install("B", **EXPIRED)
    assert second.code == 0, second.err
    assert "Obtaining dependency information from epsilon 1.0" in second.out
    assert "not support range requests" not in second.out
    assert installed(tmp_path / "B") == ["epsilon-1.0.dist-info"]
