"""Every fault, real clients, 120 projects whose pages have all expired: the build comes out as without the fault."""

from __future__ import annotations

import pytest

from cachedindex.options import MAX_FAILS
from tests.clients import EXPIRED, Job, bodies
from tests.faults import FAULTS, Fault
from tests.scenarios.conftest import JobOf

QUICKLY = {**EXPIRED, "CACHEDINDEX_TIMEOUT": "1"}

pytestmark = pytest.mark.slow

CLIENTS = ("oldest pip", "newest pip", "buildout")
COMPLETE = ("429", "login portal", "302 to a login page", "empty list", "another project's page", "older serial",
            "404 for one page", "404 for all", "redirect loop")  # fmt: skip
"""Answers that arrive whole, so that it makes no difference which urllib3 reads them: the newest pip is enough."""
CASES = [
    pytest.param(name, client, marks=pytest.mark.xdist_group(client))  # One worker fills a client's cache, once.
    for name in FAULTS
    for client in CLIENTS
    if client != "oldest pip" or name not in COMPLETE
]


@pytest.mark.parametrize(("name", "client"), CASES)
def test_the_build_comes_out_the_same(job_of: JobOf, name: str, client: str) -> None:
    survives(job_of(client, FAULTS[name].door), FAULTS[name])


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.failure])
def test_the_next_build_within_the_pause_asks_nothing(job_of: JobOf, name: str) -> None:
    job = job_of("script", FAULTS[name].door)
    survives(job, FAULTS[name])
    FAULTS[name].begin(job.site)
    job.site.index.seen.clear()
    try:
        build = job.build(QUICKLY)
    finally:
        job.site.heal()
    assert build.code == 0, build.said
    assert job.site.index.seen == []


IN_HTML = ("body shorter than Content-Length", "chunked without an end", "gzip cut", "login portal", "empty list",
           "broken JSON of the right length", "another project's page", "older serial", "200 with no body")  # fmt: skip


@pytest.mark.xdist_group("html")
@pytest.mark.parametrize("name", IN_HTML)
def test_pages_in_html_hide_no_fault(html_job: Job, name: str) -> None:
    survives(html_job, FAULTS[name])


def survives(job: Job, fault: Fault) -> None:
    fault.begin(job.site)
    try:
        build = job.build(QUICKLY)
        asked = len(job.site.index.seen)
    finally:
        job.site.heal()

    assert build.code == 0, build.said
    assert build.versions == job.healthy.versions
    assert bodies(job.cache) == job.pages
    assert asked <= (MAX_FAILS if fault.failure else len(job.pages)) * fault.hops
    assert len(build.ours) == 1, "it says so, once"
