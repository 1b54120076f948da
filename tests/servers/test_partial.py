"""Servers that answer some requests well and others not: by a limit of their own, or as they redirect them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests import packages
from tests.index import Index, serving as serving_index
from tests.servers.builds import HOUR, Builds, assert_as_bare, assert_carried
from tests.servers.conftest import Serve
from tests.servers.kinds import FOLDER, PYPISERVER

WANTED = ("alpha", "gamma")
LIMITED = replace(
    FOLDER,
    options={
        "http": "limit_req_zone $binary_remote_addr zone=one:1m rate=6r/m;",
        "server": "location /simple/ {{ limit_req zone=one burst=5 nodelay; }}",
    },
)


@pytest.fixture
def limited(serve: Serve) -> Builds:
    """Give builds from a server that has just answered one too many."""
    builds = serve(LIMITED)
    assert builds.ours(*WANTED).code == 0
    builds.age(2 * HOUR)
    exhaust(builds)
    return builds


def exhaust(builds: Builds) -> None:
    # limit_req answers 503 without Retry-After to what is over the rate, and 200 to what is not.
    assert any(builds.server.get("/simple/gamma/").status_code == 503 for _ in range(20))


def test_nginx_limits_requests(limited: Builds) -> None:
    bare, ours = limited.bare(*WANTED), limited.ours(*WANTED)
    assert bare.code == 1
    assert ours.code == 0, ours.said
    assert ours.versions == ["alpha-1.0", "beta-1.0", "gamma-1.0"]
    assert len(ours.ours) == 1


def test_nginx_limits_requests_and_has_a_new_release(limited: Builds) -> None:
    limited.server.publish("gamma", "2.0")
    ours = limited.ours("gamma==2.0", PIP_RETRIES="7")
    assert ours.code == 0, ours.said


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Index]:
    """Give an index that another one redirects to."""
    folder = tmp_path / "behind"
    folder.mkdir()
    for name in ("delta", "epsilon", "zeta"):
        packages.add_wheel(folder, name, "1.0")
    with serving_index(folder) as index:
        yield index


def test_pypiserver_redirects_what_it_does_not_have(serve: Serve, behind: Index) -> None:
    builds = serve(replace(PYPISERVER, options={"fallback": behind.url}))
    more = (*WANTED, "delta", "epsilon")
    assert_as_bare(builds, *more)
    builds.age(2 * HOUR)
    filled = assert_as_bare(builds, *more)
    builds.age(2 * HOUR)
    behind.refuse()
    assert builds.bare(*more).code == 1
    carried = builds.ours(*more)
    assert (carried.code, carried.modules) == (0, filled.modules), carried.said
    assert behind.origin in carried.ours[0]
    builds.age(2 * HOUR)
    assert builds.ours("delta", "epsilon", "zeta").code == 1, "zeta is not stored"
    builds.server.publish("gamma", "2.0")
    assert "gamma-2.0" in assert_as_bare(builds, *WANTED).versions


def test_fast_deps_of_a_listing_without_hashes(serve: Serve) -> None:
    """pip asks for a wheel by HEAD and for ranges of it; the whole one is stored."""
    builds = serve(FOLDER)
    filled = assert_as_bare(builds, *WANTED)
    builds.age(2 * HOUR)
    builds.server.daemon.kill()
    assert_carried(builds, filled, *WANTED, PIP_USE_FEATURE="fast-deps")
