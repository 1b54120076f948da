"""What becomes of an outage as time passes; nobody waits, the cache is made older."""

from __future__ import annotations

import pytest

from cachedindex.options import CONFIRM_AFTER, FAIL_TIMEOUT, MAX_FAILS
from tests.ageing import age
from tests.clients import EXPIRED, Build, Job, bodies
from tests.faults import FAULTS

MINUTES = 10
LASTING = ("404 for all", "empty list", "another project's page", "older serial", "login portal")


def build(job: Job) -> Build:
    job.site.index.seen.clear()
    return job.build(EXPIRED)


@pytest.mark.parametrize("name", LASTING)
def test_ten_minutes_convince_nobody(script: Job, name: str) -> None:
    FAULTS[name].begin(script.site)
    for _ in range(MINUTES):
        lasting = build(script)
        assert lasting.code == 0, lasting.said
        assert lasting.versions == script.healthy.versions
        assert bodies(script.cache) == script.pages
        age(script.cache, 60)


def test_a_project_that_stays_away_is_believed_to_be_gone(script: Job) -> None:
    FAULTS["404 for one page"].begin(script.site)
    assert build(script).code == 0
    age(script.cache, CONFIRM_AFTER + 1)

    gone = build(script)

    assert gone.code == 1
    assert "404" in gone.said


@pytest.mark.parametrize("name", ["refused", "500", "reset"])
def test_upstream_is_used_again_by_the_first_build_after_the_pause(script: Job, name: str) -> None:
    FAULTS[name].begin(script.site)
    assert build(script).code == 0
    script.site.heal()
    within = build(script)
    assert within.code == 0
    assert script.site.index.seen == []
    age(script.cache, FAIL_TIMEOUT)

    after = build(script)

    assert after.code == 0
    assert after.ours == []
    assert sorted(script.site.index.pages_seen()) == sorted(f"/simple/{name}/" for name in script.client.projects)


def test_each_pause_has_one_probe_and_is_longer_than_the_last(script: Job) -> None:
    FAULTS["500"].begin(script.site)
    asked = []
    for seconds in (0, FAIL_TIMEOUT, FAIL_TIMEOUT, FAIL_TIMEOUT, 2 * FAIL_TIMEOUT):
        age(script.cache, seconds)
        assert build(script).code == 0
        asked.append(len(script.site.index.seen))
    assert asked == [MAX_FAILS, 1, 0, 1, 0]
