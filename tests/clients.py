"""The real clients, each as a build runs it: what it is asked to build, and what came out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import zipfile
from abc import abstractmethod
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.environments import clean_environment
from tests.sites import Site

OLDEST_PIP, NEWEST_PIP = "pip==23.2.1", "pip==26.3"
COVERED = (sys.executable, "-m", "cachedindex", "run", "--")
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
_LONGEST = 300.0

BUILDOUT = """
[buildout]
extensions = {extensions}
index = {index}
parts = py

[py]
recipe = zc.recipe.egg
eggs = {projects}
interpreter = py
"""

SCRIPT = """
import json, requests, sys
from cachedindex import CachedIndexAdapter
index = sys.argv[1]
session = requests.Session()
if "bare" not in sys.argv:
    session.mount(index, CachedIndexAdapter())
session.headers["Accept"] = "application/vnd.pypi.simple.v1+json"
versions = {}
for project in [word for word in sys.argv[2:] if word != "bare"]:
    response = session.get(f"{index}{project}/", timeout=15)
    response.raise_for_status()
    versions[project] = response.json()["files"][-1]["filename"]
print(json.dumps(sorted(versions.values())))
"""


@dataclass(frozen=True)
class Build:
    """One run of a client."""

    code: int | None
    """None: it was killed, since it had not ended in the time that it was given."""
    seconds: float
    versions: list[str]
    said: str = field(repr=False, default="")

    @property
    def ours(self) -> list[str]:
        """The lines that cachedindex printed."""
        return [line for line in self.said.splitlines() if line.startswith("cachedindex: ")]


class Client(Protocol):
    """A program that builds from an index."""

    @abstractmethod
    def prepare(self, site: Site, workspace: Path) -> None:
        """Make what a build begins with, in a new folder."""

    @abstractmethod
    def command(self, site: Site, workspace: Path) -> Sequence[object]:
        """Return the command of a build in a prepared folder."""

    @abstractmethod
    def versions(self, workspace: Path, out: str) -> list[str]:
        """Return what a build came to: file names with versions."""


@dataclass(frozen=True)
class Pip(Client):
    """A pip that installs into a folder. Not a dry run: files are looked up as well, and it takes 1 s longer only."""

    python: Path
    projects: Sequence[str] = ("star",)
    covered: bool = True

    def prepare(self, site: Site, workspace: Path) -> None:
        """Need nothing."""

    def command(self, site: Site, workspace: Path) -> Sequence[object]:
        target = workspace / "target"
        shutil.rmtree(target, ignore_errors=True)
        pip = (self.python, "-m", "pip", "install", "-q", "--no-compile", "--target", target, *self.projects)
        return (*COVERED, *pip) if self.covered else pip

    def versions(self, workspace: Path, out: str) -> list[str]:
        return sorted(path.name for path in (workspace / "target").glob("*.dist-info"))


@dataclass(frozen=True)
class Buildout(Client):
    """A buildout, whose pages are all looked up again where its eggs are there already (`newest = true`).

    The eggs of `installed` are put there as a pip would have: it takes 1 s for each distribution.
    """

    python: Path
    projects: Sequence[str] = ("star",)
    installed: Path | None = None
    covered: bool = True

    def prepare(self, site: Site, workspace: Path) -> None:
        extensions = "cachedindex" if self.covered else ""
        content = BUILDOUT.format(extensions=extensions, index=site.index.url, projects=" ".join(self.projects))
        (workspace / "buildout.cfg").write_text(content)
        tag = f"py{sys.version_info[0]}.{sys.version_info[1]}"
        for wheel in self.installed.glob("*-1.0-py3-none-any.whl") if self.installed else ():
            name, version = wheel.name.split("-")[:2]
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(workspace / f"eggs/v5/{name}-{version}-{tag}.egg")

    def command(self, site: Site, workspace: Path) -> Sequence[object]:
        return (self.python.with_name("buildout"), "-q")

    def versions(self, workspace: Path, out: str) -> list[str]:
        script = workspace / "bin/py"
        found = re.findall(r"eggs/v5/([^-']+-[^-']+)-", script.read_text("utf-8")) if script.exists() else []
        return sorted(found)


@dataclass(frozen=True)
class Script(Client):
    """A build script on requests that reads pages, and takes the last file of each."""

    projects: Sequence[str]
    covered: bool = True

    def prepare(self, site: Site, workspace: Path) -> None:
        (workspace / "script.py").write_text(SCRIPT)

    def command(self, site: Site, workspace: Path) -> Sequence[object]:
        return (sys.executable, "script.py", site.index.url, *(() if self.covered else ("bare",)), *self.projects)

    def versions(self, workspace: Path, out: str) -> list[str]:
        return list(json.loads(out)) if out else []


class Job:
    """A client with a folder, a home and a cache, at one door of an index."""

    def __init__(self, client: Client, site: Site, folder: Path, cache: Path | None = None) -> None:
        """Make the folder and what the client begins with; the cache may be one that others use."""
        self.client = client
        self.site = site
        self.cache = cache or folder / "cache"
        self._filled = folder / "filled"
        self._workspace = folder / "workspace"
        self._home = folder / "home"
        for path in (self._workspace, self._home):
            path.mkdir(parents=True)
        client.prepare(site, self._workspace)

    def build(self, *variables: Mapping[str, str], longest: float = _LONGEST) -> Build:
        """Run the client to its end, or kill it after so many seconds."""
        command = [str(part) for part in (*self.site.prefix, *self.client.command(self.site, self._workspace))]
        began = time.perf_counter()
        try:
            process = subprocess.run(
                command, env=self._environment(*variables), cwd=self._workspace, capture_output=True, text=True,
                timeout=longest, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Build(None, longest, [])
        seconds = time.perf_counter() - began
        versions = self.client.versions(self._workspace, process.stdout)
        return Build(process.returncode, seconds, versions, process.stderr)

    def keep(self, healthy: Build) -> None:
        """Keep the cache as this build left it, for `restore`, and what the build came to."""
        shutil.copytree(self.cache, self._filled, symlinks=True)
        self.healthy = healthy
        self.pages = bodies(self.cache)

    def restore(self, *, empty: bool = False) -> None:
        """Have the cache that was kept, or none."""
        shutil.rmtree(self.cache, ignore_errors=True)
        if not empty:
            shutil.copytree(self._filled, self.cache, symlinks=True)

    def _environment(self, *variables: Mapping[str, str]) -> dict[str, str]:
        own = {
            **clean_environment(self._home),
            "PIP_NO_CACHE_DIR": "1",
            "CACHEDINDEX_CACHE_DIR": str(self.cache),
            **self.site.variables,
        }
        return dict(ChainMap(*(dict(more) for more in reversed(variables)), own))


def bodies(cache: Path) -> dict[str, bytes]:
    """Return the stored body of every page, by its record's path."""
    records = cache / "records-v1"
    return {
        str(path.relative_to(records)): path.read_bytes().split(b"\n", 2)[2]
        for path in records.rglob("page.*")
        if path.is_file()
    }
