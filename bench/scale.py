"""Measures a fleet on one object store: `python -m bench.scale [--nodes N] [--builds N] [--jobs N]`.

Nodes that begin empty make builds of common jobs against a recorded index (bench/recording.py) and a real S3 server on
this machine, which is started and stopped here (bench/fleet.py). It ends with 1 if a build failed, or if a new node
began later than a plain download of the same bytes allows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests import environments, objects
from tests.clients import NEWEST_PIP
from tests.environments import CHECKOUT, NoNetwork

from bench import bill
from bench.fleet import Fleet, Size, mean
from bench.node import Built
from bench.recording import record
from bench.table import table

HEAD = """# Scale

This page says what a fleet asks of one [object store](../how-to/object-store.md), and what it has of it.
The command that measures it writes the page:

    python -m bench.scale --markdown docs/reference/scale.md

{nodes} nodes made {builds} builds each, of {jobs} jobs, against SeaweedFS on this machine, {at_once} nodes at once,
with {cores} cores for all of it.
Each node began with an empty folder.
A job looks up {least} to {most} of {projects} real projects, each with its page and one file.
A few jobs are built most.
Each build was made by `cachedindex run`, with its helper processes; only its client was forked from a process that had
imported what it needs. The index was healthy.
It took {minutes:.0f} minutes. A page is fresh for ten, after which a build asks the index whether it has changed.
The load of the machine was {load:.0f} before it began; 0 is an idle one, on which all times are shorter.

## Builds
"""
BUILDS_SAYS = """
"Hit rate" is the share of the objects asked for that came from the store and were sound. What the node has already is
not asked for.
"Begins after" is the time from the start of `cachedindex run` to that of its command, as median and as 95th percentile.

The server counted these requests of all builds, {rate:,.0f} a second:
"""
BEGIN_SAYS = """
## Time to begin

A new node, after the others, and a plain download of the same objects by one process in 32 threads, in
turns: the medians of the seconds from the start of the process, in {rounds} rounds. At most 1 s more is allowed.
"""
PAPER_SAYS = """
## {nodes:,} nodes, on paper

Computed from the second half of these nodes, which found a store that was filled, for {nodes:,} nodes that begin each
day empty, with {builds} builds each, in {hours} hours of a day, on {days} days a month.
The prices are those of S3 Standard in us-east-1, without discounts: $5 for a million PUT, $0.40 for a million GET or
HEAD, $0.023 for a gigabyte stored for a month, nothing for bytes within the region or through a gateway endpoint, $0.09
for a gigabyte that leaves the region.

"Pages renewed" is what passing time adds, as an upper bound: a page in use is sent again once an hour, by the first
node that has revalidated it, and brought by each node that uses it. Those need not revalidate it themselves.
"Builds" is one as well, if the nodes that were measured made fewer builds, here {measured}: the more builds a node
makes, the fewer are of a job that is new to it.
"""
BREAKS_SAYS = """
Within the region, all of it is {month:,.0f} dollars a month; {stored:.2f} GB of storage are among it, with {cents:.2f}.

What breaks first:

1. The start of all nodes at the same moment. A new node asks for {new_gets:,.0f} objects.
   Below one prefix, S3 takes {gets:,} GET a second before it divides the prefix, and answers 503 beyond that.
   So {nodes:,} new nodes take {burst:,.0f} s. Each of them waits for `remote-timeout`, and begins with what has come.
   Start nodes over some minutes, or give them a disk that stays.
2. A small server of one's own. The one on this machine gave one node its objects in {plain:.2f} s, beside its clients
   on the same {cores} cores: that is {at_once:,.0f} new nodes within 5 s.
   Then come the bytes: {mb:,.0f} MB a second on average are {gbit:.1f} Gbit/s.
3. The manifest of a job of which hundreds of builds end at the same moment with something new. It is one object,
   which is replaced under a condition: who loses that three times leaves it to a later build. A build with nothing new
   writes none.

Nothing of it depends on how much is stored: nothing is ever listed, and there is no server of ours.
"""
_GRACE = 1.0
"""Seconds by which a new node may begin later than a plain download ends."""
_PATIENCE = 5.0
"""The default of `remote-timeout`."""


def main() -> int:
    """Measure, print, and return the exit code."""
    arguments = _arguments()
    if why := objects.missing():
        raise SystemExit(why)
    size = Size(*(getattr(arguments, field) for field in Size._fields))
    with tempfile.TemporaryDirectory(prefix="cachedindex-scale-") as name, ExitStack() as stack:
        _prepare(arguments.recording, Path(name))
        fleet = Fleet(Path(name), stack, arguments.recording, size)
        fleet.play()
        text = _text(fleet)
    print(text)
    print(f"{fleet.failed} builds failed, or lost the store; a new node begins {fleet.late:+.2f} s after the download")
    if arguments.markdown:
        arguments.markdown.write_text(text, "utf-8")
    return int(fleet.failed > 0 or fleet.late > _GRACE)


def _text(fleet: Fleet) -> str:
    """Return the page."""
    sizes = [len(job.files) for job in fleet.jobs]
    cores, size = os.cpu_count(), fleet.size._asdict()
    rate = fleet.counted.total() / fleet.seconds
    says = HEAD.format(
        **size,
        cores=cores,
        least=min(sizes),
        most=max(sizes),
        projects=len(fleet.projects),
        minutes=fleet.seconds / 60,
        load=fleet.load,
    )
    figures = fleet.figures
    parts = [says, _builds(fleet), BUILDS_SAYS.format(rate=rate), _requests(fleet), BEGIN_SAYS.format(**size)]
    said = {"nodes": bill.NODES, "builds": bill.BUILDS, "hours": bill.HOURS, "days": bill.DAYS}
    parts += [_begins(fleet), PAPER_SAYS.format(**said, measured=fleet.size.builds)]
    head, *rows = bill.rows(figures)
    parts += [table(head, rows), _breaks(figures, statistics.median(plain for _, plain in fleet.pairs))]
    return "\n".join(parts)


def _builds(fleet: Fleet) -> str:
    heads = ("builds", "number", "hit rate", "asked for", "received", "objects sent", "sent", "begins after")
    return table(heads, [_row(name, builds) for name, builds in fleet.groups.items() if builds])


def _row(name: str, builds: Sequence[Built]) -> Sequence[str]:
    asked, received, sent, sent_bytes = (mean(builds, field) for field in ("asked", "received", "sent", "sent_bytes"))
    began = sorted(build.began for build in builds)
    late = began[min(int(len(began) * 0.95), len(began) - 1)]
    return (
        name, f"{len(builds):,}", f"{mean(builds, 'found') / asked:.1%}" if asked else "", f"{asked:.1f}",
        f"{received / 1e6:.2f} MB", f"{sent:.2f}", f"{sent_bytes / 1e6:.2f} MB",
        f"{statistics.median(began):.2f} s, {late:.2f} s",
    )  # fmt: skip


def _requests(fleet: Fleet) -> str:
    builds = len(fleet.builds)
    rows = [[kind, f"{count:,}", f"{count / builds:.2f}"] for kind, count in sorted(fleet.counted.items()) if count]
    return table(("requests", "in all", "for each build"), rows)


def _begins(fleet: Fleet) -> str:
    columns = [*zip(*fleet.pairs, strict=True), [run - plain for run, plain in fleet.pairs]]
    heads = ("the command of a new node begins after", "plain download", "difference")
    return table(heads, [[f"{statistics.median(each):.2f} s" for each in columns]])


def _breaks(figures: bill.Figures, plain: float) -> str:
    both = bill.of_builds(figures) + bill.of_time(figures)
    mb = both.received / (bill.HOURS * 3600) / 1e6
    return BREAKS_SAYS.format(
        month=bill.month(figures), stored=figures.stored / 1e9, cents=figures.stored / 1e9 * bill.STORED,
        new_gets=figures.new_gets, gets=bill.GETS_A_SECOND, nodes=bill.NODES, burst=bill.burst(figures), plain=plain,
        cores=os.cpu_count(), at_once=_PATIENCE / plain, mb=mb, gbit=mb * 8 / 1000,
    )  # fmt: skip


def _prepare(recording: Path, folder: Path) -> None:
    """Record if nothing is recorded there."""
    if (recording / "pages").is_dir():
        return
    try:
        wheels = environments.fetch(CHECKOUT / ".bench", folder, NEWEST_PIP)
    except NoNetwork as error:
        raise SystemExit(f"nothing is recorded, and nothing comes from this machine's index: {error}") from None
    record(recording, environments.make(folder / "environment", folder, wheels, NEWEST_PIP))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    number = partial(parser.add_argument, type=int)
    number("--nodes", default=200)
    number("--builds", default=50, help="of each node")
    number("--jobs", default=40, help="of the fleet")
    number("--at-once", default=os.cpu_count() or 1, help="nodes")
    number("--rounds", default=7, help="of the measurement of the time to begin")
    number("--seed", default=16)
    parser.add_argument("--recording", type=Path, default=CHECKOUT / ".bench/recording", help="recorded if not there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page of the documentation")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
