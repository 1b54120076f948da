"""Many builds on one host, whose cache they share."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cachedindex.settings import FAIL_TIMEOUT, MAX_FAILS
from tests import index as faults
from tests.ageing import age
from tests.clients import EXPIRED, NEWEST_PIP, Build, Job, Pip
from tests.scenarios.conftest import JobOf
from tests.sites import Site, opened

RUNS = 40
FEW = ("project-000", "project-001", "project-002", "project-003", "project-004")

pytestmark = pytest.mark.slow


@pytest.fixture
def site(star: Path, tmp_path: Path) -> Iterator[Site]:
    with opened(star, "address", tmp_path / "site") as site:
        yield site


@pytest.fixture
def jobs(site: Site, python_with: Callable[..., Path], tmp_path: Path) -> list[Job]:
    """Give forty jobs with one cache, which holds what they need."""
    pip = Pip(python_with(NEWEST_PIP), FEW)
    jobs = [Job(pip, site, tmp_path / f"job-{number}", tmp_path / "cache") for number in range(RUNS)]
    assert jobs[0].build().code == 0
    return jobs


def at_once(jobs: Sequence[Job], **variables: str) -> list[Build]:
    jobs[0].site.index.seen.clear()
    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(lambda job: job.build(**EXPIRED, **variables), jobs))


def opened_at(cache: Path) -> float:
    """Return when the breaker opened: as the second URL failed, in seconds since the epoch."""
    lines = [line for path in (cache / "health-v1").rglob("*") if path.is_file() for line in path.open()]
    failures = sorted((event["at"], event["url"]) for event in map(json.loads, lines) if event["what"] == "failed")
    first = failures[0][1]
    return float(next(at for at, url in failures if url != first))


@pytest.mark.parametrize("fault", [faults.hang, faults.status(500)], ids=["accepts and never answers", "500"])
def test_forty_builds_at_once_find_out_together(jobs: list[Job], site: Site, fault: faults.Fault) -> None:
    site.index.fault(fault)

    builds = at_once(jobs, CACHEDINDEX_TIMEOUT="3")

    assert {build.code for build in builds} == {0}
    at = opened_at(jobs[0].cache)
    under_way = [seen for seen in site.index.seen if seen.began <= at < seen.ended]
    assert len(site.index.seen) <= len(under_way) + MAX_FAILS

    age(jobs[0].cache, FAIL_TIMEOUT)
    assert {build.code for build in at_once(jobs)} == {0}
    assert len(site.index.seen) == 1, "one probe, by whoever came first"


def test_a_build_with_a_broken_proxy_is_nobody_elses(jobs: list[Job], site: Site) -> None:
    broken, healthy = jobs[:2]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        ran = broken.build(**EXPIRED, http_proxy=proxy, no_proxy="")
    assert ran.code == 0, ran.said
    assert "it refused the connection" in ran.ours[-1] or "proxy" in ran.ours[-1]
    assert len(ran.ours) == 1
    site.index.seen.clear()

    ran = healthy.build(**EXPIRED)
    assert ran.code == 0, ran.said
    assert ran.ours == []
    assert len(site.index.pages_seen()) == len(FEW)


def test_a_cold_build_beside_one_with_a_broken_proxy(jobs: list[Job], site: Site, tmp_path: Path) -> None:
    cold = Job(Pip(jobs[0].client.python, ("project-010", "project-011")), site, tmp_path / "cold", jobs[0].cache)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert jobs[0].build(**EXPIRED, http_proxy=proxy, no_proxy="").code == 0
    ran = cold.build()
    assert ran.code == 0, ran.said
    assert ran.ours == []
    assert len(ran.versions) == 2
