"""What is said of a remote, from what runs have kept of it."""

from __future__ import annotations

import pytest

from cachedindex.model import RemoteUse, Run
from cachedindex.run import traffic

URL = "s3://builds/ci"
BROUGHT = RemoteUse(URL, "before", asked=10, found=8, refused=1, received=3_400_000, latency=0.03, took=0.5)
SENT = RemoteUse(URL, "after", sent=2, sent_bytes=120_000, latency=0.01, took=0.2, left=3)
SILENT = RemoteUse(URL, "before", took=5.0, problem="does not answer")


def a_run(*uses: RemoteUse) -> Run:
    return Run("pip install six", "", "", 1e9, 1.0, 0, remote=uses)


def test_what_a_run_had_is_one_line() -> None:
    found = traffic.of_runs([a_run(BROUGHT, SENT)])
    assert found is not None
    assert traffic.line(traffic.as_json(found)) == (
        "s3://builds/ci: 8 of 10 objects came from there (80%, 3.4 MB), 2 were sent (120.0 kB), "
        "1 were not what they should be, 3 were left for want of time, answers in 0.03 s"
    )
    as_json = traffic.as_json(found)
    assert (as_json["reachable"], as_json["hit_rate"], as_json["received_bytes"]) == (True, 0.8, 3_400_000)
    assert as_json["waited"] == 0.7


def test_one_that_does_not_answer_is_named_with_its_problem() -> None:
    found = traffic.of_runs([a_run(BROUGHT), a_run(SILENT)])
    assert found is not None
    assert traffic.line(traffic.as_json(found)).startswith("s3://builds/ci: does not answer, 8 of 10 objects")
    assert found.problem == "does not answer"


def test_the_last_run_says_whether_it_answers() -> None:
    found = traffic.of_runs([a_run(SILENT), a_run(BROUGHT, SENT)])
    assert found is not None
    assert found.problem == ""


def test_only_what_the_last_remote_gave_counts() -> None:
    found = traffic.of_runs([a_run(BROUGHT._replace(place="s3://old")), a_run(SENT), a_run()])
    assert found is not None
    assert traffic.line(traffic.as_json(found)) == (
        "s3://builds/ci: 2 were sent (120.0 kB), 3 were left for want of time, answers in 0.01 s"
    )
    assert traffic.as_json(found)["hit_rate"] is None


def test_a_run_without_a_remote_has_nothing_to_say() -> None:
    assert traffic.of_runs([a_run()]) is None
    said = traffic.as_json(traffic.Traffic(URL))
    assert said["reachable"] is None
    assert traffic.line(said) == "s3://builds/ci: nothing was asked of it"


def test_what_a_store_says_cannot_reach_a_terminal() -> None:
    found = traffic.of_runs([a_run(SILENT._replace(problem="\x1b[2J\nno"))])
    assert found is not None
    assert traffic.line(traffic.as_json(found)) == r"s3://builds/ci: \x1b[2J\x0ano"


@pytest.mark.parametrize("uses", [(BROUGHT, SENT), (SENT, BROUGHT, BROUGHT)])
def test_each_phase_is_summed_by_itself(uses: tuple[RemoteUse, ...]) -> None:
    found = traffic.of_runs([a_run(*uses)])
    assert found is not None
    assert [words for words, _ in traffic.by_phase(found)] == ["before the build", "after the build"]
