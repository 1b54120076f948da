"""A table and JSON, as every command prints them: for a person at a terminal, for a log, and for a program."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from cachedindex import standard
from cachedindex.run.summary import printable

_GAP = "  "


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows below their heads: by rich where it is installed, on a terminal; as plain text anywhere else.

    Cells are texts, or numbers, or None for nothing. Plain rows that do not fit into a terminal become a block each.
    """
    texts = [["" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    if not texts:
        return
    if sys.stdout.isatty() and _by_rich(heads, texts):
        return
    widths = [max(map(len, column)) for column in zip(heads, *texts, strict=True)]
    if sys.stdout.isatty() and sum(widths) + len(_GAP) * len(widths) > shutil.get_terminal_size().columns:
        print("\n\n".join(_block(heads, row) for row in texts))
        return
    for row in (heads, *texts):
        print(_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def as_json(value: Any) -> None:
    """Print a value as JSON, in ASCII."""
    print(json.dumps(value, indent=2))


def _block(heads: Sequence[str], row: Sequence[str]) -> str:
    return "\n".join(f"{head}: {cell}" for head, cell in zip(heads, row, strict=True) if cell)


def _by_rich(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Print by rich, which knows NO_COLOR and the width of the terminal; return whether it is installed."""
    try:
        with standard.library():
            from rich.box import SIMPLE  # noqa: PLC0415 - an extra, and 50 ms
            from rich.console import Console  # noqa: PLC0415
            from rich.table import Table  # noqa: PLC0415
    except ImportError:
        return False
    drawn = Table(*heads, box=SIMPLE, header_style="bold")
    for row in rows:
        drawn.add_row(*row)
    Console(markup=False, emoji=False, highlight=False).print(drawn)
    return True
