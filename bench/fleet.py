"""A fleet on one object store: the servers, the jobs, what nodes build (bench/node.py), and what it came to."""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests import objects
from tests.environments import CHECKOUT, clean_environment
from tests.index import project_of
from tests.objects import BUCKET, WRITER, Objects

from bench import node as nodes
from bench.bill import Figures
from bench.node import Built, Job, Node
from bench.recording import served
from cachedindex.remote import manifest

LEAST, MOST = 5, 60
"""So many projects a job has."""
FIRST, NEW, OTHER, SAME = (
    "first of one of the first nodes",
    "first of a new node",
    "of a job new to its node",
    "of a job built before",
)
"""The kinds of builds."""
_DOWNLOAD = """
import sys
from concurrent.futures import ThreadPoolExecutor
from obstore.store import from_url
store = from_url(sys.argv[1])
names = sys.stdin.read().split()
with ThreadPoolExecutor(32) as pool:
    print(sum(pool.map(lambda name: len(store.get(name).bytes()), names)))
"""


class Size(NamedTuple):
    """How large a fleet is."""

    nodes: int
    builds: int
    """Of each node."""
    jobs: int
    """Of the fleet."""
    at_once: int
    """Nodes."""
    rounds: int
    """Of the measurement of the time to begin."""
    seed: int


class Fleet:
    """The nodes, and what was measured."""

    def __init__(self, folder: Path, stack: ExitStack, recording: Path, size: Size) -> None:
        """Start the two servers."""
        self.size = size
        self.projects = _files(recording)
        self.built: list[Sequence[Built]] = []
        """The builds of each node."""
        self.counted: Counter[str] = Counter()
        """The requests that the server has counted, by their kind."""
        self.load = os.getloadavg()[0]
        self.seconds = 0.0
        self.pairs: list[tuple[float, float]] = []
        """The seconds until a new node began, and those of a plain download of the same."""
        self._folder = folder
        self._store: Objects = stack.enter_context(objects.serving())
        self._index = stack.enter_context(served(recording)).url
        self._variables = objects.variables(WRITER, self._store.endpoint)
        draw = random.Random(size.seed)
        self.jobs = [self._job(number, draw) for number in range(size.jobs)]

    def play(self) -> None:
        """Have all nodes build, then measure the begin of a new one."""
        began, before = time.monotonic(), self._store.counted()
        with ThreadPoolExecutor(self.size.at_once) as pool:
            for number, built in enumerate(pool.map(self._node, range(self.size.nodes)), 1):
                self.built.append(built)
                print(f"{number} of {self.size.nodes} nodes", file=sys.stderr, flush=True)
        self.seconds = time.monotonic() - began
        self.counted = self._store.counted() - before
        self.pairs = [self._pair(number) for number in range(self.size.rounds)]

    @property
    def builds(self) -> Sequence[Built]:
        """All builds."""
        return [build for each in self.built for build in each]

    @property
    def failed(self) -> int:
        """How many builds failed, or lost the store."""
        return sum(build.code != 0 or any(use.problem for use in build.uses) for build in self.builds)

    @property
    def late(self) -> float:
        """By how many seconds a new node begins later than a plain download of the same ends; a median."""
        return statistics.median(run - plain for run, plain in self.pairs)

    @property
    def groups(self) -> Mapping[str, Sequence[Built]]:
        """The builds by their kinds."""
        found: dict[str, list[Built]] = {FIRST: [], NEW: [], OTHER: [], SAME: []}
        for place, each in enumerate(self.built):
            for build in each:
                of_first = FIRST if place < self.size.at_once else NEW
                found[SAME if build.is_known else OTHER if build.number else of_first].append(build)
        return found

    @property
    def figures(self) -> Figures:
        """What a large fleet is computed from: the second half of the nodes, as the first half has filled the store."""
        last = [build for each in self.built[len(self.built) // 2 :] for build in each]
        new = [build for build in last if not build.number]
        later = [build for build in last if build.number]
        pages = [len(self._store.read(name)) for name in self._store.keys("records-v1") if "/files/" not in name]
        blobs = [len(self._store.read(name)) for name in self._store.keys("blobs-v1")]
        return Figures(
            new_gets=1 + mean(new, "asked"),  # The first is for the manifest.
            new_bytes=mean(new, "received"),
            gets=1 + mean(later, "asked"),
            received=mean(later, "received"),
            puts=mean(last, "sent"),
            sent=mean(last, "sent_bytes"),
            pages=len(pages),
            page_bytes=statistics.mean(pages or [0]),
            stored=sum(blobs) + sum(pages),
        )

    # Builds.

    def _job(self, number: int, draw: random.Random) -> Job:
        most = min(MOST, len(self.projects))
        chosen = draw.sample(sorted(self.projects), draw.randint(min(LEAST, most), most))
        return Job(f"job-{number}", {project: self.projects[project] for project in sorted(chosen)})

    def _node(self, number: int) -> Sequence[Built]:
        """Have a node make its builds in a process of its own, and remove it."""
        weights = [1 / (place + 1) for place in range(len(self.jobs))]  # A few are built most, as Zipf says.
        jobs = random.Random(f"{self.size.seed} {number}").choices(self.jobs, weights, k=self.size.builds)
        folder = Path(tempfile.mkdtemp(prefix=f"node-{number}-", dir=self._folder))
        file = folder / "node.json"
        file.write_text(nodes.encoded(Node(str(folder), self._index, self._store.url, self._variables, jobs)))
        environ = {**clean_environment(folder), "TMPDIR": str(folder)}
        try:
            return [nodes.built(line) for line in _said(environ, "", "-m", "bench.node", str(file)).splitlines()]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # The time to begin.

    def _pair(self, number: int) -> tuple[float, float]:
        built = {build.job for build in self.builds}
        job = max((each for each in self.jobs if each.name in built), key=lambda each: len(each.files))
        own = self._folder / f"begin-{number}"
        environ = {**clean_environment(self._folder), **self._variables, "CACHEDINDEX_CACHE_DIR": str(own)}
        run = ("-m", "cachedindex", "run", "--remote", self._store.url, "--job", job.name, "--", "date", "+%s.%N")
        names = "\n".join(self._names(job))
        began = time.time()
        begins = float(_said(environ, "", *run)) - began
        shutil.rmtree(own)
        began = time.time()
        _said(environ, names, "-c", _DOWNLOAD, f"s3://{BUCKET}/{self._store.prefix}")
        return begins, time.time() - began

    def _names(self, job: Job) -> Iterator[str]:
        """Yield the names of the objects that a new node needs for a job."""
        known = manifest.decoded(self._store.read(manifest.name(job.name)))
        for name, used in known.items():
            yield name
            if used.is_file:
                yield manifest.blob_name(used.sha256)


def mean(builds: Sequence[Built], field: str) -> float:
    """Return the mean of a number of the uses of builds; 0 if there are none."""
    return sum(build.total(field) for build in builds) / len(builds) if builds else 0.0


def _files(recording: Path) -> Mapping[str, str]:
    """Return a file of each project of a recording that has a page."""
    pages = {path.stem for path in (recording / "pages").iterdir()}
    found = {project_of(path.name): path.name for path in sorted((recording / "files").iterdir())}
    return {project: file for project, file in found.items() if project in pages}


def _said(environ: Mapping[str, str], given: str, *words: str) -> str:
    """Return what a Python prints; raises CalledProcessError if it fails."""
    start = partial(
        subprocess.run, input=given, env=environ, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True
    )
    return str(start([sys.executable, *words]).stdout)
