"""Measures real work on real pages: `python -m bench.resolve [--latency MS ...] [--rounds N] [--buildout] [--peers]`.

Clients resolve 16 roots, 153 projects, against a recorded index (bench/recording.py), without us and with us in turns,
so that other programs disturb both alike. The exit code is 1 if two builds of a pip or a buildout come to different
files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests import environments
from tests.clients import NEWEST_PIP
from tests.environments import CHECKOUT, NoNetwork

from bench import works
from bench.builds import Built, State, built, cell, in_turns
from bench.recording import ROOTS, Site, record, served
from bench.table import table
from bench.works import Place

HEAD = """# Real work on real pages

This page compares builds without cachedindex, builds with it, and other programs that do the same work.
The command that measures them writes the page:

    python -m bench.resolve --buildout --peers --markdown docs/reference/resolve.md

The index is a recording of real pages: {projects} projects, as large as their index made them.
Another process on the same machine serves them, and answers each request after a delay; with compression, `ETag`,
`max-age=600`, and core metadata for every wheel.
The builds of a row took turns, so that other programs disturbed all of them alike.

Each cell has the medians of the seconds and of the seconds of CPU; then that of the ratios to the build it is compared
with, in the same round; then how many requests reached the index.
Times depend on the machine, so compare them only within a row. {rounds} rounds.
"""
PIP_SAYS = """`pip install --dry-run`, pip 26.3, {roots} roots. "bare" is the pip without cachedindex, and has its own
cache, filled a moment before.
"fresh" and "expired" are compared with it, and "nothing stored" with the bare pip whose cache is empty.
In "outage", the copies have expired, and the index accepts requests and never answers; the difference to the bare
pip is shown.
"folder of wheels" is `pip --no-index --find-links`, which needs no index: pip itself cannot be faster."""
INSTALL_SAYS = """`pip install --no-deps` of {pins} wheels, from an index that is {latency} ms away, {megabytes} MB/s
for each connection."""
BUILDOUT_SAYS = """zc.buildout finds {pins} pinned distributions and downloads them. It does not unpack them, as it
would start a pip for each, and looks none up that its own environment has. Each page has {most} files at most,
since [buildouts](buildouts.md) has the figures of larger ones.
buildout has no cache of pages, so all states are compared with the bare one."""
PEERS_SAYS = """uv resolves the same roots, with its own cache.
This is measured for the nearest index only: a proxy that has the pages does not ask it.
A proxy runs on this machine, in front of the index, for a bare pip whose own cache is empty; the CPU of the proxy
itself is not counted. In "warm", the proxy has the pages.
uv does far less work for each page than pip, whatever is in front of it: no cache makes a pip as fast."""
BANDWIDTH = 20
"""Megabytes a second for each connection of an installation."""
NEAR = 30
"""Milliseconds to the index of an installation."""


def main() -> int:
    """Measure, print, and return 1 if two builds came to different files."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="cachedindex-bench-") as name:
        try:
            bench = Bench(Path(name), arguments.recording, arguments.rounds)
        except NoNetwork as error:
            raise SystemExit(f"the clients cannot be installed from this machine's index: {error}") from None
        sections = list(_sections(bench, arguments))
    projects = len(list((arguments.recording / "pages").iterdir()))
    text = "\n\n".join(sections)
    print(text)
    if arguments.markdown:
        head = HEAD.format(projects=projects, rounds=arguments.rounds)
        arguments.markdown.write_text(f"{head}\n{text}\n", "utf-8")
    return int(bench.differs)


def _sections(bench: Bench, arguments: argparse.Namespace) -> Iterator[str]:
    latencies, pins = arguments.latency, bench.pins
    yield _section("pip", PIP_SAYS.format(roots=len(bench.roots)), bench.rows(works.pip, latencies))
    says = INSTALL_SAYS.format(pins=len(pins), latency=NEAR, megabytes=BANDWIDTH)
    yield _section("Installation", says, bench.rows(works.installation, [NEAR], BANDWIDTH * 1e6))
    if arguments.buildout:
        says = BUILDOUT_SAYS.format(pins=len(pins), most=works.MOST_FILES)
        yield _section("buildout", says, bench.rows(works.buildout, latencies))
    if arguments.peers:
        yield _section("Others", PEERS_SAYS, bench.rows(works.peers, latencies[:1], same=False))


def _section(title: str, says: str, rows: Sequence[Sequence[str]]) -> str:
    return f"## {title}\n\n{says}\n\n{table(rows[0], rows[1:])}"


class Bench:
    """The pip, the recording, and what was measured with them."""

    def __init__(self, folder: Path, recording: Path, rounds: int) -> None:
        """Make the environment, and the recording if it is not there; NoNetwork if that fails."""
        self._folder, self._recording, self._rounds = folder, recording, rounds
        wheels = environments.fetch(CHECKOUT / ".bench", folder, NEWEST_PIP)
        self._python = environments.make(folder / "environment", folder, wheels, NEWEST_PIP)
        if not (recording / "pages").is_dir():
            record(recording, self._python)
        own = recording / "roots.txt"
        self.roots = tuple(own.read_text("utf-8").split()) if own.exists() else ROOTS
        self.pins = works.pins(recording)
        self.differs = False

    def rows(
        self,
        work: Callable[[Place], Mapping[str, State]],
        latencies: Sequence[int],
        bandwidth: float = 0.0,
        *,
        same: bool = True,
    ) -> Sequence[Sequence[str]]:
        """Return the table of a work: a head, and a row for each latency in milliseconds.

        States in an outage, or without an index, do not depend on the latency, and are measured for the first one only.
        """
        found, names, files = [], dict[str, None](), set()
        for latency in latencies:
            folder = self._folder / f"{work.__name__}-{latency}"
            folder.mkdir()
            with ExitStack() as stack:
                site = stack.enter_context(served(self._recording, latency / 1000, bandwidth))
                place = Place(folder, self._python, site.url, self._recording, self.roots, self.pins, stack)
                states = work(place)
                measured = self._measured(states, site, is_first=latency == latencies[0])
            files |= {build.files for builds in measured.values() for build in builds}
            names |= dict.fromkeys(states)
            found.append((f"{latency} ms", {name: cell(name, states, measured) for name in states}))
            print(found[-1][0], *found[-1][1].values(), sep=" | ", file=sys.stderr, flush=True)
        self.differs = self.differs or (same and len(files) != 1)
        return [["index away", *names], *([away, *(cells.get(name, "-") for name in names)] for away, cells in found)]

    def _measured(self, states: Mapping[str, State], site: Site, *, is_first: bool) -> Mapping[str, Sequence[Built]]:
        chosen = {name: state for name, state in states.items() if is_first or state.needs_index}
        for state in chosen.values():
            if state.fills:
                built(state, site)
        return in_turns(chosen, site, self._rounds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recording", type=Path, default=CHECKOUT / ".bench/recording", help="recorded if not there")
    parser.add_argument("--latency", type=int, nargs="+", default=[0, 30, 100], help="milliseconds, each measured")
    parser.add_argument("--rounds", type=int, default=5, help="builds in each state")
    parser.add_argument("--buildout", action="store_true", help="measure a buildout, too")
    parser.add_argument("--peers", action="store_true", help="measure uv, devpi and proxpi, too, if they are on PATH")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page of the documentation")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
