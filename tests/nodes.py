"""Hosts with a cache folder each, whose runs share a remote."""

from __future__ import annotations

import sys
from pathlib import Path

from cachedindex.model import RemoteUse
from cachedindex.store import runs
from tests.conftest import Ran, Run


class Node:
    """A host with a cache folder of its own, and its runs."""

    def __init__(self, folder: Path, run: Run, pip: Path, options: dict[str, str]) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        folder.mkdir()
        self.environ = {
            "CACHEDINDEX_CACHE_DIR": str(self.cache),
            "PIP_NO_CACHE_DIR": "1",
            "PIP_RETRIES": "0",
            **options,
        }
        self._run = run
        self._pip = pip

    def command(self, *requirements: str) -> list[str]:
        words = (sys.executable, "-m", "cachedindex", "run", "--", self._pip, "-m", "pip", "install", "-q", "--target")
        return [str(word) for word in (*words, self.folder / "installed", *requirements)]

    def installs(self, *requirements: str, **options: str) -> Ran:
        return self._run(*self.command(*requirements), cwd=self.folder, **{**self.environ, **options})

    @property
    def installed(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "installed").glob("*.dist-info"))

    def uses(self) -> dict[str, RemoteUse]:
        """Return what the last run had of the remote, by phase."""
        found = runs.summed(self.cache, runs.names(self.cache)[-1])
        assert found is not None
        return {use.phase: use for use in found.run.remote}
