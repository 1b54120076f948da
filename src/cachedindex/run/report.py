"""What became of the look-ups: kept for the end of the run, and said in one line when something was served stale."""

from __future__ import annotations

import io
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cachedindex.errors import CachedIndexError, StoreUnavailable
from cachedindex.model import Outcome
from cachedindex.run.folder import Run
from cachedindex.store.store import Store

_TOLD = ("stale", "late", "refused", "failed")
_NOUNS = {"page": ("page", "pages"), "file": ("file", "files"), "other": ("download", "downloads")}


def say(line: str) -> None:
    """Bring one line to the person who reads the build's log; never on stdout, which may be a program's input."""
    text = f"cachedindex: {line}\n"
    try:
        sys.stderr.flush()
        # Past Python's buffer: what a full disk does not take would be tried again at the exit, and change its code.
        os.write(sys.stderr.fileno(), text.encode(errors="backslashreplace"))
    except io.UnsupportedOperation:  # Somebody's StringIO.
        sys.stderr.write(text)
    except (OSError, ValueError, AttributeError):  # Closed, full, or not there: the build has worse to tell of.
        return


class Report:
    """Where the layers leave outcomes and complaints, for one process."""

    def __init__(self, say: Callable[[str], None] = say, run: Run | None = None) -> None:
        """Take what brings one line to a person, and the run whose other processes it is shared with."""
        self._say = say
        self._run = run
        self._said: set[str] = set()
        self.outcomes: list[Outcome] = []
        self.damaged: list[str] = []

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome; one that somebody will be told of is shared at once, as the process may be killed."""
        self.outcomes.append(outcome)
        if self._run and outcome.ended in _TOLD:
            try:
                self._run.note(outcome)
            except StoreUnavailable as error:
                if outcome.ended != "late":  # That one comes from a thread which must not say anything.
                    self.complain(f"{error}; what is served stale will not be told at the end")

    def served(self, name: str) -> None:
        """Keep the name of a page's record that was served unasked, for the case that the run fails."""
        if self._run:
            try:
                self._run.note_page(name)
            except StoreUnavailable as error:
                self.complain(f"{error}; should this run fail, the next one will not ask anew for its pages")

    def set_aside(self, path: Path) -> None:
        """Keep where a damaged file went, for the end of the run."""
        self.damaged.append(str(path))
        if self._run:
            with suppress(StoreUnavailable):  # Nobody has to act on it; the file is there for whoever looks.
                self._run.set_aside(path)

    def complain(self, message: str, about: str = "") -> None:
        """Say what went wrong with us, once in a run: that message, or the first one about the same thing."""
        if self._is_first(about or message):
            self._say(message)

    def ignored(self, options: Iterable[str]) -> None:
        """Say in one line which options were wrong, as every pip on a node would; each of them once in a run."""
        first = [option for option in options if self._is_first(option)]
        if first:
            self._say(f"{'; '.join(first)} (ignored)")

    def broken(self, error: Exception) -> None:
        """Tell of an error of our own, after which the client goes on as if we were not there."""
        ours = isinstance(error, CachedIndexError)
        text = str(error) if ours else f"internal error, {type(error).__name__}: {error}"
        self.complain(f"{text}; the build goes on without it")

    def _is_first(self, topic: str) -> bool:
        if topic in self._said:
            return False
        self._said.add(topic)
        return self._run is None or self._run.first(topic)


def finish(run: Run, store: Store | None, say: Callable[[str], None] = say, *, failed: bool = False) -> None:
    """End a run that this process began, with its one line where something was served stale.

    The pages that a failed run was served are asked for again next time: perhaps they were what it failed of.
    The end of a forked child is not the run's.
    """
    if run.is_forked:
        return
    try:
        line = summary(run.outcomes(), run.damaged())
    # Cut by a full disk, swept away while the run went on, or another release's words.
    except (OSError, ValueError, TypeError, LookupError) as error:
        line = f"what was served stale cannot be told: {error}"
    if line:
        say(line)
    try:
        if failed and store:
            for name in run.pages():
                store.expire(name)
    except (StoreUnavailable, OSError) as error:
        say(f"{error}; the next build will not ask anew for the pages of this one")
    run.end()


def summary(outcomes: Iterable[Outcome], damaged: Sequence[str] = ()) -> str | None:
    """Return the one line for a run's end: what was served stale, refused or not to be had; None for nothing.

    `damaged` are the paths of files that did not verify and were set aside.
    """
    told = list(outcomes)
    by_end = {ended: [outcome for outcome in told if outcome.ended == ended] for ended in _TOLD}
    late = {outcome.origin: outcome.why for outcome in by_end["late"]}
    parts = []
    if by_end["stale"]:
        oldest = max(outcome.age or 0.0 for outcome in by_end["stale"])
        reasons = _reasons(by_end["stale"], late)
        parts.append(f"served {_amount(by_end['stale'])} stale, up to {ago(oldest)} old ({reasons})")
    if by_end["refused"]:
        parts.append(f"refused {_amount(by_end['refused'])} ({_reasons(by_end['refused'], late)})")
    pages = [outcome for outcome in by_end["failed"] if outcome.kind == "page"]
    if pages:
        parts.append(f"could not get {_amount(pages)}, of which nothing is stored ({_reasons(pages, late)})")
    if damaged:
        files = "file" if len(damaged) == 1 else "files"
        parts.append(f"{len(damaged)} damaged {files} set aside in {Path(damaged[0]).parent}, to be fetched again")
    return ", ".join(parts) or None


def ago(seconds: float) -> str:
    """Return a duration as a person says it: "40 s", "5 min", "3 h 20 min", "12 d"."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{max(seconds, 0.0):.0f} s"
    if minutes < 60:  # noqa: PLR2004 - minutes in an hour
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:  # noqa: PLR2004 - up to two days people count in hours
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d"


def volume(size: float) -> str:
    """Return a number of bytes as a person says it: "980 bytes", "3.4 MB", "10.0 GB"."""
    if size < 1e3:  # noqa: PLR2004 - bytes in a kilobyte
        return f"{size:.0f} bytes"
    for unit in ("kB", "MB"):
        size /= 1e3
        if size < 1e3:  # noqa: PLR2004
            return f"{size:.1f} {unit}"
    return f"{size / 1e3:.1f} GB"


def _amount(outcomes: Iterable[Outcome]) -> str:
    counts = Counter(outcome.kind for outcome in outcomes)
    return " and ".join(f"{count} {_NOUNS[kind][count != 1]}" for kind, count in counts.items())


def _reasons(outcomes: Iterable[Outcome], late: Mapping[str, str]) -> str:
    """Return each origin with the cause that most of its look-ups gave, and how late it was where it did answer."""
    causes: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        causes.setdefault(outcome.origin, Counter())[outcome.why] += 1
    main = {origin: counts.most_common(1)[0][0] for origin, counts in causes.items()}
    return "; ".join(
        f"{origin}: {why}" + (f"; it {late[origin]}" if origin in late else "") for origin, why in main.items()
    )
