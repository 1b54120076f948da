"""Proxies between a client and its index: what they do is theirs, and never the index's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import packages
from tests.index import Index, serving as serving_index
from tests.servers.builds import HOUR, Builds, Built, assert_as_bare, assert_carried
from tests.servers.conftest import of_each
from tests.servers.kinds import PROXIES
from tests.sites import new_authority, trusting

WANTED = ("alpha", "gamma")
each = of_each(PROXIES)


@pytest.fixture(params=["plain", "CONNECT"])
def index(request: pytest.FixtureRequest, offered: Path, tmp_path: Path) -> Iterator[Index]:
    """Give the index behind the proxy, which is asked in the one way or the other."""
    folder = tmp_path / "distributions"
    folder.mkdir()
    for path in offered.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    authority = new_authority() if request.param == "CONNECT" else None
    if authority:
        authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with serving_index(folder, authority=authority) as index:
        index.validators = True
        yield index


@pytest.fixture
def builds(builds: Builds, index: Index, tmp_path: Path) -> Builds:
    """Give builds that go through the proxy."""

    def seen() -> list[str]:
        paths = [request.path for request in index.seen]
        index.seen.clear()
        return paths

    builds.seen = seen
    # tinyproxy closes connections that pip would use again.
    builds.variables |= {"PIP_INDEX_URL": index.url, "PIP_RETRIES": "1", **through(builds)}
    if index.certificate:
        builds.variables |= trusting(tmp_path / "authority.pem")
    return builds


def through(builds: Builds, password: str = "alice-secret") -> dict[str, str]:
    return {"PIP_PROXY": f"http://alice:{password}@127.0.0.1:{builds.server.port}", "no_proxy": "", "NO_PROXY": ""}


@pytest.fixture
def filled(builds: Builds) -> Built:
    built = assert_as_bare(builds, *WANTED)
    assert built.versions == ["alpha-1.0", "beta-1.0", "gamma-1.0"]
    builds.age(2 * HOUR)
    return built


@each
def test_all_has_expired(builds: Builds, filled: Built) -> None:
    assert assert_as_bare(builds, *WANTED).modules == filled.modules


@each
def test_a_release_is_published(builds: Builds, filled: Built, index: Index) -> None:
    packages.add_wheel(index.folder, "gamma", "2.0")
    assert "gamma-2.0" in assert_as_bare(builds, *WANTED).versions


@each
def test_the_proxy_is_killed(builds: Builds, filled: Built) -> None:
    builds.server.daemon.kill()
    assert "proxy" in assert_carried(builds, filled, *WANTED).ours[0]


@each
def test_the_proxy_hangs(builds: Builds, filled: Built) -> None:
    builds.server.daemon.hang()
    assert_carried(builds, filled, *WANTED, PIP_TIMEOUT="1")


@each
def test_the_index_is_down(builds: Builds, filled: Built, index: Index) -> None:
    index.refuse()
    assert_carried(builds, filled, *WANTED)


@each
def test_a_wrong_password_for_the_proxy(builds: Builds, filled: Built, index: Index) -> None:
    wrong = through(builds, "mallory-secret")
    for _ in range(2):
        assert builds.bare(*WANTED, **wrong).code == 1
        ours = builds.ours(*WANTED, **wrong)
        assert ours.code == 1 or ours.modules == filled.modules
        assert not any("Traceback" in line for line in ours.said)
    packages.add_wheel(index.folder, "gamma", "2.0")
    assert "gamma-2.0" in assert_as_bare(builds, *WANTED).versions
