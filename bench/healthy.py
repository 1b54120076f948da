"""Measures what a build costs with a sound index: `python -m bench.healthy [--client NAME] [--rounds N]`.

Builds without us and with us take turns against one index on this machine, so that other programs disturb both alike.
The exit code is 1 if a fresh build asks upstream, or is slower than it may be.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.clients import EXPIRED, Job
from tests.environments import NoNetwork
from tests.index import altered
from tests.sites import Site, opened

from bench import older
from bench.clients import CLIENTS, PROJECTS, Known, clients
from bench.table import table

_FRESH = {"CACHEDINDEX_INDEX_TTL": "1 d"}
STATES = ("fresh", "expired", "nothing stored")
MAY_TAKE = 1.05
"""The allowed ratio of a fresh build to the bare one: room for `cachedindex run`, and other programs on the machine."""
SAYS = f"""{PROJECTS} projects, from an index on the same machine that answers at once. The pages are as long
as those of 153 real projects: half of them have more than 87 files, the longest has {older.FILES[-1]:,}.
Each cell: the median of the differences to the bare build right before it; how many times as long; how many requests
reached the index, of how many that the bare one made."""


@dataclass(frozen=True)
class Cost:
    """The seconds of builds in one state, and of the bare ones beside them, with their requests."""

    bare: Sequence[float]
    ours: Sequence[float]
    asked: int
    asked_bare: int

    @property
    def ratio(self) -> float:
        """The median over the pairs of our time divided by the bare one."""
        return statistics.median(ours / bare for bare, ours in zip(self.bare, self.ours, strict=True))

    def __str__(self) -> str:
        more = statistics.median(ours - bare for bare, ours in zip(self.bare, self.ours, strict=True))
        return f"{more:+.2f} s, x {self.ratio:.2f} ({self.asked} of {self.asked_bare})"


def main() -> int:
    """Measure, print, and return 1 if anything is not as it should be."""
    arguments = _arguments()
    rows, wrong = [], False
    with tempfile.TemporaryDirectory(prefix="cachedindex-bench-") as name:
        folder = Path(name)
        try:
            measured, _ = clients(folder, arguments.client)
        except NoNetwork as error:
            raise SystemExit(f"the real clients cannot be installed from this machine's index: {error}") from None
        with opened(folder / "star", "address", folder / "address") as site:
            site.index.validators = True
            site.index.fault(altered(older.listed), "^/simple/.")
            for client, known in measured.items():
                costs = cost(known, site, folder / client, arguments.rounds)
                fresh = costs["fresh"]
                wrong = wrong or fresh.asked > 0 or fresh.ratio > MAY_TAKE
                rows.append([client, f"{statistics.median(fresh.bare):.2f} s", *map(str, costs.values())])
                print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    print(f"{SAYS}\n\n{table(['client', 'bare', *STATES], rows)}")
    return int(wrong)


def cost(client: Known, site: Site, folder: Path, rounds: int) -> Mapping[str, Cost]:
    """Return the cost in each state, from builds without us and with us in turns."""
    bare, ours = Job(replace(client, covered=False), site, folder / "bare"), Job(client, site, folder / "ours")
    ours.keep(ours.build(_FRESH))
    taken: dict[str, list[tuple[float, float]]] = {state: [] for state in STATES}
    asked: dict[str, int] = {}
    for _ in range(rounds):
        for state in STATES:
            before, asked["bare"] = _counted(bare, {})
            ours.restore(empty=state == "nothing stored")
            after, asked[state] = _counted(ours, EXPIRED if state == "expired" else _FRESH)
            taken[state].append((before, after))
    return {
        state: Cost([pair[0] for pair in pairs], [pair[1] for pair in pairs], asked[state], asked["bare"])
        for state, pairs in taken.items()
    }


def _counted(job: Job, variables: Mapping[str, str]) -> tuple[float, int]:
    job.site.index.seen.clear()
    build = job.build(variables)
    if build.code:
        raise SystemExit(f"{job.client} does not build with a sound index:\n{build.said}")
    return build.seconds, len(job.site.index.seen)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.healthy", description="What a healthy build costs with us.")
    parser.add_argument("--client", action="append", choices=CLIENTS, help="this client only")
    parser.add_argument("--rounds", type=int, default=7, help="builds in each state (default: 7)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
