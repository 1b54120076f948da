"""Nodes that share nothing but an object store: what one built online, a new one builds with every index dead."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import objects as object_stores
from tests.conftest import Ran, Run
from tests.index import Index, serving
from tests.integration.conftest import eggs
from tests.integration.test_environments import TOOLS
from tests.objects import READER, STRANGER, WRITER, Identity, Objects

pytest.importorskip("obstore", reason="SKIPPED FOR WANT OF obstore: pip install --editable .[objects]")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("objects")]
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
BUILDOUT = """
[buildout]
index = {index}
parts = py
[py]
recipe = zc.recipe.egg
eggs = alpha
       docopt
       source
"""
TOX = """
[tox]
skipsdist = true
[testenv]
deps = alpha
       source
commands = python -c "import alpha"
"""


class Node:
    """A host with a folder, a home and a checkout of its own."""

    def __init__(self, folder: Path, run: Run, variables: dict[str, str]) -> None:
        self.checkout = folder / "checkout"
        self.checkout.mkdir(parents=True)
        (folder / "home").mkdir()
        own = {"HOME": folder / "home", "CACHEDINDEX_CACHE_DIR": folder / "cache", "PIP_CACHE_DIR": folder / "pip"}
        self._variables = {**variables, **{name: str(path) for name, path in own.items()}}
        self._run = run

    def builds(self, *command: object, **variables: str) -> Ran:
        return self._run(
            sys.executable, "-m", "cachedindex", "run", "--", *command, cwd=self.checkout,
            **{**self._variables, **variables},
        )  # fmt: skip

    @property
    def installed(self) -> list[str]:
        return sorted(path.name for path in self.checkout.rglob("*.dist-info"))


@pytest.fixture
def offered(wheelhouse: Callable[..., Path], distributions: Path, recipe_egg: Callable[[], str]) -> Iterator[Index]:
    """Give an index with real distributions, and with an sdist that has to be built."""
    recipe_egg()
    for wanted in (("requests", "flask"), ("docopt==0.6.2",)):
        for path in wheelhouse(*wanted).glob("*.whl"):
            shutil.copy(path, distributions)
    with serving(distributions) as index:
        yield index


@pytest.fixture
def node(run: Run, objects: Objects, offered: Index, tmp_path: Path) -> Callable[..., Node]:
    """Give a function that makes a new node, which comes to the store as somebody."""

    def node(name: str, who: Identity = WRITER) -> Node:
        known = object_stores.variables(who, objects.endpoint)
        variables = {"PIP_INDEX_URL": offered.url, "PIP_NO_CACHE_DIR": "1", "CACHEDINDEX_REMOTE": objects.url, **known}
        return Node(tmp_path / name, run, variables)

    return node


def test_pip(node: Callable[..., Node], offered: Index, python_with: Callable[..., Path]) -> None:
    install = (python_with("pip==26.3"), "-m", "pip", "install", "-q", "--target", "installed")
    wanted = (*install, "requests", "flask", "docopt", "source")
    first, second = node("first"), node("second", READER)
    online = first.builds(*wanted)
    assert (online.code, online.ours) == (0, []), online.err
    offered.close()
    dead = second.builds(*wanted, **EXPIRED)
    assert dead.code == 0, dead.err
    assert second.installed == first.installed != []
    assert "stale" in dead.ours[-1]


def test_buildout(node: Callable[..., Node], offered: Index, bare_buildout: Path) -> None:
    first, second = node("first"), node("second", READER)
    for each in (first, second):
        (each.checkout / "buildout.cfg").write_text(BUILDOUT.format(index=offered.url))
    command = bare_buildout.with_name("buildout")
    online = first.builds(command)
    assert (online.code, online.ours) == (0, []), online.err
    offered.close()
    dead = second.builds(command, **EXPIRED)
    assert dead.code == 0, dead.err
    assert eggs(second.checkout) == eggs(first.checkout) != []


def test_tox(node: Callable[..., Node], offered: Index, python_with: Callable[..., Path]) -> None:
    first, second = node("first"), node("second", READER)
    for each in (first, second):
        (each.checkout / "tox.ini").write_text(TOX)
    tox = python_with(*TOOLS, ours=True).with_name("tox")
    online = first.builds(tox)
    assert (online.code, online.ours) == (0, []), online.out + online.err
    offered.close()
    dead = second.builds(tox, **EXPIRED)
    assert dead.code == 0, dead.out + dead.err
    assert second.installed == first.installed != []


def test_what_a_node_had_of_the_store_is_in_its_report(
    node: Callable[..., Node], offered: Index, python_with: Callable[..., Path], run: Run
) -> None:
    wanted = (python_with("pip==26.3"), "-m", "pip", "install", "-q", "--target", "installed", "alpha")
    assert node("first").builds(*wanted).code == 0
    offered.close()
    second = node("second", READER)
    assert second.builds(*wanted).code == 0
    cache = str(second.checkout.parent / "cache")
    for command in ("report", "status"):
        said = run(sys.executable, "-m", "cachedindex", command, CACHEDINDEX_CACHE_DIR=cache)
        assert "objects came from there (100%" in said.out, said.out + said.err


def test_doctor_asks_the_store_and_prints_no_secret(run: Run, objects: Objects) -> None:
    def doctor(who: Identity) -> Ran:
        known = object_stores.variables(who, objects.endpoint)
        ran = run(sys.executable, "-m", "cachedindex", "doctor", "--remote", objects.url, **known)
        assert who.secret not in ran.out + ran.err
        assert "Traceback" not in ran.err
        return ran

    assert f"ok     remote: {objects.url} answers in " in doctor(READER).out
    for ran in (doctor(STRANGER), objects.kill() or doctor(WRITER)):
        assert ran.code == 1
        assert f"WRONG  remote: {objects.url} " in ran.out
