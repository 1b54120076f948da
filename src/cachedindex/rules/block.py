"""Our marked block in a Python file of somebody else's: put at its end, and taken out again byte for byte."""

from __future__ import annotations

import re

_BEGIN = b"# >>> cachedindex: its hook, which is replaced and removed as a whole, down to the line with <<<"
_END = b"# <<< cachedindex"
_LOAD = b"""\
try:
    import _cachedindex_base
except Exception:
    pass
"""
_GO_ON = b"""\
else:
    _cachedindex_base.run_hidden()
"""
_ADDED = b"\n".join([b"", _BEGIN, _LOAD + _END, b""])
MADE = b"\n".join([_BEGIN, _LOAD + _GO_ON + _END, b""])
"""The text of a file that is made for the block alone: it hides another one that Python would run without it."""
_OLD = b"# Written by `cachedindex hook install`"
_WHOLE = re.compile(rb"\A%s.*?(?:^    _run_hidden\(\)\n|\Z)" % _OLD, re.DOTALL | re.MULTILINE)
"""What cachedindex 0.1.0 wrote, into no file but one of its own, with its first and its last line."""
_MARKS = re.compile(rb"^[ \t]*# (?:>>>|<<<) cachedindex", re.MULTILINE)
_BLOCKS = re.compile(
    rb"(\A|\r\n(?=[ \t]*%(begin)s\r\n)|\n(?=[ \t]*%(begin)s\n))"  # The line end that `added` has put before it.
    rb"(?:[ \t]*%(begin)s\r?\n"
    rb"(?:(?![ \t]*# >>> cachedindex).*\n)*?"
    rb"[ \t]*%(end)s[ \t]*(?:\r?\n|\Z)"
    rb"(?:\r?\n(?=[ \t]*%(begin)s))?)+" % {b"begin": re.escape(_BEGIN), b"end": re.escape(_END)}
)


def added(text: bytes) -> bytes:
    """Return a text that has no block with one at its end.

    It is ASCII, so that it reads the same in each encoding that a Python file can have. The line end before it belongs
    to it, since the text's last line may have none.
    """
    return text + (_ADDED.replace(b"\n", b"\r\n") if b"\r\n" in text else _ADDED)


def without(text: bytes) -> bytes | None:
    """Return a text without all blocks; None if nothing is left of a file that was made for one.

    Raises ValueError if a block has no begin or no end any more, as nobody knows what belongs to it.
    """
    is_made = text.startswith((_BEGIN, _OLD))
    text = _WHOLE.sub(b"", text)
    while found := _BLOCKS.search(text):
        before, after = text[: found.start()], text[found.end() :]
        is_needed = before and after and not before.endswith((b"\n", b"\r"))
        text = before + (found[1] if is_needed else b"") + after
    if is_in(text):
        raise ValueError("the block of cachedindex has lost its first or its last line; take it out by hand")
    return None if is_made and not text else text


def is_in(text: bytes) -> bool:
    """Return whether a text has a block, whole or not; one whose lines were made comments is none."""
    return text.startswith(_OLD) or bool(_MARKS.search(text))
