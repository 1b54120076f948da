"""How far a command has got: a bar that changes on a terminal, and a line every ten seconds in a log."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TextIO

from cachedindex.run.summary import printable

_WIDTH = 20
_LOGGED_EVERY = 10.0
_DRAWN_EVERY = 0.1
_ERASE = "\r\x1b[K"


class Progress:
    """Shows the same in both ways; nothing is left of the bar in the end."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        """`total` is how many parts the work has."""
        self._total = total
        self._stream = stream or sys.stderr
        self._is_drawn = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._every = _DRAWN_EVERY if self._is_drawn else _LOGGED_EVERY
        self._shown = time.monotonic() - (self._every if self._is_drawn else 0.0)

    def show(self, done: int, text: str) -> None:
        """Show how many parts are done, and what is under way; call it as often as you like."""
        if time.monotonic() - self._shown < self._every:
            return
        self._shown = time.monotonic()
        line = printable(f"{done} of {self._total} done, {text}")
        if not self._is_drawn:
            print(f"cachedindex: {line}", file=self._stream, flush=True)
            return
        filled = _WIDTH * done // max(self._total, 1)
        line = f"[{'#' * filled}{'-' * (_WIDTH - filled)}] {line}"
        self._stream.write(_ERASE + line[: shutil.get_terminal_size().columns - 1])
        self._stream.flush()

    def end(self) -> None:
        """Take the bar away."""
        if self._is_drawn:
            self._stream.write(_ERASE)
            self._stream.flush()
