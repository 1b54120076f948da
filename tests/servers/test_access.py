"""Servers that know their users: right, wrong and revoked credentials, and what of one user another one is given."""

from __future__ import annotations

from collections.abc import Mapping

from tests.servers.builds import HOUR, Builds, Built, assert_as_bare, assert_carried
from tests.servers.conftest import of_each
from tests.servers.kinds import CLOSED

each = of_each(CLOSED)
WANTED = ("alpha", "gamma")


def as_user(builds: Builds, user: str) -> Mapping[str, str]:
    assert builds.server.kind.access
    return builds.server.kind.access.variables(builds.server, user)


def admit(builds: Builds, *users: str) -> None:
    assert builds.server.kind.access
    builds.server.kind.access.admit(builds.server, (*users, "visitor"))


def filled_by(builds: Builds, user: str) -> Built:
    """Have a cache that a user has filled, some hours ago."""
    built = assert_as_bare(builds, *WANTED, **as_user(builds, user))
    assert built.versions == ["alpha-1.0", "beta-1.0", "gamma-1.0"]
    builds.age(2 * HOUR)
    return built


def assert_refused(builds: Builds, user: str) -> Built:
    """Assert that a user is given nothing, with us or without us, and return our build."""
    variables = as_user(builds, user)
    bare, ours = builds.bare(*WANTED, **variables), builds.ours(*WANTED, **variables)
    assert (ours.code, ours.modules) == (bare.code, bare.modules) == (1, {}), ours.said
    assert not any("Traceback" in line for line in ours.said)
    return ours


@each
def test_right_credentials(builds: Builds) -> None:
    filled = filled_by(builds, "alice")
    assert assert_as_bare(builds, *WANTED, **as_user(builds, "alice")).modules == filled.modules


@each
def test_right_credentials_in_an_outage(builds: Builds) -> None:
    filled = filled_by(builds, "alice")
    builds.server.daemon.kill()
    assert_carried(builds, filled, *WANTED, **as_user(builds, "alice"))


@each
def test_another_users_right_credentials(builds: Builds) -> None:
    filled_by(builds, "alice")
    builds.server.publish("gamma", "2.0")
    assert "gamma-2.0" in assert_as_bare(builds, *WANTED, **as_user(builds, "bob")).versions
    builds.server.daemon.kill()
    assert builds.ours(*WANTED, **as_user(builds, "bob")).code == 0
    assert "gamma-1.0" in builds.ours(*WANTED, **as_user(builds, "alice")).versions


@each
def test_what_one_user_has_stored_is_not_anothers_in_an_outage(builds: Builds) -> None:
    filled_by(builds, "alice")
    builds.server.daemon.kill()
    assert_refused(builds, "bob")


@each
def test_wrong_credentials(builds: Builds) -> None:
    filled_by(builds, "alice")
    ours = assert_refused(builds, "mallory")
    assert len(ours.ours) <= 1, ours.ours
    builds.server.daemon.kill()
    assert_refused(builds, "mallory")


@each
def test_no_credentials(builds: Builds) -> None:
    filled_by(builds, "alice")
    assert len(assert_refused(builds, "nobody").ours) <= 1
    builds.server.daemon.kill()
    assert_refused(builds, "nobody")


@each
def test_no_credentials_and_nobody_to_ask_for_them(builds: Builds) -> None:
    filled_by(builds, "alice")
    builds.variables["PIP_NO_INPUT"] = "0"
    builds.server.daemon.kill()
    assert_refused(builds, "nobody")


@each
def test_one_users_refusal_is_nobody_elses_outage(builds: Builds) -> None:
    filled_by(builds, "alice")
    for _ in range(2):
        assert_refused(builds, "mallory")
    builds.server.publish("gamma", "2.0")
    assert "gamma-2.0" in assert_as_bare(builds, *WANTED, **as_user(builds, "alice")).versions


@each
def test_revoked_credentials(builds: Builds) -> None:
    filled_by(builds, "alice")
    admit(builds, "bob")
    assert_refused(builds, "alice")
    builds.server.daemon.kill()
    assert_refused(builds, "alice")


@each
def test_credentials_that_are_valid_again(builds: Builds) -> None:
    filled_by(builds, "alice")
    admit(builds, "bob")
    assert_refused(builds, "alice")
    admit(builds, "alice", "bob")
    again = assert_as_bare(builds, *WANTED, **as_user(builds, "alice"))
    builds.age(2 * HOUR)
    builds.server.daemon.kill()
    assert_carried(builds, again, *WANTED, **as_user(builds, "alice"))
