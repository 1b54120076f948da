"""Collects the outcomes and warnings of one process: outcomes are kept for the end, warnings are printed once."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cachedindex.errors import CachedIndexError, StoreUnavailable
from cachedindex.model import Outcome, Request
from cachedindex.options import Settings
from cachedindex.run.folder import RunFolder
from cachedindex.run.summary import MISSED, SUMMARIZED, lookup_line, printable
from cachedindex.store import system

_MOST_PAST = 4000
"""As many look-ups as a record has (store/runs.py)."""


def say(line: str) -> None:
    """Print one line on stderr, for the person who reads the build's log; stdout may be another program's input."""
    text = f"cachedindex: {line}\n"
    try:
        sys.stderr.flush()
        # Not through Python's buffer: at the exit it would retry what a full disk refused, and change the exit code.
        os.write(sys.stderr.fileno(), text.encode(system.encoding(sys.stderr), "backslashreplace"))
    except io.UnsupportedOperation:  # A StringIO that somebody put there.
        sys.stderr.write(text)
    except (OSError, ValueError, AttributeError):  # Closed, full, or missing: there is no other place for the line.
        return


class Report:
    """Takes what all layers of a process have to report."""

    def __init__(self, say: Callable[[str], None] = say, run: RunFolder | None = None) -> None:
        """Take the function that prints a line, and the run, so that no other process of it prints the same."""
        self._say = say
        self.run = run
        """The run that shares the outcomes and the warnings; it may begin after the report."""
        self._said: set[str] = set()
        self.outcomes: list[Outcome] = []
        self.past: list[Outcome] = []
        """The outcomes that the summary of a process without a run has had."""
        self.damaged: list[str] = []
        self._missed: set[str] = set()
        """The URLs that could not be had: if one is had later, the summary needs to know it."""
        self._needed: set[str] = set()
        self._is_quiet = False
        self._messages = "normal"
        self._log: Path | None = None

    def speak_as(self, settings: Settings) -> None:
        """Print and log from now on as these options say."""
        self._messages = settings.messages
        with suppress(OSError):  # The working folder is gone, and a relative file with it.
            self._log = Path(settings.log).absolute() if settings.log else None

    def say(self, line: str) -> None:
        """Print a line, unless nothing is to be printed, and log it."""
        text = printable(line)
        self._append(text)
        if self._messages != "quiet":
            self._say(text)

    def add(self, outcome: Outcome, page: str = "") -> None:
        """Keep an outcome. One that the summary needs is shared at once, as the process may be killed.

        `page` is the name of a page's record that was served without asking upstream: if the run fails, it expires.
        """
        if self._is_quiet:
            return
        self.outcomes.append(outcome)
        if self._log or self._messages == "verbose":
            self._tell(outcome)
        if self.run and (outcome.ended in SUMMARIZED or outcome.url in self._missed):
            self._share_outcome(self.run, outcome)
        if outcome.ended in MISSED:
            self._missed.add(outcome.url)
        if self.run and page:
            try:
                self.run.add_page(page)
            except StoreUnavailable as error:
                self.warn(f"{error}; if this run fails, the next one will not revalidate its pages")

    def note_need(self, request: Request, settings: Settings) -> None:
        """Keep which options for single indexes and projects a look-up of the run needed."""
        if self.run is None:
            return
        from cachedindex.rules import unused  # noqa: PLC0415 - most nodes have no such options

        new = set(unused.needed(request, settings)) - self._needed
        self._needed |= new
        with suppress(StoreUnavailable):  # A line too many at the end is no harm.
            self.run.add_needed(new)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Keep and print nothing of look-ups that nobody misses if they fail."""
        self._is_quiet, before = True, self._is_quiet
        try:
            yield
        finally:
            self._is_quiet = before

    def set_aside(self, path: Path) -> None:
        """Keep the path to which a damaged file was moved, for the summary."""
        self.damaged.append(str(path))
        if self.run:
            with suppress(StoreUnavailable):  # Nobody has to act on it, and the file is in the quarantine folder.
                self.run.add_damaged(path)

    def warn(self, message: str, about: str = "") -> None:
        """Print a message once in a run; with `about`, only the first message about that."""
        if not self._is_quiet and self._is_first(about or message):
            self.say(message)

    def warn_ignored(self, options: Iterable[str]) -> None:
        """Print in one line which options are wrong, each of them once in a run: every pip of a node finds the same."""
        first = [option for option in options if self._is_first(option)]
        if first:
            self.say(f"{'; '.join(first)} (ignored)")

    def internal_error(self, error: Exception) -> None:
        """Warn of an exception of our own, after which the client continues as if it had no cache."""
        is_ours = isinstance(error, CachedIndexError)
        text = str(error) if is_ours else f"internal error, {type(error).__name__}: {error}"
        self.warn(f"{text}; the build continues without the cache")

    def hand_over(self) -> None:
        """Give the run all outcomes of this process, which ends."""
        if self.run:
            with suppress(StoreUnavailable):  # The record of the run lacks them; what it has to say is there already.
                self.run.add_lookups(self.outcomes)

    def put_by(self) -> None:
        """Begin anew, but keep the outcomes for the record of a process without a run, which may go on for days."""
        self.past = [*self.past, *self.outcomes][-_MOST_PAST:]
        self.outcomes.clear()
        self.damaged.clear()

    def forget(self) -> None:
        """Forget what this process has collected; what the run has been given stays there."""
        self.past.clear()
        self.outcomes.clear()
        self.damaged.clear()

    def _tell(self, outcome: Outcome) -> None:
        from cachedindex.rules import kept  # noqa: PLC0415 - for those who want each look-up

        line = printable(lookup_line(kept.shown(outcome)))
        self._append(line)
        if self._messages == "verbose" and outcome.ended != "late":  # As below: it must not print.
            self._say(line)

    def _append(self, line: str) -> None:
        """Append a line to the log, with the time and the process."""
        if self._log is None:
            return
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            with self._log.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{stamp} {os.getpid()} {line}\n")
        except OSError as error:
            path, self._log = self._log, None
            self.warn(f"cannot write to the log {path}: {error.strerror or error}", about="the log")

    def _share_outcome(self, run: RunFolder, outcome: Outcome) -> None:
        try:
            run.add_outcome(outcome)
        except StoreUnavailable as error:
            if outcome.ended != "late":  # That one comes from a background thread, which must not print.
                self.warn(f"{error}; the summary at the end will be incomplete")

    def _is_first(self, topic: str) -> bool:
        if topic in self._said:
            return False
        self._said.add(topic)
        return self.run is None or self.run.is_first_to_say(topic)
