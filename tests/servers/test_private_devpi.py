"""A devpi that only users with a password reach: by an nginx in front of it, as its documentation has it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.servers import devpi
from tests.servers.builds import HOUR, Builds, assert_as_bare, assert_carried
from tests.servers.conftest import Serve
from tests.servers.kinds import FOLDER, NGINX_PASSWORDS, PASSWORDS

WANTED = ("alpha", "gamma")


@pytest.fixture
def builds(serve: Serve) -> Builds:
    """Give builds from the nginx."""
    behind = serve(devpi.BASED).server
    handed_on = f"location / {{{{ proxy_pass {behind.origin}; proxy_set_header Host $host:$server_port; }}}}"
    return serve(
        replace(
            FOLDER, name="nginx before devpi", path=devpi.BASED.path, access=PASSWORDS,
            options={"server": f"{NGINX_PASSWORDS} {handed_on}"}, offer=lambda _server: None,
        )
    )  # fmt: skip


def test_each_user_has_his_own_copies(builds: Builds) -> None:
    """Its pages say `no-store`; they serve in an outage all the same, to those credentials that they were got with."""
    alice, bob, mallory, nobody = (
        PASSWORDS.variables(builds.server, who) for who in ("alice", "bob", "mallory", "nobody")
    )
    filled = assert_as_bare(builds, *WANTED, **alice)
    assert filled.versions == ["alpha-1.0", "beta-1.0", "gamma-1.0"]
    builds.age(2 * HOUR)
    assert assert_as_bare(builds, *WANTED, **alice).versions == filled.versions
    for refused in (mallory, nobody):
        assert (builds.bare(*WANTED, **refused).code, builds.ours(*WANTED, **refused).code) == (1, 1)
    builds.age(2 * HOUR)
    builds.server.daemon.kill()
    assert_carried(builds, filled, *WANTED, **alice)
    copies = [path for path in builds.cache.rglob("*") if path.is_file()]
    assert not any(b"-secret" in path.read_bytes() for path in copies)
    shared = [path for path in copies if "private-v1" not in path.parts]
    assert not any(b"alpha" in path.read_bytes() for path in shared)
    for refused in (bob, mallory, nobody):
        assert builds.ours(*WANTED, **refused).code == 1
