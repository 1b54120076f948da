"""Fixtures: a local index, an environment that is nobody's, and the real pips and buildout."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import coverage
import hypothesis
import pytest

from cachedindex.lookup import addresses
from tests import environments, objects as object_stores, packages, pythons
from tests.environments import CHECKOUT, MEASURING, SCRIPTS, WHEEL, NoNetwork, at_home, clean_environment
from tests.index import Index, serving
from tests.mounts import Mount, mounting
from tests.objects import Objects

# No test here asserts a time, and a busy machine is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

SOURCE = CHECKOUT / "src"
MEASURED = "COVERAGE_PROCESS_CONFIG"
"""Has this checkout's Python measure which lines it runs, in child processes too."""
BUILDOUT = """
[buildout]
extensions = {extensions}
index = {index}
parts = py
versions = versions
allow-picked-versions = false

[versions]
zc.recipe.egg = {recipe}
alpha = 1.0
beta = 1.0
gamma = 1.0
delta = 1.0
epsilon = 1.0
source = 2.0
# Other versions than those that are installed beside buildout:
requests = 2.31.0
urllib3 = 1.26.18
filelock = 3.12.4

[cachedindex]
{options}

[py]
recipe = zc.recipe.egg
eggs = alpha
       source
interpreter = py
"""


def pytest_report_header() -> list[str]:
    """Say which Pythons the tests of other Pythons can be run on, and which they cannot."""
    found = ", ".join(f"{name} ({path})" for name, path in pythons.FOUND.items())
    lines = [f"Pythons for buildout: {found}"]
    missing = ", ".join(name for name in pythons.SUPPORTED if name not in pythons.FOUND)
    return [*lines, f"NOT FOUND, AND NOT TESTED: Python {missing}"] if missing else lines


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what only the other kind of system, or the other Python, has."""
    posix, linux, cpython = map(item.get_closest_marker, ("posix", "linux", "cpython"))
    if posix and os.name == "nt":
        pytest.skip(f"WINDOWS HAS NOT: {posix.args[0]}")
    if linux and sys.platform != "linux":
        pytest.skip(f"LINUX ALONE HAS: {linux.args[0]}")
    if cpython and sys.implementation.name != "cpython":
        pytest.skip(f"CPYTHON ALONE HAS: {cpython.args[0]}")
    if os.name != "nt" and item.get_closest_marker("windows"):
        pytest.skip("ONLY ON WINDOWS: `python3 tasks.py test-windows`")


@pytest.fixture(autouse=True)
def names_are_looked_up_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo after each test what stays for the rest of a process that has asked a name at another address."""
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)
    monkeypatch.setattr(addresses, "_resolve", None)


@dataclass
class Ran:
    """A finished process."""

    code: int
    out: str
    err: str

    @property
    def ours(self) -> list[str]:
        """The lines that cachedindex printed."""
        return [line for line in self.err.splitlines() if line.startswith("cachedindex: ")]


Run = Callable[..., Ran]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Give variables with a cache, a home and pip caches of this test's own."""
    home = tmp_path / "home"
    home.mkdir()
    measured = {name: value for name, value in os.environ.items() if name == MEASURED}
    return {
        **clean_environment(home),
        **measured,
        "CACHEDINDEX_CACHE_DIR": str(tmp_path / "cache"),
        "PIP_CACHE_DIR": str(tmp_path / "pip-cache"),
    }


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have this process, too, take the folder of the test for its home, with whatever .netrc or .pypirc is there."""
    for name, value in at_home(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def nothing_left_open() -> Iterator[None]:
    """Fail a test that leaves a descriptor open: the process of a server may last for days."""

    def opened() -> set[int]:
        found = set()
        for number in range(512):
            with suppress(OSError):  # It is not open. Windows has no list of those that are.
                os.fstat(number)
                found.add(number)
        return found

    before = opened()
    yield
    assert opened() <= before


@pytest.fixture
def measured_environments(environment: dict[str, str]) -> None:
    """Have the environments that tests share measure too, if they are of this checkout's Python: it takes time."""
    if MEASURED in environment:
        environment[MEASURING] = str(Path(coverage.__file__).parent.parent)


@pytest.fixture
def run(environment: Mapping[str, str], tmp_path: Path) -> Run:
    """Give a function that runs a command to its end, in a folder of the test."""

    def run(*command: object, cwd: Path = tmp_path, **variables: str) -> Ran:
        process = subprocess.run(
            [str(part) for part in command],
            env={**environment, **variables},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Ran(process.returncode, process.stdout, process.stderr)

    return run


@pytest.fixture
def distributions(tmp_path: Path) -> Path:
    """Give a folder of small distributions: five wheels in a chain, and an sdist with its backend."""
    folder = tmp_path / "distributions"
    folder.mkdir()
    names = ("alpha", "beta", "gamma", "delta", "epsilon")
    for name, needed in zip(names, (*names[1:], None), strict=True):
        packages.add_wheel(folder, name, "1.0", (needed,) if needed else ())
    packages.add_backend(folder)
    packages.add_sdist(folder, "source", "2.0")
    return folder


@pytest.fixture
def index(distributions: Path) -> Iterator[Index]:
    with serving(distributions) as index:
        yield index


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Give a function that mounts on a folder what the arguments of `mount` say, until the test ends."""
    with mounting() as mount:
        yield mount


@pytest.fixture(scope="session")
def object_store() -> Iterator[Objects]:
    """Give a real S3 server; tests that are marked `xdist_group("objects")` have one in common."""
    if why := object_stores.missing():
        pytest.skip(why)
    with object_stores.serving() as store:
        yield store


@pytest.fixture
def objects(object_store: Objects) -> Objects:
    """Give the S3 server as if nothing had happened to it, with a prefix of this test's own."""
    object_store.anew()
    return object_store


@pytest.fixture(scope="session")
def wheelhouse(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Give a function that fetches real distributions once for a checkout, from whatever index this machine uses."""
    home = tmp_path_factory.mktemp("home")

    def fetch(*requirements: str, interpreter: str | Path = sys.executable) -> Path:
        try:
            folder = Path(pytestconfig.cache.mkdir("wheelhouse"))  # type: ignore[union-attr]
            return environments.fetch(folder, home, *requirements, interpreter=interpreter)
        except NoNetwork as error:
            pytest.skip(f"SKIPPED FOR WANT OF A NETWORK: {error}")

    return fetch


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that all workers of this session have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def our_wheel(shared: Path) -> Path:
    """Give the wheel of this checkout, or the one that is to be released."""
    if WHEEL in os.environ:
        return Path(os.environ[WHEEL])
    folder = shared / "wheel"
    folder.mkdir(exist_ok=True)
    return next(environments.once(folder, lambda: environments.our_wheel(folder)).glob("*.whl"))


@pytest.fixture(scope="session")
def python_with(
    wheelhouse: Callable[..., Path], our_wheel: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Give a function that returns the Python of an environment with some real distributions, and ours on demand.

    All tests of a session share it, so none may change it.
    """
    home = tmp_path_factory.mktemp("home")

    def python_with(*requirements: str, ours: bool = False, interpreter: str | Path = sys.executable) -> Path:
        if old := environments.too_old(*requirements, interpreter=interpreter):
            pytest.skip(f"SKIPPED: {old} itself does not run on Python {pythons.version(interpreter)}")
        wheels = wheelhouse(*requirements, interpreter=interpreter)
        folder = shared / environments.named(*requirements, *(["ours"] if ours else []), interpreter=interpreter)

        def make() -> None:
            python = environments.make(folder, home, wheels, *requirements, interpreter=interpreter)
            if ours:
                environments.install(python, home, "--no-deps", our_wheel)

        return environments.once(folder, make) / SCRIPTS / "python"

    return python_with


@pytest.fixture(scope="session")
def python(python_with: Callable[..., Path]) -> Path:
    """Give a Python with the newest zc.buildout, this package, and the libraries that the project pins otherwise."""
    return python_with("zc.buildout", "requests", "filelock", ours=True)


@pytest.fixture
def recipe(wheelhouse: Callable[..., Path], distributions: Path) -> str:
    """Put the real zc.recipe.egg into the index, and give its version."""
    return packages.add_recipe(distributions, wheelhouse("zc.recipe.egg"))


@pytest.fixture
def buildout(run: Run, python: Path, index: Index, recipe: str, tmp_path: Path) -> Callable[..., Ran]:
    """Give a function that runs the buildout in a new folder."""

    def buildout(
        folder: str, *arguments: str, options: str = "", extensions: str = "cachedindex", **variables: str
    ) -> Ran:
        workspace = tmp_path / folder
        workspace.mkdir()
        text = BUILDOUT.format(extensions=extensions, index=index.url, recipe=recipe, options=options)
        (workspace / "buildout.cfg").write_text(text)
        command = python.with_name("buildout")
        return run(command, *arguments, cwd=workspace, PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1", **variables)

    return buildout
