"""One life for every server: what happens to each, and what becomes of a build with us beside the one without."""

from __future__ import annotations

from tests.servers.builds import HOUR, Builds, Built, assert_as_bare, assert_carried, beside
from tests.servers.conftest import of_each
from tests.servers.kinds import KINDS, LIKE_THEM, LINKS

each = of_each(KINDS)
all_of_each = of_each([*KINDS, *LIKE_THEM])
WANTED = ("alpha", "gamma")


@all_of_each
def test_nothing_is_stored(builds: Builds) -> None:
    assert assert_as_bare(builds, *WANTED).versions == ["alpha-1.0", "beta-1.0", "gamma-1.0"]


@each
def test_all_is_fresh(builds: Builds, filled: Built) -> None:
    assert assert_as_bare(builds, *WANTED).modules == filled.modules


@each
def test_all_has_expired(builds: Builds, filled: Built) -> None:
    builds.age(2 * HOUR)
    assert assert_as_bare(builds, *WANTED).modules == filled.modules


@all_of_each
def test_a_release_is_published(builds: Builds, filled: Built) -> None:
    builds.server.publish("alpha", "2.0", ("beta",))
    builds.server.publish("gamma", "2.0")
    assert_as_bare(builds, "alpha==2.0")
    builds.age(2 * HOUR)
    assert "gamma-2.0" in assert_as_bare(builds, *WANTED).versions


@each
def test_a_release_is_deleted(builds: Builds) -> None:
    builds.server.publish("gamma", "2.0")
    assert "gamma-2.0" in builds.ours(*WANTED).versions
    builds.server.delete("gamma", "2.0")
    assert_removal_is_believed(builds)


@each
def test_a_project_is_deleted(builds: Builds, filled: Built) -> None:
    builds.server.delete("gamma")
    assert_removal_is_believed(builds)


def assert_removal_is_believed(builds: Builds) -> None:
    """Assert that it may be in doubt at first, and is not for long, as the index is well otherwise."""
    builds.age(2 * HOUR)
    at_first = builds.ours(*WANTED)
    assert len(at_first.ours) <= 1, at_first.said
    builds.age(HOUR)
    assert builds.ours("alpha").code == 0
    builds.age(HOUR)
    bare, ours = beside(builds, *WANTED)
    assert (ours.code, ours.modules) == (bare.code, bare.modules), ours.said


@of_each([kind for kind in [*KINDS, *LIKE_THEM] if kind.yanks])
def test_a_release_is_yanked(builds: Builds) -> None:
    builds.server.publish("gamma", "2.0")
    assert "gamma-2.0" in builds.ours(*WANTED).versions
    builds.server.yank("gamma", "2.0")
    builds.age(2 * HOUR)
    assert "gamma-1.0" in assert_as_bare(builds, *WANTED).versions


@each
def test_a_file_has_other_bytes(builds: Builds, filled: Built) -> None:
    builds.server.replace("gamma", "1.0")
    builds.age(2 * HOUR)
    assert "is_other" in assert_as_bare(builds, *WANTED).modules["gamma-1.0"]


@of_each([*KINDS, LINKS])
def test_it_is_killed(builds: Builds, filled: Built) -> None:
    builds.age(2 * HOUR)
    builds.server.daemon.kill()
    assert "it refused the connection" in assert_carried(builds, filled, *WANTED).ours[0]
    bare, ours = builds.bare(*WANTED), builds.ours(*WANTED, CACHEDINDEX_CACHE_DIR=str(builds.cache.with_name("empty")))
    assert ours.code == bare.code == 1
    assert not any("Traceback" in line for line in ours.said)


@each
def test_it_hangs(builds: Builds, filled: Built) -> None:
    builds.age(2 * HOUR)
    builds.server.daemon.hang()
    assert_carried(builds, filled, *WANTED, PIP_TIMEOUT="1")


@each
def test_it_is_wrecked(builds: Builds, filled: Built) -> None:
    builds.age(2 * HOUR)
    builds.server.wreck()
    assert_carried(builds, filled, *WANTED)


@each
def test_it_is_restarted_in_mid_run(builds: Builds, filled: Built) -> None:
    builds.age(2 * HOUR)
    with builds.job() as install:
        builds.server.daemon.kill()
        assert install("alpha") == 0
        builds.server.daemon.start()
        builds.server.publish("gamma", "2.0")
        builds.server.publish("delta", "1.0")
        assert install("gamma==2.0", "delta") == 0
