"""The sections of a page about longer times: the hit rate of the last runs, and the growth of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cachedindex.run import pictures, tables, written
from cachedindex.run.markup import Markup, tag
from cachedindex.run.subject import Subject
from cachedindex.run.summary import volume

if TYPE_CHECKING:  # As in subject.py.
    from cachedindex.upkeep.growth import Growth

MOST_COLUMNS = 60
"""So many runs are in the picture of the hit rate, the last ones."""
_STEPS = 200
"""Of the picture of the growth."""
_ROWS = 12
"""Of its table."""


def hit_rate(subject: Subject) -> Markup:
    """Return the hit rate of each of the last runs."""
    rated = [(each, rate) for each in subject.summed if (rate := written.hit_rate(each.ended)) is not None]
    last = rated[-MOST_COLUMNS:]
    if not last:
        return tables.section("rate", "Hit rate", tag("p", "No look-up of the last runs could have been answered."))
    values = [
        (rate, f"{tables.clock(each.run.started)}, {written.called(each.run)}: {rate:.0%}") for each, rate in last
    ]
    rates = [rate for _, rate in last]
    text = f"From {min(rates):.0%} to {max(rates):.0%}; last {rates[-1]:.0%}."
    rows = [
        (tables.moment(each.run.started), written.called(each.run), f"{rate:.0%}", sum(each.ended.values()))
        for each, rate in reversed(last)
    ]
    title = f"Share of look-ups from the cache in the last {len(values)} runs"
    drawn = pictures.columns("rate-picture", title, text, values)
    axis = pictures.axis(tables.moment(last[0][0].run.started), tables.moment(last[-1][0].run.started))
    heads = ("began", "job or command", "hit rate", "look-ups")
    table = tables.table("rate-table", "Hit rate of each run", heads, rows)
    return tables.section(
        "rate",
        "Hit rate",
        tag("figure", tag("figcaption", f"{title}: a full column is 100%."), drawn, axis),
        tag("p", text),
        tag("details", tag("summary", "The numbers"), table),
    )


def stored(stored: Growth, now: float) -> Markup:
    """Return what the folder holds, and since when."""
    text = f"{stored.files} files of {volume(stored.of_files)}, and {stored.pages} pages of {volume(stored.of_pages)}."
    if not stored.steps:
        return tables.section("stored", "The store", tag("p", text if stored.pages else "Nothing is stored yet."))
    began = stored.steps[0][0]
    steps = _thinned(stored.steps, began, now)
    days = _thinned(stored.steps, began, now, _ROWS)
    title = "Bytes of the files that are stored, by when they came"
    wide, high = max(now - began, 1.0), max(stored.of_files, 1)
    points = [(max(100.0 * (at - began) / wide, 0.0), 100.0 * size / high) for at, size in steps]
    drawn = pictures.stairs("stored-picture", title, text, points)
    rows = [(tables.moment(at), volume(size)) for at, size in days]
    table = tables.table("stored-table", "Growth", ("until", "files"), rows)
    return tables.section(
        "stored",
        "The store",
        tag("p", text),
        tag("figure", tag("figcaption", f"{title}; the top is {volume(stored.of_files)}."), drawn,
            pictures.axis(tables.moment(began), tables.moment(now))),
        tag("p", "What was deleted since is not in it.", class_="note"),
        tag("details", tag("summary", "The numbers"), table),
    )  # fmt: skip


def _thinned(
    steps: Sequence[tuple[float, int]], began: float, ended: float, most: int = _STEPS
) -> list[tuple[float, int]]:
    """Return of steps that are close together the last one, so that there are so many at most, about evenly spaced."""
    wide = max(ended - began, 1.0)
    last = {int(most * (at - began) / wide): (at, size) for at, size in steps}
    return list(last.values())
