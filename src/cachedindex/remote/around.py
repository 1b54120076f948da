"""What a run has to do with its remote before and after its command: each of it in a helper process, for a while."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from cachedindex import sources
from cachedindex.model import Phase, RemoteUse
from cachedindex.options import Settings
from cachedindex.remote import memory
from cachedindex.remote.helper import Interpreter, answer
from cachedindex.rules import kept
from cachedindex.run import wanted
from cachedindex.run.folder import RunFolder
from cachedindex.run.report import Report
from cachedindex.run.summary import ago

_READ_ONLY = "https:"
_MOST_OF_A_FILE = 4 << 20
"""Bytes of a file that tell jobs apart: of a command that is no pip's, it may be one of any length."""
_SLOW = 0.2
"""The part of `remote-timeout` that an answer of a remote takes which is too slow to be asked again in this run."""

_VAIN = 0.8
"""The part of `remote-timeout` after which a remote of which nothing has come counts as one that hangs."""


class Around:
    """The remote of one run, around its command."""

    def __init__(self, settings: Settings, root: Path, run: RunFolder, report: Report, command: Sequence[str]) -> None:
        """`root` is the cache folder, and `command` what is run."""
        self._place = settings.remote or ""
        self._settings = settings
        self._root = root
        self._shared = sources.lock_folder(settings, root)
        self._run = run
        self._report = report
        self._interpreter = Interpreter.own()
        self._job = job(settings, command)

    def bring(self) -> None:
        """Bring what the job used before; the command begins then, whatever has come."""
        use = self._brought()
        if use.refused:
            self._say(f"{use.refused} of its objects are not what their names say, and are not used")
        if memory.note(self._report, use):
            memory.begin(self._run.folder, self._interpreter)
            if use.left:
                self._say(f"{use.left} of {use.left + use.found} objects have not come in {ago(use.took)}")

    def send(self) -> None:
        """Send what the run used and the remote does not have."""
        is_read_only = self._settings.remote_read_only or self._place.startswith(_READ_ONLY)
        if is_read_only or memory.asked_by(self._run.folder) is None:
            return
        looked_up = {(each.url, each.kind): None for each in self._run.lookups() if each.seen_by == "all"}
        if not looked_up:
            return
        use = self._use("after", {"do": "send", "looked_up": list(looked_up)})
        if memory.note(self._report, use) and use.left:
            self._say(f"{use.left} of {use.left + use.sent} objects were not sent in {ago(use.took)}")

    def _brought(self) -> RemoteUse:
        if memory.is_hanging(self._shared, self._place):
            return RemoteUse(self._place, "before", problem="has just let a run wait in vain, and is left alone")
        use = self._use("before", {"do": "bring", "most": self._settings.max_size})
        if use.problem and not use.found and use.took > _VAIN * self._settings.remote_timeout:
            memory.note_hanging(self._shared, self._place)
        return use

    def _use(self, phase: Phase, task: dict[str, Any]) -> RemoteUse:
        given = {**task, "root": str(self._root), "run": str(self._run.folder), "job": self._job}
        use = answer(self._interpreter, phase, self._place, given, self._settings.remote_timeout)
        is_slow = use.left and use.latency > _SLOW * self._settings.remote_timeout
        return use._replace(problem="answers too slowly") if is_slow and not use.problem else use

    def _say(self, text: str) -> None:
        self._report.warn(f"remote: {self._place}: {text}")


def job(settings: Settings, command: Sequence[str]) -> str:
    """Return what distinguishes a job from others: its name, or the content of its requirements files, or its command.

    Of the command, only words that cannot be secret: what comes of it is the name of an object.
    """
    name = settings.job or kept.job(os.environ)[0]
    if name:
        return name
    _, files = wanted.sorted_out(command)
    if not files and Path(command[0]).name == "buildout":
        files = ["buildout.cfg"]
    if content := b"\0".join(filter(None, map(_content, files))):
        return f"files {sha256(content).hexdigest()}"
    return kept.command(command)


def _content(path: str) -> bytes | None:
    try:
        with Path(path).open("rb") as file:
            return file.read(_MOST_OF_A_FILE)
    except OSError:
        return None
