"""A section, a table and a time of a page, as HTML for any reader and width."""

from __future__ import annotations

import time
from collections.abc import Sequence

from cachedindex.run.markup import Markup, joined, tag

_SHORT = 36
"""Letters of a cell that stays in one line."""


def section(ident: str, title: str, *content: object) -> Markup:
    """Return a section of a page, under its heading."""
    return tag("section", tag("h2", title, id=ident), content, aria_labelledby=ident)


def table(
    ident: str,
    caption: str,
    heads: Sequence[object],
    rows: Sequence[Sequence[object]],
    most: int | None = None,
    left_out: str = "",
) -> Markup:
    """Return a table whose first cells name the rows; it scrolls by itself if it is large.

    It has so many rows at most; `left_out` says what the others are.
    """
    shown = rows[:most]
    rest = f"{len(rows) - len(shown)} more are not shown{left_out}." if len(rows) > len(shown) else ""
    numbers = [bool(shown) and all(isinstance(row[column], int) for row in shown) for column in range(len(heads))]
    named = zip(heads, numbers, strict=True)
    head = [tag("th", text, scope="col", class_="number" if number else None) for text, number in named]
    body = [
        tag("tr", tag("th", first, scope="row"), [_cell(*each) for each in zip(cells, numbers[1:], strict=True)])
        for first, *cells in shown
    ]
    caption_of = tag("caption", caption, id=ident)
    table = tag("table", caption_of, tag("thead", tag("tr", head)), tag("tbody", body))
    scrolled = tag("div", table, class_="scroll", role="region", aria_labelledby=ident, tabindex=0)
    return joined([scrolled, tag("p", rest, class_="note") if rest else None])


def _cell(content: object, is_number: bool) -> Markup:  # noqa: FBT001 - called for each cell of a row
    if is_number:
        return tag("td", content, class_="number" if content else "number none")
    if isinstance(content, Markup):
        return tag("td", content, class_="picture" if content.startswith("<svg") else None)
    return tag("td", content, class_="short" if len(str(content)) <= _SHORT else None)


def moment(at: float) -> Markup:
    """Return a time in seconds since the epoch, in UTC, also for a program."""
    return tag("time", clock(at), datetime=time.strftime("%Y-%m-%dT%H:%M:%SZ", _parts(at)))


def clock(at: float) -> str:
    """Return the same as a text."""
    return time.strftime("%Y-%m-%d %H:%M:%S", _parts(at))


def _parts(at: float) -> time.struct_time:
    try:
        return time.gmtime(at)
    except (ValueError, OverflowError, OSError):  # The record is another program's.
        return time.gmtime(0.0)
