"""Computes from the figures of a small fleet what a large one asks of an object store, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

NODES = 10_000
BUILDS = 50
"""Of a node, in a day."""
HOURS = 10
"""Of a day in which there are builds."""
DAYS = 22
"""Of a month."""
PEAK = 3
"""How many times as much as on average there is at the worst moment."""

PUT = 0.005 / 1000
"""Dollars, as all prices here: S3 Standard in us-east-1. A PUT."""
GET = 0.0004 / 1000
"""A GET, or a HEAD."""
STORED = 0.023
"""A gigabyte for a month."""
EGRESS = 0.09
"""A gigabyte that leaves the region. Within it, and through a gateway endpoint, it costs nothing."""
GETS_A_SECOND, PUTS_A_SECOND = 5500, 3500
"""What S3 takes below one prefix before it divides it, at the least."""


class Figures(NamedTuple):
    """What was measured, for one node on one day, or for one build of a node."""

    new_gets: float
    """Of the first build of a node."""
    new_bytes: float
    """Received by it."""
    gets: float
    """Of any later build, on average."""
    received: float
    """Bytes, by any later build."""
    puts: float
    """Of any build."""
    sent: float
    """Bytes, by any build."""
    pages: int
    """In the store; a node uses all of them in a day at most."""
    page_bytes: float
    """Of one page."""
    stored: float
    """Bytes in the store."""


class Load(NamedTuple):
    """What a fleet asks of its store in a day."""

    gets: float
    puts: float
    received: float
    """Bytes."""
    sent: float

    def __add__(self, other: object) -> Load:
        """Return the sum, number by number."""
        assert isinstance(other, Load)
        return Load(*(one + more for one, more in zip(self, other, strict=True)))


def of_builds(figures: Figures) -> Load:
    """Return what the builds ask for, each node beginning the day empty."""
    later = NODES * (BUILDS - 1)
    return Load(
        NODES * figures.new_gets + later * figures.gets,
        NODES * BUILDS * figures.puts,
        NODES * figures.new_bytes + later * figures.received,
        NODES * BUILDS * figures.sent,
    )


def of_time(figures: Figures) -> Load:
    """Return what passing time adds: each page is sent again once in an hour, and brought by each node that uses it.

    It is an upper bound: a page that the node has revalidated itself meanwhile is not brought.
    """
    gets, puts = NODES * figures.pages * HOURS, figures.pages * HOURS
    return Load(gets, puts, gets * figures.page_bytes, puts * figures.page_bytes)


def rows(figures: Figures) -> Sequence[Sequence[str]]:
    """Return what it comes to, as the rows of a table."""
    builds, time = of_builds(figures), of_time(figures)
    both = builds + time
    seconds = HOURS * 3600
    head = ["", "builds", "pages renewed", "both"]
    each = (builds, time, both)
    return [
        head,
        ["GET and HEAD, a day", *(_number(load.gets) for load in each)],
        ["PUT, a day", *(_number(load.puts) for load in each)],
        ["requests a second", *(f"{(load.gets + load.puts) / seconds:,.0f}" for load in each)],
        [f"{PEAK} times as many", *(f"{PEAK * (load.gets + load.puts) / seconds:,.0f}" for load in each)],
        ["MB a second to the nodes", *(f"{load.received / seconds / 1e6:,.0f}" for load in each)],
        ["dollars a month for GET and HEAD", *(_dollars(DAYS * load.gets * GET) for load in each)],
        ["dollars a month for PUT", *(_dollars(DAYS * load.puts * PUT) for load in each)],
        ["if the bytes leave the region", *(_dollars(DAYS * load.received / 1e9 * EGRESS) for load in each)],
    ]  # fmt: skip


def month(figures: Figures) -> float:
    """Return the dollars of a month within the region, storage included."""
    both = of_builds(figures) + of_time(figures)
    return DAYS * (both.gets * GET + both.puts * PUT) + figures.stored / 1e9 * STORED


def burst(figures: Figures) -> float:
    """Return in how many seconds S3 answers, below one prefix, if all nodes begin at the same moment."""
    return NODES * figures.new_gets / GETS_A_SECOND


def _number(count: float) -> str:
    return f"{count / 1e6:,.1f} M" if count >= 1e6 else f"{count:,.0f}"  # noqa: PLR2004 - a million


def _dollars(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:,.2f}"  # noqa: PLR2004 - cents count below
