"""A build with the real pip, beside the same one without us."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE

from tests.ageing import age
from tests.conftest import Run
from tests.servers.server import Server

HOUR, DAY = 3600.0, 86400.0
PATIENT = {"PIP_TIMEOUT": "30", "CACHEDINDEX_TIMEOUT": "30"}
"""For builds from a server that is well: the disk of a busy machine may hold it up for seconds."""
JOB = """
import subprocess, sys
for line in sys.stdin:
    print(subprocess.run([*sys.argv[1:], *line.split()]).returncode, flush=True)
"""
"""Installs what it reads, line by line, and prints pip's exit codes."""
COVERED = (sys.executable, "-m", "cachedindex", "run", "--")


@dataclass
class Built:
    """What a build came to."""

    code: int
    modules: dict[str, str]
    """The text of what was installed, by name and version."""
    asked: list[str]
    """What the server was asked for."""
    said: list[str] = field(default_factory=list)

    @property
    def ours(self) -> list[str]:
        """The lines that cachedindex printed."""
        return [line for line in self.said if line.startswith("cachedindex: ")]

    @property
    def versions(self) -> list[str]:
        return sorted(self.modules)


class Builds:
    """The builds of one test, on one server, with one cache."""

    def __init__(self, server: Server, run: Run, environment: Mapping[str, str], python: Path, folder: Path) -> None:
        self.server = server
        self.seen = server.seen
        """Returns what was asked since its last call."""
        self._environment = environment
        self.cache = folder / "cache"
        self.variables: dict[str, str] = {}
        """More, for each of them."""
        self._run = run
        self.python = python
        self._folder = folder

    def bare(self, *wanted: str, **variables: str) -> Built:
        return self._built("bare", (), wanted, variables)

    def ours(self, *wanted: str, **variables: str) -> Built:
        return self._built("ours", COVERED, wanted, variables)

    @contextmanager
    def job(self) -> Iterator[Callable[..., int]]:
        """Have one run with us, and give a function that installs something in it, and returns pip's exit code."""
        pip = [str(self.python), "-m", "pip", "install", "-q", "--no-compile", "--target", str(self._folder / "job")]
        command = [*COVERED, sys.executable, "-c", JOB, *pip]
        with subprocess.Popen(
            command, env={**self._environment, **self._given({})}, stdin=PIPE, stdout=PIPE, text=True
        ) as process:
            assert process.stdin
            assert process.stdout
            begin, ended = process.stdin, process.stdout

            def install(*wanted: str) -> int:
                print(*wanted, file=begin, flush=True)
                return int(ended.readline())

            yield install
            begin.close()

    def age(self, seconds: float) -> None:
        """Let time pass, but not so much that what is stored is thrown away."""
        age(self.cache, seconds)

    def _given(self, variables: Mapping[str, str]) -> dict[str, str]:
        patience = {"PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0", "PIP_TIMEOUT": "5", "PIP_NO_INPUT": "1"}
        patience["PYTHONFAULTHANDLER"] = "1"  # A crash would say nothing.
        where = self.server.kind.flags(self.server.url)
        ours = {"CACHEDINDEX_CACHE_DIR": str(self.cache), "CACHEDINDEX_TIMEOUT": "1"}
        return {**patience, **where, **ours, **self.variables, **variables}

    def _built(
        self, name: str, covered: tuple[str, ...], wanted: tuple[str, ...], variables: Mapping[str, str]
    ) -> Built:
        target = self._folder / name
        shutil.rmtree(target, ignore_errors=True)
        command = (*covered, self.python, "-m", "pip", "install", "-q", "--no-compile", "--target", target, *wanted)
        ran = self._run(*command, **self._given(variables))
        modules = {
            path.name.removesuffix(".dist-info"): (target / f"{path.name.partition('-')[0]}.py").read_text()
            for path in target.glob("*.dist-info")
        }
        # How often a proxy breaks off, and pip tries again, is chance.
        said = [line for line in ran.err.replace(str(target), "TARGET").splitlines() if "WARNING: Retrying" not in line]
        return Built(ran.code, modules, [], said)


def beside(builds: Builds, *wanted: str, **variables: str) -> tuple[Built, Built]:
    """Return the bare build and ours, each with what the server was asked for; it must be well."""
    pair = []
    for build in (builds.bare, builds.ours):
        builds.seen()
        pair.append(build(*wanted, **PATIENT, **variables))
        pair[-1].asked = builds.seen()
    return pair[0], pair[1]


def assert_as_bare(builds: Builds, *wanted: str, **variables: str) -> Built:
    """Assert that nobody could see the difference, and return the build."""
    bare, ours = beside(builds, *wanted, **variables)
    # All of it: a process that crashes says nothing, and so does a bare build that did well.
    assert (ours.code, ours.versions) == (bare.code, bare.versions), (ours, bare)
    assert ours.modules == bare.modules
    assert ours.said == bare.said
    assert len(ours.asked) <= len(bare.asked), (ours.asked, bare.asked)
    return ours


def assert_carried(builds: Builds, filled: Built, *wanted: str, **variables: str) -> Built:
    """Assert that the bare build fails and ours comes to what it was before; return it."""
    bare, ours = builds.bare(*wanted, **variables), builds.ours(*wanted, **variables)
    assert bare.code != 0, "the server is well"
    assert ours.code == 0, ours.said
    assert ours.modules == filled.modules
    assert len(ours.ours) == 1, ours.said
    return ours
