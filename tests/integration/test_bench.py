"""Each bench runs once, small, for its sanity. Nothing here looks at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import objects as object_stores, packages
from tests.conftest import Ran, Run
from tests.environments import CHECKOUT
from tests.index import Index, json_page, project_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bench")]
Bench = Callable[..., Ran]


@pytest.fixture
def bench(run: Run) -> Bench:
    """Return what runs a bench, which is skipped if this machine's index does not give it its clients."""

    def bench(name: str, *arguments: object, **variables: str) -> Ran:
        ran = run(sys.executable, "-m", f"bench.{name}", *arguments, cwd=CHECKOUT, **variables)
        if "from this machine's index" in ran.err:
            pytest.skip(ran.err)
        assert "Traceback" not in ran.err, ran.err
        return ran

    return bench


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return a recording of 3 projects, as bench/recording.py makes one of 153."""
    files, pages = tmp_path / "recording/files", tmp_path / "recording/pages"
    for folder in (files, pages):
        folder.mkdir(parents=True)
    for name, requires in (("first", ("second", "third")), ("second", ()), ("third", ())):
        for version in ("1.0", "1.1"):
            packages.add_wheel(files, name, version, requires)
    for name in {project_of(path.name) for path in files.iterdir()}:
        found = [path for path in sorted(files.iterdir()) if project_of(path.name) == name]
        (pages / f"{name}.json").write_bytes(json_page(name, found))
    (files.parent / "roots.txt").write_text("first\n")
    return files.parent


def test_resolve(bench: Bench, recording: Path, tmp_path: Path) -> None:
    """All states of a pip, an installation and a buildout come to the same files."""
    page = tmp_path / "page.md"
    small = ("--recording", recording, "--latency", 0, "--rounds", 1, "--buildout", "--markdown", page)
    assert bench("resolve", *small).code == 0
    text = page.read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## pip",
        "## Installation",
        "## buildout",
    ]
    assert "3 projects" in text


def test_links(bench: Bench, recording: Path) -> None:
    ran = bench("links", "--recording", recording, "--more", 0, "--pip", "pip==26.3")
    assert ran.code == 0
    assert "pip==26.3" in ran.out


def test_healthy(bench: Bench) -> None:
    """A fresh build asks nothing; whether it is fast enough is a matter of the machine."""
    ran = bench("healthy", "--client", "requests", "--rounds", 1)
    assert "(0 of 120)" in ran.out


def test_faults(bench: Bench) -> None:
    ran = bench("faults", "--fault", "refused", "--client", "requests")
    assert "| refused" in ran.out


def test_start(bench: Bench) -> None:
    assert "1 rounds" in bench("start", 1).out


def test_tools(bench: Bench) -> None:
    ran = bench("tools", "--rounds", 1, "--tool", "pipx")
    assert ran.code == 0
    assert "pipx --version, CPU" in ran.out


def test_overhead(bench: Bench) -> None:
    ran = bench("overhead", "--rounds", 1, "--projects", 3)
    assert ran.code == 0
    assert "revalidate" in ran.out


def test_buildout(bench: Bench, index: Index, distributions: Path) -> None:
    for version in ("1.0", "1.1"):
        packages.add_wheel(distributions, "large", version)
    ran = bench("buildout", "--big", "large==1.0", "--others", "large", buildout_testing_index_url=index.url)
    assert ran.code == 0
    assert "2 of 2 pinned projects" in ran.out


def test_scale(bench: Bench, recording: Path, tmp_path: Path) -> None:
    """Each build of a fleet succeeds, and a new node is brought all that the first ones have sent."""
    pytest.importorskip("obstore", reason="SKIPPED FOR WANT OF obstore: pip install --editable .[remote]")
    if why := object_stores.missing():
        pytest.skip(why)
    page = tmp_path / "page.md"
    small = ("--nodes", 4, "--builds", 3, "--jobs", 2, "--at-once", 1, "--rounds", 1)
    assert bench("scale", *small, "--recording", recording, "--markdown", page).code in (0, 1)
    text = page.read_text()
    assert "| first of a new node" in text
    assert "100.0%" in text
    assert "## 10,000 nodes, on paper" in text
