"""The work that is measured on a recording, and the states in which each client does it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from tests.clients import COVERED
from tests.environments import clean_environment

from bench import peers as others
from bench.builds import State
from cachedindex.rules import urls

PINNED = 60
"""Distributions that a buildout, and an installation, have pinned."""
MOST_FILES = 1000
"""Files of a page of theirs at most."""
_EXPIRY = 600
"""Seconds after which a proxy asks for a page again, as the recorded index has it."""
_FRESH = {"CACHEDINDEX_INDEX_TTL": "1 d"}
_EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
_NO_CACHE = {"PIP_NO_CACHE_DIR": "1"}


class Place(NamedTuple):
    """A folder with a client's caches and ours, and the index that the client asks."""

    folder: Path
    python: Path
    """Has the pip."""
    url: str
    recording: Path
    roots: Sequence[str]
    pins: Sequence[str]
    stack: ExitStack
    """Ends what the work has started."""

    @property
    def ours(self) -> Path:
        """Our cache folder."""
        return self.folder / "ours"

    def variables(self, *more: Mapping[str, str], url: str = "") -> dict[str, str]:
        """Return a build's variables; `url` is another index than the recorded one."""
        found = {
            **clean_environment(self.folder),
            "PIP_CACHE_DIR": str(self.folder / "pip"),
            "CACHEDINDEX_CACHE_DIR": str(self.ours),
            "PIP_INDEX_URL": url or self.url,
            "PIP_TRUSTED_HOST": "127.0.0.1",
            "buildout_testing_index_url": self.url,
        }
        for each in more:
            found |= each
        return found

    def resolve(self, *options: object) -> Sequence[object]:
        """Return the command of a pip that resolves the roots.

        It writes what it came to into a file: printing it in colours takes pip a third of a second more.
        """
        pip = (self.python, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--report", self._report)
        return (*pip, *options, *self.roots)

    @property
    def _report(self) -> Path:
        return self.folder / "report.json"

    def resolved(self, _: str) -> Sequence[str]:
        """Return the names of the files in pip's report."""
        installed: list[dict[str, Any]] = json.loads(self._report.read_bytes())["install"]
        return [one["download_info"]["url"].rpartition("/")[2] for one in installed]

    def removes(self, *names: str) -> Callable[[], None]:
        """Return what removes folders of this one."""

        def remove() -> None:
            for name in names:
                shutil.rmtree(self.folder / name, ignore_errors=True)

        return remove

    def copies(self, name: str) -> Callable[[], object]:
        """Return what has a folder be a copy of our cache, without what is known of the index's health."""

        def copy() -> None:
            self.removes(name)()
            shutil.copytree(self.ours, self.folder / name, symlinks=True, ignore=shutil.ignore_patterns("health-v1"))

        return copy


def pip(place: Place) -> Mapping[str, State]:
    """Return the states of a pip that resolves the roots."""
    resolve, covered = place.resolve(), (*COVERED, *place.resolve())
    expired, outage = place.variables(_NO_CACHE, _EXPIRED), {"CACHEDINDEX_CACHE_DIR": str(place.folder / "outage")}
    folder = place.resolve("--no-index", "--find-links", place.recording / "files")
    return {
        "bare": State(resolve, place.variables(), place.resolved, fills=True),
        "nothing stored": State(
            covered,
            place.variables(_NO_CACHE),
            place.resolved,
            "bare, its cache empty",
            place.removes("ours"),
            fills=True,
        ),
        "fresh": State(covered, place.variables(_NO_CACHE, _FRESH), place.resolved, "bare"),
        "expired": State(covered, expired, place.resolved, "bare"),
        "bare, its cache empty": State(resolve, place.variables(_NO_CACHE), place.resolved),
        "outage": State(
            covered,
            {**expired, **outage},
            place.resolved,
            "bare",
            place.copies("outage"),
            in_outage=True,
            needs_index=False,
        ),
        "folder of wheels": State(folder, place.variables(_NO_CACHE), place.resolved, needs_index=False),
    }


def installation(place: Place) -> Mapping[str, State]:
    """Return the states of a pip that installs the pinned wheels into a new folder."""
    target = place.folder / "target"
    pip = (place.python, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target", target, *place.pins)

    def installed(_: str) -> Sequence[str]:
        return [path.name for path in target.glob("*.dist-info")]

    empty = place.variables(_NO_CACHE)
    return {
        "bare, its cache empty": State(pip, empty, installed, before=place.removes("target")),
        "nothing stored": State(
            (*COVERED, *pip), empty, installed, "bare, its cache empty", place.removes("target", "ours")
        ),
        "fresh": State(
            (*COVERED, *pip), {**empty, **_FRESH}, installed, "bare, its cache empty", place.removes("target")
        ),
    }


def buildout(place: Place) -> Mapping[str, State]:
    """Return the states of a buildout that finds and downloads the pinned distributions."""
    bare, ours = ((sys.executable, "-m", "bench.buildout", job, *place.pins) for job in ("download", "download-ours"))
    return {
        "bare": State(bare, place.variables(), str.split),
        "nothing stored": State(ours, place.variables(), str.split, "bare", place.removes("ours")),
        "fresh": State(ours, place.variables(_FRESH), str.split, "bare"),
        "expired": State(ours, place.variables(_EXPIRED), str.split, "bare"),
    }


def peers(place: Place) -> Mapping[str, State]:
    """Return the states of other programs that resolve the roots, as far as they are on PATH."""
    states = {"bare pip, its cache empty": State(place.resolve(), place.variables(_NO_CACHE), place.resolved)}
    if shutil.which("uv"):
        states |= _uv(place)
    for name in ("devpi", "proxpi"):
        if name in others.installed():
            try:
                started = place.stack.enter_context(others.started(name, place.url, place.folder / name, _EXPIRY))
            except OSError as error:
                print(f"LEFT OUT: {name}: {error}", file=sys.stderr)
                continue
            variables = place.variables(_NO_CACHE, url=started)
            states[f"{name}, warm"] = State(place.resolve(), variables, place.resolved, fills=True)
    return states


def _uv(place: Place) -> Mapping[str, State]:
    roots, cache = place.folder / "roots.in", place.folder / "uv"
    roots.write_text("\n".join(place.roots), "utf-8")
    where = ("--default-index", place.url, "--no-config", "--python", place.python)
    command = ("uv", "pip", "compile", "-q", "--no-header", "--no-annotate", "--cache-dir", cache, *where, roots)
    return {
        "uv, its cache empty": State(command, place.variables(), str.split, before=place.removes("uv")),
        "uv, warm": State(command, place.variables(), str.split),
    }


def pins(recording: Path) -> Sequence[str]:
    """Return the requirements of the pinned distributions: the first pure wheels whose pages are not too long."""
    found = {}
    for path in sorted((recording / "files").glob("*-none-any.whl")):
        name, version = path.name.split("-")[:2]
        page = recording / "pages" / f"{urls.normalized(name)}.json"
        if page.exists() and len(json.loads(page.read_bytes())["files"]) <= MOST_FILES:
            found[name] = f"{name}=={version}"
    return list(found.values())[:PINNED]
