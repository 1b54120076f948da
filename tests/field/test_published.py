"""What has just been published, and a copy that does not have it: no build fails that works without us."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Ran, Run
from tests.field.conftest import installed
from tests.index import Index
from tests.integration.conftest import eggs

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
CLOSED = faults.status(503)
PAGE = "/simple/alpha/"


@pytest.fixture(params=["pip==23.2.1", "pip==26.3"])
def install(
    request: pytest.FixtureRequest, python_with: Callable[..., Path], run: Run, index: Index, tmp_path: Path
) -> Callable[..., Ran]:
    """Give a function that installs into a new folder with the oldest or the newest pip that is tested."""
    python = python_with(request.param)

    def install(folder: str, *arguments: str, **variables: str) -> Ran:
        command = (python, "-m", "pip", "install", "-q", "--no-deps", "--target", tmp_path / folder, *arguments)
        wanted = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0", **variables}
        return run(sys.executable, "-m", "cachedindex", "run", "--", *command, **wanted)

    return install


def served_fresh(_install: Callable[..., Ran], index: Index) -> dict[str, str]:
    return {}


def held_back(install: Callable[..., Ran], index: Index) -> dict[str, str]:
    # nexus-public#214: the breaker is open, and the index is well again.
    index.fault(CLOSED)
    assert install("failing", "alpha", "beta", **EXPIRED).code == 0
    index.heal()
    return EXPIRED


def doubted(_install: Callable[..., Ran], index: Index) -> dict[str, str]:
    index.fault(_at_first(faults.status(404)), PAGE)
    return EXPIRED


def rejected(_install: Callable[..., Ran], index: Index) -> dict[str, str]:
    index.fault(_at_first(faults.body(faults.PORTAL)), PAGE)
    return EXPIRED


def late(_install: Callable[..., Ran], index: Index) -> dict[str, str]:
    index.fault(faults.slow(1), PAGE)
    return {"CACHEDINDEX_TIMEOUT": "0.1", **EXPIRED}


def _at_first(fault: faults.Fault) -> faults.Fault:
    """Do so for the first request only."""
    left = [fault]

    def once(handler: faults.Handler) -> bool:
        return left.pop()(handler) if left else True

    return once


REASONS = [served_fresh, held_back, doubted, rejected, late]


@pytest.mark.parametrize("reason", REASONS)
def test_a_version_that_the_copy_lacks_is_installed(
    install: Callable[..., Ran],
    index: Index,
    distributions: Path,
    tmp_path: Path,
    reason: Callable[..., dict[str, str]],
) -> None:
    assert install("A", "alpha", "beta").code == 0
    variables = reason(install, index)
    packages.add_wheel(distributions, "alpha", "2.0")
    second = install("B", "alpha==2.0", **variables)
    assert second.code == 0, second.err
    assert installed(tmp_path / "B") == ["alpha-2.0.dist-info"]


@pytest.mark.parametrize("hiccup", [CLOSED, faults.reset, faults.slow(4)], ids=["503", "reset", "4 s"])
@pytest.mark.parametrize("expired", [False, True])
def test_a_hiccup_of_a_healthy_index_is_got_over(
    install: Callable[..., Ran], index: Index, distributions: Path, hiccup: faults.Fault, expired: bool
) -> None:
    assert install("A", "alpha").code == 0
    packages.add_wheel(distributions, "alpha", "2.0")
    index.fault(_at_first(hiccup), PAGE)
    second = install("B", "alpha==2.0", PIP_RETRIES="5", **(EXPIRED if expired else {}))
    assert second.code == 0, second.err


def test_a_project_that_the_index_lacked_a_moment_ago_is_installed(
    run: Run, newest_pip: Path, index: Index, distributions: Path, tmp_path: Path
) -> None:
    # One run, as a CI job is one: it remembers that the index does not have the project.
    script = tmp_path / "job.py"
    pip = [str(newest_pip), "-m", "pip", "install", "-q", "--target", "A", "newcomer"]
    wheel = packages.wheel("newcomer", "1.0")
    script.write_text(
        "import pathlib, subprocess\n"
        f"assert subprocess.run({pip!r}).returncode == 1\n"
        f"pathlib.Path({str(distributions)!r}, {wheel[0]!r}).write_bytes({wheel[1]!r})\n"
        f"assert subprocess.run({pip!r}).returncode == 0\n"
    )
    job = (sys.executable, "-m", "cachedindex", "run", "--", sys.executable, script)
    ran = run(*job, PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1")
    assert ran.code == 0, ran.err
    assert index.pages_seen() == ["/simple/newcomer/"] * 2


@pytest.mark.parametrize(
    "fault", [CLOSED, faults.hang, faults.reset, faults.status(404), faults.body(faults.PORTAL)],
    ids=["503", "hang", "reset", "404", "portal"],
)  # fmt: skip
def test_a_version_that_nobody_has_ends_in_pips_own_error(
    install: Callable[..., Ran], index: Index, fault: faults.Fault
) -> None:
    assert install("A", "alpha").code == 0
    index.fault(fault)
    index.seen.clear()
    variables = {"CACHEDINDEX_TIMEOUT": "0.2", "PIP_TIMEOUT": "2", **EXPIRED}
    second = install("B", "alpha==2.0", **variables)
    assert second.code == 1
    assert "(from versions: 1.0)" in second.err
    assert "Traceback" not in second.err
    assert len(index.seen) <= 3, "revalidated, asked openly, and once more for pip's list of versions"


@pytest.mark.parametrize("fault", [CLOSED, faults.body(faults.PORTAL)], ids=["503", "portal"])
def test_a_resolver_that_backtracks_still_has_the_copy(
    run: Run, newest_pip: Path, index: Index, distributions: Path, tmp_path: Path,
    fault: faults.Fault,
) -> None:  # fmt: skip
    packages.add_wheel(distributions, "omega", "2.0", ("epsilon>=2",))
    packages.add_wheel(distributions, "omega", "1.0", ("epsilon<2",))

    def resolve(folder: str, **variables: str) -> Ran:
        command = (newest_pip, "-m", "pip", "install", "-q", "--target", tmp_path / folder, "omega")
        wanted = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", **variables}
        return run(sys.executable, "-m", "cachedindex", "run", "--", *command, **wanted)

    assert resolve("A").code == 0
    index.fault(fault)
    second = resolve("B", **EXPIRED)
    assert second.code == 0, second.err
    assert installed(tmp_path / "B") == installed(tmp_path / "A")


def test_a_version_on_a_page_of_find_links_is_installed(
    install: Callable[..., Ran], index: Index, distributions: Path, tmp_path: Path
) -> None:
    # pypiserver's /packages/, a folder behind nginx: one page for all projects, which pip reads once a process.
    def listing(handler: faults.Handler) -> bool:
        names = sorted(path.name for path in distributions.glob("*.whl") if "alpha" in path.name or "beta" in path.name)
        links = "".join(f'<a href="/files/{name}">{name}</a>' for name in names)
        page = f"<html><head><title>Index of /dist</title></head><body>{links}</body></html>".encode()
        return faults.body(page)(handler)

    index.fault(listing, "^/dist/")
    find_links = ("--no-index", "--find-links", f"{index.origin}/dist/")
    assert install("A", *find_links, "alpha", "beta").code == 0
    packages.add_wheel(distributions, "alpha", "2.0")
    index.seen.clear()
    second = install("B", *find_links, "beta", "alpha==2.0")
    assert second.code == 0, second.err
    assert installed(tmp_path / "B") == ["alpha-2.0.dist-info", "beta-1.0.dist-info"]
    assert [seen.path for seen in index.seen].count("/dist/") == 1


@pytest.mark.parametrize("reason", [doubted, rejected])
def test_a_refreshed_project_gets_what_the_index_says(
    install: Callable[..., Ran],
    index: Index,
    distributions: Path,
    tmp_path: Path,
    reason: Callable[..., dict[str, str]],
) -> None:
    assert install("A", "alpha").code == 0
    packages.add_wheel(distributions, "alpha", "2.0")
    index.seen.clear()
    second = install("B", "alpha", CACHEDINDEX_REFRESH="alpha")
    assert second.code == 0, second.err
    assert installed(tmp_path / "B") == ["alpha-2.0.dist-info"]
    assert index.pages_seen() == [PAGE]
    reason(install, index)
    assert install("C", "alpha", CACHEDINDEX_REFRESH="alpha").code == 1, "as without us"


def test_a_refresh_in_an_outage_builds_from_the_copy(install: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    assert install("A", "alpha").code == 0
    index.fault(CLOSED)
    second = install("B", "alpha", CACHEDINDEX_REFRESH="alpha")
    assert second.code == 0, second.err
    assert installed(tmp_path / "A") == installed(tmp_path / "B")
    assert "it answered 503" in second.ours[-1]


def test_a_healthy_build_asks_for_nothing_twice(install: Callable[..., Ran], index: Index) -> None:
    assert install("A", "alpha", "beta").code == 0
    index.seen.clear()
    assert install("B", "alpha", "beta", **EXPIRED).code == 0
    assert index.pages_seen() == ["/simple/alpha/", "/simple/beta/"]


def test_an_egg_that_the_copy_lacks_is_installed(
    buildout: Callable[..., Ran], index: Index, distributions: Path, tmp_path: Path
) -> None:
    assert buildout("A").code == 0
    index.fault(CLOSED)
    assert buildout("failing", **EXPIRED).code == 0
    index.heal()
    packages.add_wheel(distributions, "alpha", "2.0", ("beta",))
    second = buildout("B", "versions:alpha=2.0", **EXPIRED)
    assert second.code == 0, second.err
    assert any(name.startswith("alpha-2.0") for name in eggs(tmp_path / "B"))
