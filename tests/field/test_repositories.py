"""Several repositories of one host, of which one fails: what became of builds that take from another one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Ran, Run
from tests.field.conftest import installed
from tests.index import Fault, Handler, Index, serving
from tests.integration.conftest import eggs

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0", "CACHEDINDEX_TIMEOUT": "1"}
HOW = {
    "503": faults.status(503),
    "503 with Retry-After": faults.status(503, {"Retry-After": "60"}),
    "429": faults.status(429),
    "hang": faults.hang,
    "login page": faults.body(faults.PORTAL),
}


def repository(index: Index, name: str) -> str:
    """Have the index answer below another path as well, and return the URL of its pages there."""
    prefix = f"/{name}"

    def fault(handler: Handler) -> bool:
        handler.path = handler.path.removeprefix(prefix)
        return True

    index.fault(fault, f"^{prefix}/")
    return f"{index.origin}{prefix}/simple/"


def kill(index: Index, name: str, fault: Fault) -> None:
    index.fault(fault, f"^/{name}/")
    index.faults.insert(0, index.faults.pop())


@pytest.mark.parametrize("how", HOW)
def test_one_repository_of_a_host_fails_and_its_neighbour_has_a_new_release(
    pip_install: Callable[..., Ran], index: Index, distributions: Path, tmp_path: Path, how: str
) -> None:
    # nexus-public#214, StatCan/aaw#750, devpi#577: a proxy repository is down, a hosted one beside it is well.
    remote, local = repository(index, "remote"), repository(index, "local")
    for folder, url in (("A", remote), ("B", local)):
        assert pip_install(folder, "alpha", PIP_INDEX_URL=url).code == 0
    kill(index, "remote", HOW[how])
    packages.add_wheel(distributions, "alpha", "2.0")

    first = pip_install("C", "alpha", PIP_INDEX_URL=remote, **EXPIRED)
    assert first.code == 0, first.err
    assert f"{index.origin}" in first.ours[-1]
    for bare in (True, False):
        second = pip_install(f"D{bare}", "alpha==2.0", PIP_INDEX_URL=local, bare=bare, **EXPIRED)
        assert second.code == 0, second.err
        assert second.ours == []
        assert installed(tmp_path / f"D{bare}") == ["alpha-2.0.dist-info"]


@pytest.mark.parametrize("how", ["503", "hang"])
def test_one_process_takes_from_both(
    pip_install: Callable[..., Ran], index: Index, distributions: Path, tmp_path: Path, how: str
) -> None:
    remote, local = repository(index, "remote"), repository(index, "local")
    both = {"PIP_INDEX_URL": remote, "PIP_EXTRA_INDEX_URL": local}
    assert pip_install("A", "alpha", **both).code == 0
    kill(index, "remote", HOW[how])
    packages.add_wheel(distributions, "epsilon", "2.0")
    index.seen.clear()
    second = pip_install("B", "alpha", "epsilon==2.0", **both, **EXPIRED)
    assert second.code == 0, second.err
    assert "epsilon-2.0.dist-info" in installed(tmp_path / "B")
    assert len([seen for seen in index.seen if seen.path.startswith("/remote/")]) == 2, "then it is left alone"
    assert "served 5 pages stale" in second.ours[-1]


def test_a_buildout_beside_a_dead_repository(
    pip_install: Callable[..., Ran], buildout: Callable[..., Ran], index: Index, distributions: Path, tmp_path: Path
) -> None:
    remote = repository(index, "remote")
    assert pip_install("A", "alpha", PIP_INDEX_URL=remote).code == 0
    assert buildout("one").code == 0
    kill(index, "remote", HOW["503"])
    packages.add_wheel(distributions, "alpha", "2.0")
    assert pip_install("B", "alpha", PIP_INDEX_URL=remote, **EXPIRED).code == 0
    second = buildout("two", "versions:alpha=2.0", **EXPIRED)
    assert second.code == 0, second.err
    assert second.ours == []
    assert any(name.startswith("alpha-2.0") for name in eggs(tmp_path / "two"))


SCRIPT = """
import requests, sys
from cachedindex import CachedIndexAdapter
session = requests.Session()
session.mount("http://", CachedIndexAdapter())
for url in sys.argv[1:]:
    response = session.get(url, timeout=15)
    print(response.status_code, "-2.0-" in response.text)
"""


def test_a_script_beside_a_dead_repository(run: Run, index: Index, distributions: Path) -> None:
    remote, local = repository(index, "remote"), repository(index, "local")
    pages = [f"{base}{name}/" for base in (remote, local) for name in ("alpha", "beta")]
    assert run(sys.executable, "-c", SCRIPT, *pages).out == "200 False\n" * 4
    kill(index, "remote", HOW["503"])
    packages.add_wheel(distributions, "alpha", "2.0")
    second = run(sys.executable, "-c", SCRIPT, *pages, **EXPIRED)
    assert second.out == "200 False\n200 False\n200 True\n200 False\n", second.err


@pytest.mark.parametrize("how", ["refused", "SYN not answered"])
def test_a_host_that_cannot_be_reached_is_left_alone_as_a_whole(
    run: Run, index: Index, tmp_path: Path, how: str
) -> None:
    remote, local = repository(index, "remote"), repository(index, "local")
    pages = [f"{base}{name}/" for base in (remote, local) for name in ("alpha", "beta")]
    assert run(sys.executable, "-c", SCRIPT, *pages).out == "200 False\n" * 4
    {"refused": index.refuse, "SYN not answered": index.overflow}[how]()
    second = run(sys.executable, "-c", SCRIPT, pages[0], pages[2], pages[1], pages[3], **EXPIRED)
    index.heal()
    assert second.out == "200 False\n" * 4, second.err
    (log,) = (tmp_path / "cache").glob("health-v1/*/*")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(event["url"], event["took"]) for event in events] == [(pages[0], -1.0), (pages[2], -1.0)]


@pytest.mark.parametrize("how", ["refused", "hang", "SYN not answered", "503"])
def test_an_index_redirects_some_projects_to_where_nobody_answers(
    pip_install: Callable[..., Ran], index: Index, distributions: Path, tmp_path: Path, how: str
) -> None:
    # pypiserver's fallback, nginx's 302: what the index has itself is not to be refused.
    assert pip_install("A", "alpha").code == 0
    packages.add_wheel(distributions, "alpha", "2.0")
    with serving(distributions) as fallback:
        index.fault(faults.redirect(f"{fallback.url}beta/"), "^/simple/beta/")
        index.fault(faults.redirect(f"{fallback.url}gamma/"), "^/simple/gamma/")
        {
            "refused": fallback.refuse,
            "hang": lambda: fallback.fault(faults.hang),
            "SYN not answered": fallback.overflow,
            "503": lambda: fallback.fault(faults.status(503)),
        }[how]()
        second = pip_install("B", "alpha==1.0", **EXPIRED)
        assert second.code == 0, second.err
        assert f"it redirects to {fallback.origin}, which failed: " in second.ours[-1]
        third = pip_install("C", "alpha==2.0", **EXPIRED)
        fallback.heal()
    assert third.code == 0, third.err
    assert third.ours == []
    assert installed(tmp_path / "C") == ["alpha-2.0.dist-info"]


@pytest.mark.parametrize("status", [429, 503])
def test_an_index_limits_the_rate(pip_install: Callable[..., Ran], index: Index, status: int) -> None:
    # airflow#50716: 429 with Retry-After, and each page of each build was asked for all the same.
    assert pip_install("A", "alpha").code == 0
    index.fault(faults.status(status, {"Retry-After": "60"}))
    index.seen.clear()
    for folder in ("B", "C"):
        build = pip_install(folder, "alpha", **EXPIRED)
        assert build.code == 0, build.err
        assert f"it answered {status} " in build.ours[-1]
        assert ", and asked to wait 60 s" in build.ours[-1]
    assert len(index.seen) == 1


def test_a_limit_holds_nobody_up_who_has_no_copy(pip_install: Callable[..., Ran], index: Index) -> None:
    assert pip_install("A", "epsilon").code == 0
    index.fault(faults.status(429, {"Retry-After": "60"}), "^/simple/epsilon/")
    assert pip_install("B", "epsilon", **EXPIRED).code == 0
    new = pip_install("C", "delta", "--no-deps", **EXPIRED)
    assert new.code == 0, new.err
