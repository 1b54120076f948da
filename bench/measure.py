"""Builds under a fault: how they are run, what they are compared with, and what counts as right."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.clients import EXPIRED, Build, Client, Job, Pip, bodies
from tests.faults import Fault
from tests.names import NoNames
from tests.sites import Door, Site, opened

from bench.clients import FEW
from cachedindex.options import MAX_FAILS, Settings

FIRST = MAX_FAILS * Settings().timeout + 1
"""Seconds by which the first build may take longer than with a sound index."""
SECOND = 0.5
"""Seconds by which the second build may take longer, within the pause of the breaker."""
LATER = Settings().timeout
"""Seconds by which a build without a copy may end later than the bare client's."""
LONGEST = 25.0
"""Seconds after which a build without a copy is ended, with us or without."""
AGAIN = 2
"""How often a wrong result is measured again, since another program on this machine may have caused it."""
IMPATIENT = {"PIP_DEFAULT_TIMEOUT": "2", "PIP_RETRIES": "1"}
"""By default a pip waits for a silent index for a hundred seconds."""


@dataclass(frozen=True)
class Met:
    """The results of two builds, one after the other, under a fault."""

    first: Build
    second: Build
    asked: tuple[int, int]
    healthy: Build
    kept: bool
    """Whether every stored page is unchanged."""

    @property
    def wrong(self) -> list[str]:
        """The words for each way in which the builds are not as they should be."""
        checks = {
            f"exit {self.first.code}, {self.second.code}": bool(self.first.code or self.second.code),
            "other versions": {*map(tuple, (self.first.versions, self.second.versions))}
            != {tuple(self.healthy.versions)},
            "a page was replaced": not self.kept,
            "too slow": self.first.seconds - self.healthy.seconds > FIRST,
            "the second too slow": self.second.seconds - self.healthy.seconds > SECOND,
        }
        return [text for text, applies in checks.items() if applies]

    def __str__(self) -> str:
        first, second = (build.seconds - self.healthy.seconds for build in (self.first, self.second))
        verdict = f"**{', '.join(self.wrong)}**" if self.wrong else "ok"
        return f"{verdict} {first:+.1f} s, {second:+.1f} s ({self.asked[0]}, {self.asked[1]})"


@dataclass(frozen=True)
class MetCold:
    """The results of a build without a copy, and of the bare client's build."""

    bare: Build
    ours: Build

    @property
    def wrong(self) -> bool:
        """Whether it ended in another way, or later."""
        return self.ours.code != self.bare.code or self.ours.seconds > self.bare.seconds + LATER

    def __str__(self) -> str:
        return f"{'**not as the bare one**' if self.wrong else 'ok'} {ended(self.ours)}"


class Bench:
    """The index behind each way to reach it, a door, and the clients, each with a cache for each door."""

    def __init__(self, folder: Path, stack: ExitStack, clients: Mapping[str, Client]) -> None:
        """Take a folder that holds the distributions in `star`."""
        self.clients = clients
        self._folder = folder
        self._stack = stack
        self.address = stack.enter_context(opened(folder / "star", "address", folder / "address"))
        self._sites: dict[Door, Site | None] = {"address": self.address}
        self._jobs: dict[tuple[str, Door], Job] = {}

    def site(self, door: Door) -> Site | None:
        """Return the site, or None if this machine does not let us open that door."""
        if door not in self._sites:
            try:
                site = self._stack.enter_context(opened(self._folder / "star", door, self._folder / door))
                self._sites[door] = site
            except NoNames as error:
                print(f"NOT MEASURED WITHOUT ROOT: faults of name resolution: {error}", file=sys.stderr)
                self._sites[door] = None
        return self._sites[door]

    def meets(self, client: str, fault: Fault) -> Met | None:
        """Have a client build twice under a fault, its pages expired."""
        site = self.site(fault.door)
        if site is None:
            return None
        job = self._job(client, site)
        met = self._meets(job, fault)
        for _ in range(AGAIN):
            if not met.wrong:
                break
            met = min(met, self._meets(job, fault), key=lambda one: len(one.wrong))
        return met

    def _meets(self, job: Job, fault: Fault) -> Met:
        job.restore()
        healthy = job.build(EXPIRED)
        if healthy.code or healthy.versions != job.healthy.versions:
            raise SystemExit(f"{job.client} does not build with a sound index:\n{healthy.said}")
        job.restore()
        fault.begin(job.site)
        try:
            (first, asked), (second, again) = _counted(job), _counted(job)
        finally:
            job.site.heal()
        return Met(first, second, (asked, again), healthy, bodies(job.cache) == job.pages)

    def meets_cold(self, python: Path, fault: Fault) -> MetCold | None:
        """Have the bare pip build, and a covered one with nothing stored."""
        site = self.site(fault.door)
        if site is None:
            return None

        def build(*, covered: bool) -> Build:
            with tempfile.TemporaryDirectory(dir=self._folder) as folder:
                job = Job(Pip(python, FEW, covered=covered), site, Path(folder) / "job")
                return self.ends(job, fault, IMPATIENT)

        return MetCold(build(covered=False), build(covered=True))

    def ends(self, job: Job, fault: Fault, variables: Mapping[str, str]) -> Build:
        """Have a client without a copy build under a fault; the build is ended after LONGEST."""
        fault.begin(job.site)
        try:
            return job.build(variables, longest=LONGEST)
        finally:
            job.site.heal()

    def _job(self, client: str, site: Site) -> Job:
        if (client, site.door) not in self._jobs:
            job = Job(self.clients[client], site, self._folder / f"{client} {site.door}")
            job.keep(job.build())
            self._jobs[client, site.door] = job
        return self._jobs[client, site.door]


def ended(build: Build) -> str:
    """Return in words how a build ended."""
    return f"not ended in {build.seconds:.0f} s" if build.code is None else f"exit {build.code}, {build.seconds:.1f} s"


def _counted(job: Job) -> tuple[Build, int]:
    job.site.index.seen.clear()
    return job.build(EXPIRED), len(job.site.index.seen)
