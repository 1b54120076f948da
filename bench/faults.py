"""The fault matrix: real clients build while their index misbehaves in every way that we know.

    python -m bench.faults [--fault NAME] [--client NAME] [--quick] [--peers] [--markdown FILE]

Its page in the documentation says what is measured, and is made by this command.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests import environments, packages
from tests.clients import EXPIRED, NEWEST_PIP, OLDEST_PIP, Build, Buildout, Client, Job, Pip, Script, bodies
from tests.environments import CHECKOUT, NoNetwork
from tests.faults import FAULTS, Fault
from tests.names import NoNames
from tests.sites import Door, Site, opened

from bench import peers
from bench.table import table
from cachedindex.settings import MAX_FAILS, Settings

PROJECTS = 120
NAMES = (*(f"project-{number:03}" for number in range(PROJECTS - 1)), "star")
FEW = ("project-000", "project-001", "project-002")
FIRST = MAX_FAILS * Settings().timeout + 1
"""Seconds by which the first build may be longer than with a sound index."""
SECOND = 0.5
"""Seconds by which the second may be, within the pause."""
LONGEST = 30.0
"""Seconds after which a build without a copy is ended, with us or without."""
IMPATIENT = {"PIP_DEFAULT_TIMEOUT": "1", "PIP_RETRIES": "1"}
"""By default a pip waits for a silent index for a hundred seconds."""
QUICK = ("refused", "accepts and never answers", "503 with Retry-After 30", "body shorter than Content-Length",
         "login portal", "404 for all")  # fmt: skip

HEAD = """# Faults

What real builds do while their index misbehaves, as measured by this command; nothing here is typed by hand.

    python -m bench.faults --peers --markdown docs/reference/faults.md

`--quick` takes a few faults, `--fault NAME` and `--client NAME` one; both may be given several times.
It needs this checkout's `[test]` extra, and root for the faults of names.
Peers are measured where they are on `PATH`: `uv`, `devpi-server`, `flask` beside proxpi, `nginx`.
"""
EXPIRED_SAYS = f"""{PROJECTS} projects, all pages stored and expired, all files stored; `timeout` has its default.
Each cell: the verdict; by how much the first build was longer than with a sound index, and the next one on this host,
right after it; how many requests of each reached the index.
"ok" is: exit code 0 twice, the same versions as with a sound index, every stored page as it was, the first build longer
by at most {FIRST:g} s and the second by at most {SECOND:g} s."""
COLD_SAYS = f"""The newest pip, nothing stored, {len(FEW)} projects, at most {LONGEST:g} s.
Both sides ran at the same time, with `--timeout 1 --retries 1`, since a pip waits for a silent index for a hundred
seconds. Without a copy there is nothing to serve: "ok" is: it ends as the bare pip does, and at most
{Settings().timeout:g} s later."""
PEERS_SAYS = f"""Bare clients install {len(FEW)} projects, with a cache of their own that a sound index has filled.
Proxies are asked for one page that has expired after {peers.EXPIRY} s, and are waited for {peers.LONGEST:g} s."""

CLIENTS = ("pip-oldest", "pip-newest", "buildout", "requests")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Met:
    """How two builds fared, one after the other, since a fault had begun."""

    first: Build
    second: Build
    asked: tuple[int, int]
    healthy: Build
    kept: bool
    """Whether every stored page is what it was."""

    @property
    def wrong(self) -> list[str]:
        """What is not as it should be."""
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


class Bench:
    """The index by each of its doors, and the clients, each with a cache for each door."""

    def __init__(self, folder: Path, stack: ExitStack, clients: Mapping[str, Client], say: Say) -> None:
        """Take a folder that holds the distributions in `star`."""
        self.clients = clients
        self._folder = folder
        self._stack = stack
        self._say = say
        self.address = stack.enter_context(opened(folder / "star", "address", folder / "address"))
        self._sites: dict[Door, Site | None] = {"address": self.address}
        self._jobs: dict[tuple[str, Door], Job] = {}

    def site(self, door: Door) -> Site | None:
        """Return the site, or None where this machine does not let us open that door."""
        if door not in self._sites:
            try:
                site = self._stack.enter_context(opened(self._folder / "star", door, self._folder / door))
                self._sites[door] = site
            except NoNames as error:
                self._say(f"NOT MEASURED FOR WANT OF ROOT: faults of names: {error}")
                self._sites[door] = None
        return self._sites[door]

    def meets(self, client: str, fault: Fault) -> Met | None:
        """Have a client build twice under a fault, its pages expired."""
        site = self.site(fault.door)
        if site is None:
            return None
        job = self._job(client, site)
        job.restore()
        healthy = job.build(EXPIRED)
        if healthy.code or healthy.versions != job.healthy.versions:
            raise SystemExit(f"{client} does not build with a sound index:\n{healthy.said}")
        job.restore()
        fault.begin(site)
        try:
            (first, asked), (second, again) = _counted(job), _counted(job)
        finally:
            site.heal()
        return Met(first, second, (asked, again), healthy, bodies(job.cache) == job.pages)

    def meets_cold(self, python: Path, name: str) -> tuple[Build, Build] | None:
        """Have a pip build with nothing stored, and the bare one beside it, at the same time."""
        fault = FAULTS[name]
        site = self.site(fault.door)
        if site is None:
            return None
        fault.begin(site)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder, ThreadPoolExecutor() as pool:
            jobs = [
                Job(Pip(python, FEW, covered=covered), site, Path(folder) / str(covered)) for covered in (False, True)
            ]
            try:
                bare, ours = pool.map(lambda job: job.build(IMPATIENT, longest=LONGEST), jobs)
            finally:
                site.heal()
        return bare, ours

    def _job(self, client: str, site: Site) -> Job:
        if (client, site.door) not in self._jobs:
            job = Job(self.clients[client], site, self._folder / f"{client} {site.door}")
            job.keep(job.build())
            self._jobs[client, site.door] = job
        return self._jobs[client, site.door]


def main() -> int:
    """Measure, print, and return 1 where something is not as it should be."""
    arguments = _arguments()
    faults = arguments.fault or (QUICK if arguments.quick else tuple(FAULTS))
    with tempfile.TemporaryDirectory(prefix="cachedindex-bench-") as folder, ExitStack() as stack:
        try:
            clients, pip = _clients(Path(folder), arguments.client)
        except NoNetwork as error:
            raise SystemExit(f"the real clients cannot be had from this machine's index: {error}") from None
        bench = Bench(Path(folder), stack, clients, lambda line: print(line, file=sys.stderr, flush=True))
        expired, wrong = _expired(bench, faults)
        cold, wrong_cold = _cold(bench, faults, pip)
        sections = [expired, cold]
        if arguments.peers:
            sections.append(_peers(bench, faults, Path(folder), pip))
    text = "\n\n".join(sections)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(f"{HEAD}\n{text}\n", "utf-8")
    return int(wrong or wrong_cold)


def _expired(bench: Bench, faults: Sequence[str]) -> tuple[str, bool]:
    rows, wrong = [], False
    for name in faults:
        met = [bench.meets(client, FAULTS[name]) for client in bench.clients]
        rows.append([name, *("-" if one is None else str(one) for one in met)])
        wrong = wrong or any(one.wrong for one in met if one)
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    head = "## Expired copies"
    return f"{head}\n\n{EXPIRED_SAYS}\n\n{table(['fault', *bench.clients], rows)}", wrong


def _cold(bench: Bench, faults: Sequence[str], python: Path) -> tuple[str, bool]:
    rows, wrong = [], False
    for name in faults:
        both = bench.meets_cold(python, name)
        if both is None:
            rows.append([name, "-", "-"])
            continue
        bare, ours = both
        right = ours.code == bare.code and ours.seconds <= bare.seconds + Settings().timeout
        rows.append([name, _ended(bare), f"{'ok' if right else '**not as the bare one**'} {_ended(ours)}"])
        wrong = wrong or not right
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    head = "## Nothing stored"
    return f"{head}\n\n{COLD_SAYS}\n\n{table(['fault', 'bare pip', 'through cachedindex'], rows)}", wrong


def _peers(bench: Bench, faults: Sequence[str], folder: Path, python: Path) -> str:
    names = [name for name in faults if FAULTS[name].door == "address"]
    columns: dict[str, list[str]] = {"bare pip": _bare(bench, Pip(python, FEW, covered=False), names, folder / "bare")}
    if shutil.which("uv"):
        columns["uv"] = _bare(bench, peers.Uv(FEW), names, folder / "uv")
    site = bench.address
    for proxy in peers.installed():
        try:
            with peers.started(proxy, site, folder / "peers" / proxy) as pages:
                columns[proxy] = [peers.met(pages, FAULTS[name], site) for name in names]
        except OSError as error:
            print(f"NOT MEASURED: {proxy}: {error}", file=sys.stderr)
    rows = [[name, *(column[number] for column in columns.values())] for number, name in enumerate(names)]
    return f"## Others\n\n{PEERS_SAYS}\n\n{table(['fault', *columns], rows)}"


def _bare(bench: Bench, client: Client, names: Sequence[str], folder: Path) -> list[str]:
    site = bench.address
    job = Job(client, site, folder)
    # They keep what they fetch in caches of their own, as they would on a CI host.
    own = {**IMPATIENT, "PIP_NO_CACHE_DIR": "0", "UV_HTTP_TIMEOUT": "1", "UV_HTTP_RETRIES": "1"}
    own |= {"PIP_TRUSTED_HOST": site.index.origin.removeprefix("http://")}
    job.build(own)
    ended = []
    for name in names:
        FAULTS[name].begin(site)
        try:
            ended.append(_ended(job.build(own, longest=LONGEST)))
        finally:
            site.heal()
    return ended


def _counted(job: Job) -> tuple[Build, int]:
    job.site.index.seen.clear()
    return job.build(EXPIRED), len(job.site.index.seen)


def _ended(build: Build) -> str:
    return f"not ended in {build.seconds:.0f} s" if build.code is None else f"exit {build.code}, {build.seconds:.1f} s"


def _clients(folder: Path, wanted: Sequence[str] | None) -> tuple[dict[str, Client], Path]:
    """Return the clients by name, and the newest pip's python; NoNetwork where they cannot be had."""
    wheelhouses = CHECKOUT / ".bench"
    wheelhouses.mkdir(exist_ok=True)
    star = folder / "star"
    star.mkdir()
    packages.add_star(star, PROJECTS - 1)
    packages.add_recipe(star, environments.fetch(wheelhouses, folder, "zc.recipe.egg"))

    def python(*requirements: str) -> Path:
        wheels = environments.fetch(wheelhouses, folder, *requirements)
        return environments.make(folder / "-".join(requirements), folder, wheels, *requirements)

    def buildout() -> Buildout:
        own = python("zc.buildout", "requests", "filelock")
        (folder / "wheel").mkdir()
        environments.install(own, folder, "--no-deps", environments.our_wheel(folder / "wheel"))
        return Buildout(own, installed=star)

    newest = python(NEWEST_PIP)
    makers: Sequence[Callable[[], Client]] = (
        lambda: Pip(python(OLDEST_PIP)), lambda: Pip(newest), buildout, lambda: Script(NAMES),
    )  # fmt: skip
    return {name: make() for name, make in zip(CLIENTS, makers, strict=True) if not wanted or name in wanted}, newest


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description="The fault matrix.")
    parser.add_argument("--fault", action="append", choices=FAULTS, metavar="NAME", help="this one; may be repeated")
    parser.add_argument("--client", action="append", choices=CLIENTS, help="this one; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a few faults")
    parser.add_argument("--peers", action="store_true", help="what others do, too, where they are installed")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page of the documentation")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
