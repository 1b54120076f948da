"""The core of it on every release of zc.buildout that is first class, on every Python that this machine has."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import packages, pythons
from tests.conftest import Ran, Run
from tests.index import Index
from tests.integration.conftest import eggs

pytestmark = pytest.mark.slow
RUN = (sys.executable, "-m", "cachedindex", "run", "--")
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
NO_DEFAULT_INDEX = {
    **dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9"),
    "no_proxy": "127.0.0.1",
    "PIP_RETRIES": "0",
}

CONFIG = """
[buildout]
{extension}
index = {index.url}
extends = {extends}
parts = eggs
versions = versions
allow-picked-versions = false

[eggs]
recipe = zc.recipe.egg
eggs = epsilon
       source
interpreter = py
"""
VERSIONS = "[versions]\nzc.recipe.egg = {recipe}\nepsilon = 1.0\nsource = 2.0\n"


@pytest.fixture(params=["6.0", "5.2", "4.2", "3.3"])
def release(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=pythons.SUPPORTED)
def interpreter(request: pytest.FixtureRequest) -> str:
    if request.param not in pythons.FOUND:
        pytest.skip(f"SKIPPED FOR WANT OF PYTHON {request.param}: neither on PATH nor installed by pyenv")
    return pythons.FOUND[request.param]


@pytest.fixture
def build(
    run: Run, with_buildout: Callable[..., Path], recipe_egg: Callable[..., str], index: Index, tmp_path: Path
) -> Callable[..., Ran]:
    """Give a function that runs a release's buildout in a new folder; below a command, `extends` is remote."""

    def build(python: Path, folder: str, *before: str, release: str, extension: str = "", **variables: str) -> Ran:
        (tmp_path / folder).mkdir()
        place = index.folder if before else tmp_path / folder
        (place / "versions.cfg").write_text(VERSIONS.format(recipe=recipe_egg(release)))
        extends = f"{index.origin}/files/versions.cfg" if before else "versions.cfg"
        text = CONFIG.format(extension=extension, index=index, extends=extends)
        (tmp_path / folder / "buildout.cfg").write_text(text)
        return run(*before, python.with_name("buildout"), cwd=tmp_path / folder, PIP_NO_CACHE_DIR="1", **variables)

    return build


def test_it_survives(
    build: Callable[..., Ran], with_buildout: Callable[..., Path], release: str, interpreter: str, index: Index,
    tmp_path: Path,
) -> None:  # fmt: skip
    python = with_buildout(release, interpreter)
    pip = {"PIP_INDEX_URL": index.url}
    listed = "extensions = cachedindex"
    first = build(python, "A", *RUN, release=release, extension=listed, **pip)
    assert first.code == 0, first.out + first.err
    index.close()
    second = build(python, "B", *RUN, release=release, **pip, **EXPIRED)
    assert second.code == 0, second.out + second.err
    assert eggs(tmp_path / "A") == eggs(tmp_path / "B")
    assert len(eggs(tmp_path / "B")) == 3
    (line,) = second.ours
    assert "served 4 pages and 1 download stale" in line


def test_the_index_reaches_a_pip_that_is_not_told_of_it(
    build: Callable[..., Ran], with_buildout: Callable[..., Path], index: Index
) -> None:
    ran = build(with_buildout("4.2"), "A", release="4.2", extension="extensions = cachedindex", **NO_DEFAULT_INDEX)
    assert ran.code == 0, ran.out + ran.err
    assert "/simple/tinybackend/" in index.pages_seen()


def test_an_index_that_a_person_set_stays(
    build: Callable[..., Ran], with_buildout: Callable[..., Path], index: Index, tmp_path: Path
) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/simple/\nretries = 0\n")
    ran = build(
        with_buildout("4.2"), "A", release="4.2", extension="extensions = cachedindex",
        PIP_CONFIG_FILE=str(tmp_path / "pip.conf"),
    )  # fmt: skip
    assert ran.code == 1
    assert "/simple/tinybackend/" not in index.pages_seen()


@pytest.mark.parametrize("release", ["6.0", "4.2"])
def test_a_develop_egg_is_built_in_an_outage(
    build: Callable[..., Ran], with_buildout: Callable[..., Path], release: str, index: Index, tmp_path: Path
) -> None:
    """`setup.py develop` of setuptools 80 and later starts a pip of which zc.buildout 4.2 knows nothing."""
    checkout = packages.add_checkout(tmp_path, "checkout", "1.0")
    listed = f"extensions = cachedindex\ndevelop = {checkout}"
    python = with_buildout(release)
    first = build(python, "A", release=release, extension=listed, **NO_DEFAULT_INDEX)
    assert first.code == 0, first.out + first.err
    index.close()
    second = build(python, "B", release=release, extension=listed, **NO_DEFAULT_INDEX, **EXPIRED)
    assert second.code == 0, second.out + second.err
    for folder in ("A", "B"):
        assert (tmp_path / folder / "develop-eggs/checkout.egg-link").exists()
    (line,) = second.ours
    assert f"{index.origin}: it refused the connection" in line
