"""A devpi that only users with a password reach: by an nginx in front of it, as its documentation has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.servers import devpi
from tests.servers.builds import HOUR, Builds, assert_as_bare, assert_carried
from tests.servers.kinds import FOLDER, NGINX_PASSWORDS, PASSWORDS
from tests.servers.server import Kind, serving

WANTED = ("alpha", "gamma")


@pytest.fixture
def builds(
    tools_of: Callable[[Kind], Path], offered: Path, run: Run, environment: Mapping[str, str],
    python_with: Callable[..., Path], tmp_path: Path,
) -> Iterator[Builds]:  # fmt: skip
    """Give builds from the nginx."""
    with ExitStack() as stack:
        behind = stack.enter_context(serving(devpi.BASED, tools_of(devpi.BASED)))
        behind.offer(offered)
        handed_on = f"location / {{{{ proxy_pass {behind.origin}; proxy_set_header Host $host:$server_port; }}}}"
        front = replace(
            FOLDER, name="nginx before devpi", path=devpi.BASED.path, access=PASSWORDS,
            options={"server": f"{NGINX_PASSWORDS} {handed_on}"}, offer=lambda _server: None,
        )  # fmt: skip
        server = stack.enter_context(serving(front, tools_of(front)))
        yield Builds(server, run, environment, python_with("pip==26.3"), tmp_path)


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
