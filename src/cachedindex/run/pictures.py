"""Pictures of a report as SVG: of rectangles only, whose places are per cent, so that they fit any width.

Their colours are attributes, so that they need no stylesheet; its classes win over them. Words stand outside, in HTML,
since they would shrink with the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cachedindex.named import NamedTuple
from cachedindex.run.markup import Markup, tag

COLOURS = {
    "folder": "#2166ac",
    "confirmed": "#5b8fc4",
    "index": "#69747f",
    "stale": "#b35900",
    "missing": "#b3261e",
    "other": "#8a939d",
    "line": "#8a939d",
}
"""By class: what a picture shows without a stylesheet, on white."""
_LEAST = 0.5
"""Per cent: the narrowest rectangle that can be seen on a phone."""
_HALF_A_COLUMN = 3.0
"""Per cent: half the width of the widest column."""


class Bar(NamedTuple):
    """A rectangle from `left` to `right`, and from the bottom up to `height`, in per cent of the picture."""

    left: float
    right: float
    name: str
    """Its class, which is one of the COLOURS."""
    says: str = ""
    """What is shown if somebody points at it."""
    height: float = 100.0


class Part(NamedTuple):
    """A part of a whole."""

    name: str
    label: str
    number: int


def picture(ident: str, title: str, description: str, bars: Iterable[Bar], *, height: int) -> Markup:
    """Return a picture of bars, so many pixels high; `ident` is its own on the page."""
    names = f"{ident}-title", f"{ident}-text"
    return tag(
        "svg",
        tag("title", title, id=names[0]),
        tag("desc", description, id=names[1]),
        [_drawn(bar) for bar in bars],
        role="img",
        aria_labelledby=" ".join(names),
        width="100%",
        height=height,
        shape_rendering="crispEdges",
    )


def in_a_row(bars: Iterable[Bar]) -> Markup:
    """Return a small picture beside the numbers that it shows, which a screen reader passes over."""
    return tag("svg", [_drawn(bar) for bar in bars], aria_hidden="true", width="100%", height=12)


def shares(ident: str, title: str, parts: Sequence[Part]) -> Markup:
    """Return the parts of a whole in one bar, and below it what each of them is."""
    found = [part for part in parts if part.number]
    whole = sum(part.number for part in found)
    text = ", ".join(f"{part.label}: {part.number}" for part in found)
    drawn = picture(ident, title, text, side_by_side(found, whole), height=28)
    keys = [tag("li", key(part.name), " ", part.label, " ", tag("b", part.number)) for part in found]
    return tag("figure", drawn, tag("ul", keys, class_="keys"))


def key(name: str) -> Markup:
    """Return the colour of a class, for the words beside it."""
    square = tag("rect", width="100%", height="100%", class_=name, fill=COLOURS[name])
    return tag("svg", square, aria_hidden="true", width=12, height=12, class_="key")


def side_by_side(parts: Iterable[Part], whole: int) -> list[Bar]:
    """Return a bar for each part, one after the other, of a whole that is all the width."""
    bars, left = [], 0.0
    for part in parts:
        if not part.number:
            continue
        right = left + 100.0 * part.number / whole
        bars.append(Bar(left, right, part.name, f"{part.label}: {part.number}"))
        left = right
    return bars


def columns(ident: str, title: str, description: str, values: Sequence[tuple[float, str]]) -> Markup:
    """Return a column for each share from 0 to 1, none of them very wide, over the whole width."""
    step = 100.0 / len(values)
    half = min(0.4 * step, _HALF_A_COLUMN)
    bars = [
        Bar((number + 0.5) * step - half, (number + 0.5) * step + half, "folder", says, max(100.0 * share, 1.0))
        for number, (share, says) in enumerate(values)
    ]
    return picture(ident, title, description, [Bar(0, 100, "line", height=0.5), *bars], height=120)


def stairs(ident: str, title: str, description: str, steps: Sequence[tuple[float, float]]) -> Markup:
    """Return what grows: from which per cent of the width on, and how high in per cent of the highest."""
    ends = [left for left, _ in steps[1:]] + [100.0]
    bars = [Bar(left, end, "folder", height=high) for (left, high), end in zip(steps, ends, strict=True)]
    return picture(ident, title, description, [Bar(0, 100, "line", height=0.5), *bars], height=120)


def lane(ident: str, title: str, description: str, spans: Iterable[Bar]) -> Markup:
    """Return a line of time, with a bar for each span."""
    return picture(ident, title, description, [Bar(0, 100, "line", height=-1.0), *spans], height=22)


def axis(*words: object) -> Markup:
    """Return the words below a picture, from its left end to its right one."""
    return tag("p", [[tag("span", word), " "] for word in words], class_="axis")


def _drawn(bar: Bar) -> Markup:
    thin = bar.height < 0
    wide = max(bar.right - bar.left, _LEAST)
    return tag(
        "rect",
        tag("title", bar.says) if bar.says else None,
        x=f"{min(bar.left, 100.0 - wide):.2f}%",
        y="45%" if thin else f"{100.0 - bar.height:.2f}%",
        width=f"{wide:.2f}%",
        height="10%" if thin else f"{bar.height:.2f}%",
        class_=bar.name,
        fill=COLOURS[bar.name],
    )
