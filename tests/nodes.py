"""Hosts with a cache folder each, whose runs share a remote."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from cachedindex.model import Record, RemoteUse
from cachedindex.remote import manifest
from cachedindex.remote.send import Sending
from cachedindex.store import record, runs
from cachedindex.store.store import Store
from tests import stored
from tests.conftest import Ran, Run
from tests.values import replace

_PAGE = replace(stored.page("six"), headers={"accept": "text/html"})


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


class Holding(Protocol):
    """An object store into which one can look."""

    @property
    def url(self) -> str:
        """The value of the option `remote`."""

    def keys(self, below: str = "") -> list[str]:
        """Return the names of all objects below a folder."""

    def read(self, key: str) -> bytes:
        """Return an object."""


def send_at_once(objects: Holding, folder: Path) -> None:
    """Have two hosts send different pages of a project at the same moment, in each order; fail unless the newer stays.

    The variables of this process say who sends.
    """
    for round_ in range(8):
        ages = [1000.0 - 100 * round_ + each for each in (0.0, 50.0)]
        send = partial(_send, objects.url, folder, round_)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(send, ages if round_ % 3 else ages[::-1]))
        (key,) = objects.keys("records-v1")
        there = record.decode(objects.read(key), _PAGE.url)
        assert there is not None
        assert there.page is not None
        assert b"six-%d.whl</a>" % ages[0] in there.page
        assert len(manifest.decoded(objects.read(manifest.name(f"job-{round_}")))) == 1


def _send(remote: str, folder: Path, round_: int, age: float) -> None:
    """Send a page that was checked so many seconds ago, from a host with a folder of its own below this one."""
    body = b'<!DOCTYPE html><html><body><a href="six-%d.whl">six-%d.whl</a></body></html>' % (round_, age)
    moment, digest, store = time.time() - age, sha256(body).hexdigest(), Store(folder / f"{round_}-{age}")
    headers = {"content-type": "text/html"}
    made = Record(_PAGE.url, _PAGE.url, headers, moment, moment, 0.1, len(body), digest, body, "html")
    assert store.put(_PAGE, made)
    sending = Sending(remote, store.root, time.monotonic() + 60)
    sending.send(f"job-{round_}", [(_PAGE.url, "page")], {} if round_ % 2 else None, set())
    assert sending.use.problem == ""
