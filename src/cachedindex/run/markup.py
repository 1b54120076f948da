"""Elements of HTML and SVG from values: whatever is no markup of ours is escaped, in texts and in attributes."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from cachedindex.run.summary import printable

_LONGEST = 300
"""Letters of a text: an index's own words may be of any length."""
_VOID = ("link", "meta")
"""Elements that have no end."""
_INVISIBLE = re.compile("[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufffe\uffff]")
"""Letters that turn others round or hide them, and those that no file in UTF-8 may have."""


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return an element. Names of attributes are written `class_` and `stroke_width`; one that is None is left out.

    Children are markup, texts and numbers, lists of these, or None for nothing.
    """
    named = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    start = "".join([f"<{name}", *(f' {key}="{escaped(value)}"' for key, value in named.items()), ">"])
    return Markup(start if name in _VOID else f"{start}{joined(children)}</{name}>")


def joined(children: Iterable[object]) -> Markup:
    """Return children one after the other."""
    return Markup("".join(map(_child, children)))


def escaped(value: object) -> Markup:
    """Return a value as a text that means nothing to HTML, has only letters that can be seen, and has an end."""
    text = str(value)
    text = f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text
    return Markup(html.escape(_INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", printable(text))))


def _child(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    return joined(child) if isinstance(child, (list, tuple)) else escaped(child)
