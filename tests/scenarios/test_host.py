"""Many builds on one host, whose cache they share."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cachedindex.options import FAIL_TIMEOUT, MAX_FAILS
from tests import index as faults
from tests.ageing import age
from tests.clients import EXPIRED, NEWEST_PIP, Build, Job, Pip, Script
from tests.sites import Site, opened

RUNS = 40
FEW = ("project-000", "project-001", "project-002", "project-003", "project-004")

pytestmark = pytest.mark.slow


@pytest.fixture
def site(star: Path, tmp_path: Path) -> Iterator[Site]:
    with opened(star, "address", tmp_path / "site") as site:
        yield site


@pytest.fixture
def jobs(site: Site, tmp_path: Path) -> list[Job]:
    """Give forty jobs with one cache, which holds what they need. Forty pips would take a minute of two cores."""
    jobs = [Job(Script(FEW), site, tmp_path / f"job-{number}", tmp_path / "cache") for number in range(RUNS)]
    assert jobs[0].build().code == 0
    return jobs


def at_once(jobs: Sequence[Job]) -> list[Build]:
    jobs[0].site.index.seen.clear()
    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(lambda job: job.build(EXPIRED), jobs))


def opened_at(cache: Path) -> float:
    """Return when the breaker opened: as the second URL failed, in seconds since the epoch."""
    lines = [line for path in (cache / "health-v1").rglob("*.*") for line in path.read_text("utf-8").splitlines()]
    failures = sorted((event["at"], event["url"]) for event in map(json.loads, lines) if event["what"] == "failed")
    return float(next(at for at, url in failures if url != failures[0][1]))


@pytest.mark.parametrize("fault", [faults.hang, faults.status(500)], ids=["accepts and never answers", "500"])
def test_forty_builds_at_once_find_out_together(jobs: list[Job], site: Site, fault: faults.Fault) -> None:
    site.index.fault(fault)

    builds = at_once(jobs)

    assert {build.code for build in builds} == {0}
    assert len(site.index.seen) <= RUNS * MAX_FAILS
    opened = opened_at(jobs[0].cache)
    late = [seen.path for seen in site.index.seen if seen.began > opened]
    assert len(late) <= MAX_FAILS, "a look-up or two may have been admitted just before"

    age(jobs[0].cache, FAIL_TIMEOUT)
    assert {build.code for build in at_once(jobs)} == {0}
    assert len(site.index.seen) == 1, "one probe, by whoever came first"


@pytest.fixture
def broken(site: Site, python_with: Callable[..., Path], tmp_path: Path) -> Iterator[Job]:
    """Give a job whose proxy refuses every connection, and whose cache holds what it needs."""
    job = Job(Pip(python_with(NEWEST_PIP), FEW), site, tmp_path / "broken", tmp_path / "cache")
    assert job.build().code == 0
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        ran = job.build(EXPIRED, {"http_proxy": proxy, "no_proxy": ""})
        assert ran.code == 0, ran.said
        assert f"served {len(FEW)} pages stale" in ran.ours[-1]
        site.index.seen.clear()
        yield job


def test_a_broken_proxy_says_nothing_of_the_index(broken: Job, site: Site, tmp_path: Path) -> None:
    job = Job(broken.client, site, tmp_path / "healthy", broken.cache)
    ran = job.build(EXPIRED)
    assert ran.code == 0, ran.said
    assert ran.ours == []
    assert len(site.index.pages_seen()) == len(FEW)


def test_a_cold_build_beside_one_with_a_broken_proxy(
    broken: Job, site: Site, python_with: Callable[..., Path], tmp_path: Path
) -> None:
    others = Pip(python_with(NEWEST_PIP), ("project-010", "project-011"))
    ran = Job(others, site, tmp_path / "cold", broken.cache).build()
    assert ran.code == 0, ran.said
    assert ran.ours == []
    assert len(ran.versions) == 2
