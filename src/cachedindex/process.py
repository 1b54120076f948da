"""Joins a client to a run: its settings, its report, and the cache that it asks.

All that a client has to do is to join, and to put the cache before its look-ups:

    process = join("poetry", begin=True)
    if process.cache:
        Session.get_adapter = answering(process.cache, Session.get_adapter)

The run ends at the exit of the interpreter that began it. An error of cachedindex itself is reported once, and leaves a
Process without a cache.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from cachedindex import sources
from cachedindex.model import RemoteUse
from cachedindex.options import Settings
from cachedindex.run import environment
from cachedindex.run.folder import RunFolder
from cachedindex.run.report import Report, say
from cachedindex.run.summary import summary
from cachedindex.store import folder, probe

if TYPE_CHECKING:
    from cachedindex.lookup.cache import Cache
    from cachedindex.lookup.opened import Opened
    from cachedindex.lookup.upstream import Upstream
    from cachedindex.store.store import Store

__all__ = ["Process", "join", "why_unusable"]

_NO_SECTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType({})


class Process:
    """The part that one client of this interpreter takes in a run."""

    def __init__(self, say: Callable[[str], None] = say) -> None:
        """Take no part yet; `say` prints a line."""
        self._began = time.time()
        self.command: Sequence[str] | None = None
        """The command that the run consists of; None: this program."""
        self.code: int | None = None
        """The exit code of that command, once it is known."""
        self._began_in: int | None = None
        """The number of the process that began the run, if it was this one or its parent by a fork."""
        self.settings = Settings(disable=True)
        self.report = Report(say)
        self.run: RunFolder | None = None
        """None for a client that neither was handed a run nor began one: it prints its own summary."""
        self.root: Path | None = None
        """The cache folder; None if the client has to do without one: it is disabled, or the folder is unusable."""
        self.children: Mapping[str, str] = {}
        """The variables to set for child processes, by `hand_down`."""
        self.attached = False
        """For a client that joins more than once: whether it has put the cache before its look-ups."""
        self.failed = False
        """Whether the client failed: then the pages that its run was served expire at the end."""
        self.uncovered: Sequence[str] = ()
        """The clients that ran below the command and were not covered, for the record."""
        self.remark: str | None = None
        """The last line at the end of the run, after that of what was stale."""
        self.has_ended = False
        self.stale: float | None = None
        """At the end of the run: the age in seconds of the oldest copy that stood in for an answer; None for none."""

    def configure(self, loaded: sources.Loaded, *, begin: bool = False) -> None:
        """Use these settings from now on. A disabled client takes no part, and reports nothing."""
        if os.environ.get(sources.REHEARSAL_VARIABLE):
            from cachedindex.run import rehearsal  # noqa: PLC0415 - only below `cachedindex rehearse`

            rehearsal.refuse_connections()
        if not loaded.settings.disable:
            self.report.speak_as(loaded.settings)
            self._enter_run(begin=begin)
            self.report.warn_ignored(loaded.warnings)
        if loaded.settings != self.settings:
            self.settings = loaded.settings
            self.root = self._usable_folder()
            for name in ("store", "_opened"):
                self.__dict__.pop(name, None)

    @property
    def cache(self) -> Cache | None:
        """None if the client has to do without one, as it has no folder."""
        return self._opened.cache if self._opened else None

    @property
    def upstream(self) -> Upstream | None:
        """None as for the cache."""
        return self._opened.upstream if self._opened else None

    @cached_property
    def store(self) -> Store | None:
        """None as for the cache."""
        if self.root is None:
            return None
        from cachedindex.store.store import Store  # noqa: PLC0415 - as below
        from cachedindex.upkeep.hourly import Upkeep  # noqa: PLC0415

        root, settings = self.root, self.settings
        upkeep = Upkeep(root, sources.lock_folder(settings, root), settings.max_size, settings.max_idle)
        return Store(
            root,
            read_only=self._may_only_read(root),
            stored=upkeep.stored,
            damaged=self.report.set_aside,
            is_alone=not (sources.also_read(settings, root) or settings.remote),
        )

    @cached_property
    def _opened(self) -> Opened | None:
        """What a look-up needs, made for the first one: `cachedindex run` hardly ever looks anything up."""
        try:
            if self.store is None:
                return None
            from cachedindex.lookup.opened import opened  # noqa: PLC0415 - 30 ms, of which a run needs none

            if self.run is None or self.began_run:
                _import_for_the_end(self.settings)
            own = self.run.folder if self.run else None
            return opened(self.store, self.settings, self.report, own, self._silence)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
            self.report.internal_error(error)
            return None

    def hand_down(
        self,
        base: Mapping[str, str],
        options: Mapping[str, str],
        sections: Mapping[str, Mapping[str, str]] = _NO_SECTIONS,
    ) -> None:
        """Set `children`, so that they take part with these options, given as text; `base` is their environment.

        `sections` have the options of single indexes, by name. OSError if the file for them cannot be written.
        """
        file = self.run.add_settings(sections) if self.run and sections else None
        self.children = environment.for_children(base, self.run if self.began_run else None, options, file)

    @property
    def began_run(self) -> bool:
        """Whether this process has to end the run. A forked child has not, although it has its parent's objects."""
        return self._began_in == os.getpid()

    def finish(self) -> None:
        """End the run if it was begun here; without a run, print what was served stale since the last call.

        It is called at exit; a client calls it before that if it ends before its interpreter does.
        """
        if self.run is None:
            # For what failed, the client has raised an exception of its own.
            self._print(summary((each for each in self.report.outcomes if each.ended != "failed"), self.report.damaged))
            self.report.put_by()
        elif self.began_run and not self.has_ended:
            self.has_ended = True
            self._print_summary(self.run)
            self._print(self.remark)
            self._keep_record(self.run)
            if self.failed:
                self._expire_pages(self.run)
            self.run.remove_folder()
            self.report.forget()
        else:
            self.report.hand_over()
            self.report.forget()

    def end(self) -> None:
        """Finish at the exit of the interpreter; a client without a run has its record only then."""
        self.finish()
        if self.run is None:
            self._keep_record(None)

    def _enter_run(self, *, begin: bool) -> None:
        if self.run is None:
            self.run = RunFolder.handed_down()
        if self.run is None and begin:
            self.run, self._began_in = RunFolder.begin(), os.getpid()
        self.report.run = self.run

    def _usable_folder(self) -> Path | None:
        if self.settings.disable:
            return None
        why = self._silence() or why_unusable(self.settings)
        root = None if why else sources.cache_folder(self.settings)
        if root is None:
            self.report.warn(f"{why}; the build continues without the cache")
        return root

    def _may_only_read(self, root: Path) -> bool:
        return self.settings.read_only or (root.is_dir() and not folder.may_write(root))

    def _silence(self) -> str | None:
        return probe.silence(sources.places(self.settings))

    def _print_summary(self, run: RunFolder) -> None:
        try:
            line = summary(run.outcomes(), run.damaged())
        # Cut by a full disk, swept away while the run went on, or written by another release.
        except (OSError, ValueError, TypeError, LookupError) as error:
            line = f"there is no summary of what was served stale, as the run's folder cannot be read: {error}"
        self._print(line)
        if self.root and (self.settings.indexes or self.settings.refresh):
            from cachedindex.rules.unused import unused  # noqa: PLC0415 - most nodes have no such options

            with suppress(OSError, ValueError):  # The line above says that the folder cannot be read.
                for needless in unused(self.settings, run.needed()):
                    self._print(needless)

    def _keep_record(self, run: RunFolder | None) -> None:
        """Keep the record of the run; it is no part of the build, so that no error here changes anything."""
        if self.root is None:
            return
        try:
            from cachedindex.run import record  # noqa: PLC0415 - 2 ms that the start of a pip does without

            outcomes = [*run.lookups(), *self.report.outcomes] if run else self.report.past
            self.stale = record.oldest(outcomes)
            is_kept = not self._may_only_read(self.root)
            if not (is_kept or self.settings.report or self.settings.summary):
                return
            damaged = len(run.damaged()) if run else 0
            words: Sequence[str] = self.command or list(getattr(sys, "argv", ()))
            kept = record.of_run(
                words, self._began, time.time(), self.code, outcomes, damaged, self.uncovered,
                self._uses_of_remote(run), self.settings.job,
            )  # fmt: skip
            name = record.keep(self.root, kept, always=self.command is not None) if is_kept else ""
            for problem in record.write_files(self.settings, name, kept, self.root):
                self._print(problem)
        except OSError as error:
            self._print(f"there is no record of this run, as its folder cannot be read: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours
            self._print(f"there is no record of this run: internal error, {type(error).__name__}: {error}")

    def _uses_of_remote(self, run: RunFolder | None) -> Sequence[RemoteUse]:
        if run is None or not self.settings.remote:
            return ()
        from cachedindex.remote import memory  # noqa: PLC0415 - few runs have one

        return memory.uses(run.folder)

    def _expire_pages(self, run: RunFolder) -> None:
        """Have the next run revalidate the pages that this one was served: perhaps they made it fail."""
        try:
            pages = run.pages()
            if pages and self.store:
                for name in pages:
                    self.store.expire(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, the build has ended
            if not getattr(error, "is_known", False):
                self._print(f"{error}; the next build will not revalidate the pages of this one")

    def _print(self, line: str | None) -> None:
        if line:
            self.report.say(line)


def _import_for_the_end(settings: Settings) -> None:
    """Import what a client needs at the end of a run that it has begun, or at its own.

    pip refuses all imports from the moment in which it begins to install (pip 26.3, commands/install.py).
    """
    from cachedindex.run import record  # noqa: PLC0415 - 2 ms that no client of another one's run needs

    if settings.report or settings.summary:
        from cachedindex.run import written  # noqa: F401, PLC0415
    if record.is_page(settings.report):
        from cachedindex.run import files  # noqa: F401, PLC0415
    if settings.indexes or settings.refresh:
        from cachedindex.rules import unused  # noqa: F401, PLC0415


_joined: dict[Hashable, Process] = {}
"""The processes of this interpreter, by their clients."""


def join(
    client: Hashable,
    loaded: sources.Loaded | None = None,
    *,
    begin: bool = False,
    say: Callable[[str], None] = say,
) -> Process:
    """Return the part of a client in the run that was handed down; if there is none, `begin` one.

    `client` is its name, or whatever distinguishes it from others in this interpreter. A client that joins again gets
    the same Process; if it brings other settings, the Process uses them from then on. Without `loaded`, the settings
    are those of the environment and the node. Never raises.
    """
    known = _joined.get(client)
    process = Process(say) if known is None or known.has_ended else known
    try:
        if process is not known or loaded:
            process.configure(loaded or sources.load(), begin=begin)
            if process.run and client != "run" and not process.began_run:
                process.run.add_member()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
        process.report.internal_error(error)
    if process is not known:
        _joined[client] = process
        atexit.register(process.end)
        if hasattr(os, "register_at_fork"):  # A forked child has its parent's outcomes and atexit functions.
            os.register_at_fork(after_in_child=process.report.forget)
    return process


def why_unusable(settings: Settings) -> str | None:
    """Return why a process with these settings has no cache, and what to do about it; None if it has one."""
    if settings.disable:
        return "disable = true"
    root = sources.cache_folder(settings)
    if root is None:
        return "there is no folder to store anything in; set cache-dir"
    refusal = folder.refusal(root) or folder.refusal(sources.lock_folder(settings, root))
    return str(refusal) if refusal else None
