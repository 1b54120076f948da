"""Faults of files, pages being sound: what is stored is served, and what is not ends as it would without us."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import index as faults
from tests.clients import EXPIRED, NEWEST_PIP, OLDEST_PIP, Job, Pip
from tests.sites import Site, opened

PROJECTS = ("project-000", "project-001", "project-002")
IMPATIENT = {"PIP_DEFAULT_TIMEOUT": "1", "PIP_RETRIES": "1"}
FAULTS = {
    "accepts and never answers": faults.hang,
    "half a body, then silence": faults.stall,
    "reset": faults.reset,
    "500": faults.status(500),
    "404": faults.status(404),
    "cut": faults.cut,
    "login portal": faults.body(faults.PORTAL),
    "another file": faults.body(b"PK", "application/octet-stream"),
}

pytestmark = pytest.mark.slow


@pytest.fixture
def site(star: Path, tmp_path: Path) -> Iterator[Site]:
    with opened(star, "address", tmp_path / "site") as site:
        yield site


@pytest.fixture(params=[OLDEST_PIP, NEWEST_PIP])
def python(request: pytest.FixtureRequest, python_with: Callable[..., Path]) -> Path:
    return python_with(request.param)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_file_that_is_stored_is_served(site: Site, python: Path, tmp_path: Path, fault: faults.Fault) -> None:
    job = Job(Pip(python, PROJECTS), site, tmp_path / "job")
    assert job.build().code == 0
    site.index.fault(fault, "^/files/")
    site.index.seen.clear()

    build = job.build(EXPIRED)

    assert build.code == 0, build.said
    assert len(build.versions) == len(PROJECTS)
    assert len(site.index.seen) == len(PROJECTS), "pages only"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_file_that_is_not_stored_ends_as_without_us(
    site: Site, python: Path, tmp_path: Path, fault: faults.Fault
) -> None:
    site.index.fault(fault, "^/files/.*whl$")
    ours = Job(Pip(python, PROJECTS[:1]), site, tmp_path / "ours")
    bare = Job(Pip(python, PROJECTS[:1], covered=False), site, tmp_path / "bare")

    without = bare.build(IMPATIENT)
    with_us = ours.build(IMPATIENT)

    assert with_us.code == without.code
    assert without.code
    theirs = [line for line in with_us.said.splitlines() if line not in with_us.ours]
    assert theirs[-1] == without.said.splitlines()[-1]
    assert all(line.startswith("cachedindex: could not get project_000-1.0-py3-none-any.whl") for line in with_us.ours)
    site.heal()
    assert ours.build().code == 0, "nothing of it was stored"
