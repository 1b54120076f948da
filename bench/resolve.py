"""Measures real work on real pages: `python -m bench.resolve [--recording FOLDER] [--latency MS ...] [--rounds N]`.

A pip resolves 16 roots, 153 projects, against a recorded index (bench/recording.py), without us and with us in turns,
so that other programs disturb both alike. The exit code is 1 if two builds come to different files.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests import environments
from tests.clients import COVERED, NEWEST_PIP
from tests.environments import CHECKOUT, clean_environment

from bench.recording import ROOTS, Site, record, served
from bench.table import table

_OURS = {"PIP_NO_CACHE_DIR": "1"}
STATES: Mapping[str, Mapping[str, str]] = {
    "bare": {},
    "fresh": {**_OURS, "CACHEDINDEX_INDEX_TTL": "1 d"},
    "expired": {**_OURS, "CACHEDINDEX_INDEX_TTL": "0"},
    "bare, its cache empty": {"PIP_NO_CACHE_DIR": "1"},
    "nothing stored": _OURS,
}
"""The variables of a build in each state. The bare pip has its own cache, warm, unless the state says otherwise."""
AGAINST = {"fresh": "bare", "expired": "bare", "nothing stored": "bare, its cache empty"}
"""The bare state that each of ours is divided by."""
SAYS = """Each cell: the median of the seconds, of the seconds of CPU, and of the ratios to the bare build of the same
round; how many requests reached the index."""


class Resolved(NamedTuple):
    """One resolve: its seconds, its seconds of CPU, its requests, and what it came to."""

    seconds: float
    cpu: float
    asked: int
    files: tuple[str, ...]


class Workplace:
    """The folder of one pip, with its own cache and with ours."""

    def __init__(self, folder: Path, python: Path, roots: Sequence[str] = ROOTS) -> None:
        self.folder, self.python, self.roots = folder, python, roots

    def resolve(self, state: str, site: Site) -> Resolved:
        """Run the pip to its end; CalledProcessError if it fails."""
        if state == "nothing stored":
            shutil.rmtree(self.folder / "ours", ignore_errors=True)
        report = self.folder / "report.json"
        pip = (self.python, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--report", report)
        covered = () if state.startswith("bare") else COVERED
        own = {"PIP_CACHE_DIR": str(self.folder / "pip"), "CACHEDINDEX_CACHE_DIR": str(self.folder / "ours")}
        where = {"PIP_INDEX_URL": site.url, "PIP_TRUSTED_HOST": "127.0.0.1"}
        environ = {**clean_environment(self.folder), **own, **where, **STATES[state]}
        command = [str(word) for word in (*covered, *pip, *self.roots)]
        asked, before, began = site.asked(), os.times(), time.perf_counter()
        subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
        seconds, after = time.perf_counter() - began, os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Resolved(seconds, cpu, site.asked() - asked, _files(report))


def main() -> int:
    """Measure, print, and return 1 if two builds came to different files."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="cachedindex-bench-") as name:
        folder = Path(name)
        wheels = environments.fetch(CHECKOUT / ".bench", folder, NEWEST_PIP)
        python = environments.make(folder / "environment", folder, wheels, NEWEST_PIP)
        if not (arguments.recording / "pages").is_dir():
            record(arguments.recording, python)
        rows, files = [], set()
        for latency in arguments.latency:
            measured = _measured(folder / str(latency), python, arguments.recording, latency, arguments.rounds)
            files |= {one.files for builds in measured.values() for one in builds}
            rows.append([f"{latency} ms", *(_cell(state, measured) for state in STATES)])
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    print(f"{SAYS}\n\n{table(['index away', *STATES], rows)}")
    return int(len(files) != 1)


def _measured(
    folder: Path, python: Path, recording: Path, latency: float, rounds: int
) -> Mapping[str, Sequence[Resolved]]:
    folder.mkdir()
    place = Workplace(folder, python)
    with served(recording, latency / 1000) as site:
        place.resolve("bare", site)
        place.resolve("nothing stored", site)
        turns = [{state: place.resolve(state, site) for state in STATES} for _ in range(rounds)]
    return {state: [turn[state] for turn in turns] for state in STATES}


def _cell(state: str, measured: Mapping[str, Sequence[Resolved]]) -> str:
    builds = measured[state]
    seconds = statistics.median(build.seconds for build in builds)
    cpu = statistics.median(build.cpu for build in builds)
    words = f"{seconds:.1f} s, {cpu:.1f} s CPU"
    if state in AGAINST:
        pairs = zip(builds, measured[AGAINST[state]], strict=True)
        words += f", x {statistics.median(ours.seconds / bare.seconds for ours, bare in pairs):.2f}"
    return f"{words} ({builds[-1].asked})"


def _files(report: Path) -> tuple[str, ...]:
    installed = json.loads(report.read_text("utf-8"))["install"]
    return tuple(sorted(one["download_info"]["url"].rpartition("/")[2] for one in installed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recording", type=Path, default=CHECKOUT / ".bench/recording", help="recorded if not there")
    parser.add_argument("--latency", type=float, nargs="+", default=[0, 30, 100], help="milliseconds, each measured")
    parser.add_argument("--rounds", type=int, default=5, help="builds in each state")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
