"""Real servers that are started once for all tests of their kind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import packages
from tests.conftest import Run
from tests.servers.access import USERS
from tests.servers.builds import Builds, Built
from tests.servers.daemon import NoStart
from tests.servers.page import PROGRAMS
from tests.servers.server import Kind, Server, serving

Serve = Callable[[Kind], Builds]
_SYSTEM = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


def of_each(kinds: list[Kind]) -> pytest.MarkDecorator:
    """Have a test for each kind; all those of one kind are of one process, which starts its server once."""
    cases = [pytest.param(kind, id=kind.id, marks=pytest.mark.xdist_group(f"servers {kind.id}")) for kind in kinds]
    return pytest.mark.parametrize("kind", cases, indirect=True)


@pytest.fixture(scope="session")
def tools_of(python_with: Callable[..., Path]) -> Callable[[Kind], Path]:
    """Give a function that returns the folder of the programs that a kind needs, or skips."""

    def tools_of(kind: Kind) -> Path:
        for program in kind.needs:
            if program in PROGRAMS and not shutil.which(program, path=_SYSTEM):
                pytest.skip(f"SKIPPED FOR WANT OF A SERVER: {program} is not installed, see .ci/run")
        python = [name for name in kind.needs if name not in PROGRAMS]
        return python_with(*python).parent if python else Path("/usr/sbin")

    return tools_of


@pytest.fixture(scope="module")
def kind(request: pytest.FixtureRequest) -> Kind:
    """Give the kind of `of_each`."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def running(kind: Kind, tools_of: Callable[[Kind], Path], offered: Path) -> Iterator[Server]:
    """Give the server of a kind, for all tests of a module."""
    tools = tools_of(kind)
    try:
        with serving(kind, tools) as server:
            yield server
    except NoStart as error:
        pytest.fail(str(error))


@pytest.fixture(scope="session")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give what each server offers at first: one project that requires another, and a third one."""
    folder = tmp_path_factory.mktemp("offered")
    packages.add_wheel(folder, "alpha", "1.0", ("beta",))
    packages.add_wheel(folder, "beta", "1.0")
    packages.add_wheel(folder, "gamma", "1.0")
    return folder


@pytest.fixture
def server(running: Server, offered: Path) -> Server:
    """Give the server as if nothing had happened to it."""
    running.heal()
    running.offer(offered)
    if running.kind.access:
        running.kind.access.admit(running, USERS)
    return running


@pytest.fixture
def builds(
    server: Server, run: Run, environment: Mapping[str, str], python_with: Callable[..., Path], tmp_path: Path
) -> Builds:
    """Give builds with the newest pip, of which none was made."""
    return Builds(server, run, environment, python_with("pip==26.3"), tmp_path)


@pytest.fixture(scope="module")
def first(running: Server, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Built]]:
    """Give the place for the build that fills the cache, of which one does for all tests of a server."""
    return []


@pytest.fixture
def filled(builds: Builds, first: list[tuple[Path, Built]], tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Have a cache with what the server offers at first, and give the build that filled it."""
    if not first:
        built = builds.ours("alpha", "gamma")
        assert built.code == 0, built.said
        first.append((tmp_path_factory.mktemp("filled") / "cache", built))
        shutil.copytree(builds.cache, first[0][0], symlinks=True)
    shutil.copytree(first[0][0], builds.cache, symlinks=True, dirs_exist_ok=True)
    return first[0][1]


@pytest.fixture
def serve(
    tools_of: Callable[[Kind], Path], offered: Path, run: Run, environment: Mapping[str, str],
    python_with: Callable[..., Path], tmp_path: Path,
) -> Iterator[Serve]:  # fmt: skip
    """Give a function that starts a server of a kind for one test, and returns builds that take from it."""
    with ExitStack() as stack:

        def serve(kind: Kind) -> Builds:
            server = stack.enter_context(serving(kind, tools_of(kind)))
            server.offer(offered)
            return Builds(server, run, environment, python_with("pip==26.3"), tmp_path)

        yield serve
