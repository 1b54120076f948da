"""Fixtures: an index of 120 projects at each of its doors, and real clients whose caches were filled there.

What is filled is filled once for all scenarios; a test takes it by `restore`, so that no order between tests counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import packages
from tests.clients import NEWEST_PIP, OLDEST_PIP, Buildout, Client, Job, Pip, Script
from tests.names import NoNames
from tests.sites import Door, Site, opened

PROJECTS = 120
JobOf = Callable[[str, Door], Job]
NAMES = (*(f"project-{number:03}" for number in range(PROJECTS - 1)), "star")


@pytest.fixture(scope="session")
def star(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Callable[..., Path]) -> Path:
    """Give a folder with 120 projects, one of which requires all the others, and buildout's recipe."""
    folder = tmp_path_factory.mktemp("star")
    packages.add_star(folder, PROJECTS - 1)
    packages.add_recipe(folder, wheelhouse("zc.recipe.egg"))
    return folder


@pytest.fixture(scope="session")
def site_at(star: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Door], Site]]:
    """Give a function that opens a door of the index, once."""
    sites: dict[Door, Site] = {}
    with ExitStack() as stack:

        def site_at(door: Door) -> Site:
            if door not in sites:
                try:
                    sites[door] = stack.enter_context(opened(star, door, tmp_path_factory.mktemp("site")))
                except NoNames as error:
                    pytest.skip(f"SKIPPED FOR WANT OF ROOT: no names of our own: {error}")
            return sites[door]

        yield site_at


@pytest.fixture(scope="session")
def client_named(python_with: Callable[..., Path], python: Path, star: Path) -> Callable[[str], Client]:
    """Give a function that returns a client by the name that a test's parameter has."""

    def client_named(name: str) -> Client:
        if name == "script":
            return Script(NAMES)
        if name == "buildout":
            return Buildout(python, installed=star)
        return Pip(python_with({"oldest pip": OLDEST_PIP, "newest pip": NEWEST_PIP}[name]))

    return client_named


@pytest.fixture(scope="session")
def job_of(
    client_named: Callable[[str], Client], site_at: Callable[[Door], Site], tmp_path_factory: pytest.TempPathFactory
) -> JobOf:
    """Give a function that returns a client's job at a door, its cache as it was when the index was sound."""
    jobs: dict[tuple[str, Door], Job] = {}

    def job_of(name: str, door: Door) -> Job:
        if (name, door) not in jobs:
            jobs[name, door] = filled(client_named(name), site_at(door), tmp_path_factory.mktemp("job"))
        return restored(jobs[name, door])

    return job_of


@pytest.fixture(scope="session")
def filled_from_html(
    client_named: Callable[[str], Client], star: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Job]:
    """Give a pip's job at an index that knows no JSON."""
    with opened(star, "address", tmp_path_factory.mktemp("site")) as site:
        site.index.speaks_json = False
        yield filled(client_named("newest pip"), site, tmp_path_factory.mktemp("job"))


@pytest.fixture
def html_job(filled_from_html: Job) -> Job:
    return restored(filled_from_html)


def filled(client: Client, site: Site, folder: Path) -> Job:
    job = Job(client, site, folder)
    build = job.build()
    assert build.code == 0, build.said
    job.keep(build)
    return job


def restored(job: Job) -> Job:
    job.restore()
    job.site.index.seen.clear()
    return job


@pytest.fixture
def script(job_of: JobOf) -> Iterator[Job]:
    """Give the job of a build script, the quickest of the clients."""
    job = job_of("script", "address")
    yield job
    job.site.heal()
