"""Which programs of a run were package clients that asked without the cache, and what the last line says of them."""

from __future__ import annotations

import os
import shlex

import pytest

from cachedindex.clients import uncovered
from cachedindex.rules.asking import asking
from cachedindex.run.environment import HOOK
from cachedindex.run.watch import Program

RUNNER = shlex.quote(str(HOOK / "_cachedindex_runner.py"))
WAY = (f"PYTHONPATH=/x{os.pathsep}{HOOK}", "A=b")


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("pip install six", "install"),
        ("pip -q --proxy x download six", "download"),
        ("pip list", None),
        ("pip uninstall install", None),
        ("pip install --help", None),
        ("pip install --no-index six", None),
        ("pip install --no-deps -t x /tmp/six.whl", None),
        ("pip install --no-deps https://index.example/six.whl", "install"),
        ("pip --version", None),
        ("pip cache purge", None),
        ("pip config set install.x y", None),
        ("uv sync", "sync"),
        ("uv --version", None),
        ("uv pip install six", "install"),
        ("uv pip freeze", None),
        ("uv tool list", None),
        ("uv tool run six", "run"),
        ("uv venv", None),
        ("uv python install", None),
        ("uv cache clean", None),
        ("uvx ruff", ""),
        ("uvx --version", None),
        ("poetry run pip install", None),
        ("poetry lock", "lock"),
        ("pip-compile x.in", ""),
        ("buildout -N", ""),
        ("conda env create", "create"),
        ("conda list", None),
        ("tox", None),
        ("make install", None),
    ],
)
def test_what_asks_an_index(line: str, asked: str | None) -> None:
    client, *words = line.split()
    assert asking(client, words) == asked


def program(line: str, *above: str, variables: tuple[str, ...] | None = (), **more: object) -> Program:
    parent = None
    for number, each in enumerate(above, 10):
        parent = Program(number, shlex.split(each), parent)
    return Program(99, shlex.split(line), parent, variables, pids=("99",), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "name"),
    [
        (program("pip install six", variables=WAY), None),
        (program("/e/bin/python /e/bin/pip3 install six", "make", variables=WAY), None),
        (program("python -I -m pip install six", "make", "sh -c x", variables=WAY), "pip (below sh)"),
        (program("pip install six", "python /b/tox -e py", "sh x", variables=()), "pip (below tox)"),
        (program("pip install six", "sh /b/build.sh"), "pip (below build.sh)"),
        (program("pip install six", "python -u setup.py"), "pip (below python)"),
        (program("pip install six", "sudo pip install six", variables=None), "pip (below sudo)"),
        (program("pip install six"), "pip"),
        (program("pip install six", variables=WAY, sees=False), "pip"),
        (program(f"python -I {RUNNER} -m pip install six"), None),
        (program("python -m pip install x", variables=("_CACHEDINDEX_LEFT_ALONE=1",)), None),
        (program("python /b/buildout", variables=WAY), None),
        (program("uv sync", "tox"), "uv (below tox)"),
        (program("uv sync", "tox", variables=("UV_OFFLINE=1",)), None),
        (program("poetry lock", variables=WAY), None),
        (program("docker run -v x:y image sh -c 'cd x && pip install -r r.txt'", "make"), "pip (in a container)"),
        (program("podman exec it uv sync"), "uv (in a container)"),
        (program("docker build ."), "docker build (in a container)"),
        (program("ssh host 'python3 -m pip install six'"), "pip (on another host)"),
        (program("python /opt/conda/bin/conda install six"), "conda"),
        (program("python /opt/conda/bin/conda install six", variables=WAY), "conda"),
        (program("micromamba create -n x", "make", variables=WAY), "micromamba (below make)"),
    ],
    ids=lambda seen: shlex.join(seen.words) if isinstance(seen, Program) else "",
)
def test_a_client_that_was_seen(seen: Program, name: str | None) -> None:
    assert uncovered.is_client(seen.words) or not name
    found = uncovered.names([seen, seen], set()) if uncovered.is_client(seen.words) else []
    assert found == ([name] if name else [])


@pytest.mark.parametrize(
    "line",
    ["make", "git clone pip", "pytest", "sh -c 'pip install six'", "python -c pass", "python setup.py install",
     "pip -V", "uv --version", "uv venv", "docker ps", "ssh host ls", "conda list", "env", "tox", "nox", "-",
     "python -m venv v", "virtualenv v", "python -m ensurepip", "python -m http.server", "vim pip",
     "apt-get install pip"],
)  # fmt: skip
def test_what_is_no_client(line: str) -> None:
    assert not uncovered.is_client(shlex.split(line))


def test_who_reported_in_is_covered() -> None:
    assert uncovered.names([program("poetry lock")], {"99"}) == []
    assert uncovered.names([program("uv sync", "python -m cachedindex run -- uv sync")], {"10"}) == []
    inside = Program(99, ["pip", "install", "six"], None, (), pids=("99", "7"))
    assert uncovered.names([inside], {"7"}) == []
    assert uncovered.names([inside], set()) == ["pip (in a container)"]


def test_the_line_names_each_remedy_once() -> None:
    named = ["uv (below tox)", "uvx", "pip (in a container)", "pip (on Python 3.8)", "pip (below sudo)", "this poetry"]
    assert uncovered.line(named, nothing=False) == (
        "not covered: uv (below tox), uvx, pip (in a container), pip (on Python 3.8), pip (below sudo), this poetry; "
        "write `cachedindex run -- uv`, install the hook in the image, use Python 3.10 or newer, "
        "`cachedindex hook install --base` covers it, use a release that is covered"
    )
    assert uncovered.line(["poetry (below sh)"], nothing=False) == (
        "not covered: poetry (below sh); `cachedindex hook install --base` covers it"
    )
    assert uncovered.line(["conda"], nothing=True) == (
        "nothing was looked up through the cache; not covered: conda; the channels of conda are never covered"
    )


def test_what_could_have_been_covered() -> None:
    names = ("pip (below sudo)", "uv", "conda", "pip (in a container)")
    assert list(filter(uncovered.is_local, names)) == ["pip (below sudo)", "uv"]
