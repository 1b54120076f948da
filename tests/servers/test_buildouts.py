"""The same servers as a buildout and an older pip see them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import packages
from tests.clients import BUILDOUT
from tests.conftest import Run
from tests.integration.conftest import eggs
from tests.servers.builds import HOUR, Builds, assert_as_bare, assert_carried
from tests.servers.conftest import of_each
from tests.servers.kinds import KINDS

PLAYED = ("nginx, a folder", "dumb-pypi on Apache with DEFLATE", "pypiserver", "devpi, an index of its own")
"""Not all of them, as a buildout takes some seconds."""
each = of_each([kind for kind in KINDS if kind.name in PLAYED])
Buildout = Callable[..., tuple[list[str], list[str]]]
WANTED = ("alpha", "gamma")


@pytest.fixture
def buildout(builds: Builds, run: Run, python: Path, wheelhouse: Callable[..., Path], tmp_path: Path) -> Buildout:
    """Give a function that runs a buildout in a new folder, and returns its eggs, and what we said."""
    packages.add_recipe(builds.server.wheels, wheelhouse("zc.recipe.egg"))
    builds.server.kind.offer(builds.server)

    def buildout(folder: str) -> tuple[list[str], list[str]]:
        workspace = tmp_path / folder
        workspace.mkdir()
        text = BUILDOUT.format(extensions="cachedindex", index=builds.server.url, projects="\n    ".join(WANTED))
        (workspace / "buildout.cfg").write_text(text)
        ran = run(python.with_name("buildout"), cwd=workspace, PIP_NO_CACHE_DIR="1", CACHEDINDEX_TIMEOUT="1")
        assert ran.code == 0, ran.err
        return eggs(workspace), ran.ours

    return buildout


@each
def test_a_buildout(buildout: Buildout, builds: Builds) -> None:
    first, ours = buildout("first")
    assert ours == []
    builds.age(2 * HOUR)
    builds.server.publish("gamma", "2.0")
    second, ours = buildout("second")
    assert (second, ours) == ([name.replace("gamma-1.0", "gamma-2.0") for name in first], [])
    builds.age(2 * HOUR)
    builds.server.daemon.kill()
    third, ours = buildout("third")
    assert third == second
    assert len(ours) == 1


@each
def test_an_older_pip(builds: Builds, python_with: Callable[..., Path]) -> None:
    builds.python = python_with("pip==23.2.1")
    assert_as_bare(builds, *WANTED)
    builds.server.publish("gamma", "2.0")
    assert_as_bare(builds, "gamma==2.0")
    builds.age(2 * HOUR)
    filled = assert_as_bare(builds, *WANTED)
    builds.age(2 * HOUR)
    builds.server.daemon.kill()
    assert_carried(builds, filled, *WANTED)
