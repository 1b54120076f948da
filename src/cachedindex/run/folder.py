"""A run's folder: where its processes leave their outcomes, and agree on who says what.

It is in the temporary folder, not in the cache, which may be full or not to be written: then there is most to say.
Whoever began the run removes it at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from cachedindex.model import Outcome
from cachedindex.sources import RUN_VARIABLE
from cachedindex.store import disk

_PREFIX = "cachedindex-run-"
_ABANDONED_AFTER = 7 * 86400.0


class Run:
    """One build with all its child processes."""

    def __init__(self, folder: Path) -> None:
        """Join the run of this folder."""
        self.folder = folder
        self._process = os.getpid()

    @classmethod
    def begin(cls) -> Run:
        """Make a new run's folder; OSError where even the temporary folder cannot be written."""
        _sweep()
        return cls(Path(tempfile.mkdtemp(prefix=_PREFIX)))

    @classmethod
    def handed_down(cls, environ: Mapping[str, str] = os.environ) -> Run | None:
        """Return the run that a parent process handed down, unless it has ended meanwhile, or is another user's.

        Where one has ended, anybody may make a folder of that name in the temporary folder.
        """
        folder = environ.get(RUN_VARIABLE)
        return cls(Path(folder)) if folder and disk.is_own(Path(folder)) else None

    @property
    def is_forked(self) -> bool:
        """Whether this process is a fork of the one that began or joined the run, and runs its atexit functions."""
        return os.getpid() != self._process

    def hand_down(self, sections: Mapping[str, Mapping[str, str]]) -> Path:
        """Return a new configuration file of these sections, for child processes; OSError where that fails."""
        import configparser  # noqa: PLC0415 - few clients have any

        parser = configparser.ConfigParser(interpolation=None)
        parser.read_dict(sections)
        path = self.folder / f"settings-{os.getpid()}.cfg"
        with path.open("w", encoding="utf-8") as file:
            parser.write(file)
        return path

    def note(self, outcome: Outcome) -> None:
        """Leave an outcome for whoever ends the run; StoreUnavailable where that cannot be written."""
        disk.append(self.folder / f"{os.getpid()}.jsonl", json.dumps(asdict(outcome)).encode() + b"\n", self.folder)

    def note_page(self, name: str) -> None:
        """Leave the name of a record that was served; StoreUnavailable where that cannot be written."""
        disk.append(self.folder / f"{os.getpid()}.pages", f"{name}\n".encode(), self.folder)

    def pages(self) -> set[str]:
        """Return the names of the records that all processes left; OSError where the folder is gone."""
        return {name for path in self.folder.glob("*.pages") for name in path.read_text("utf-8").splitlines()}

    def set_aside(self, path: Path) -> None:
        """Leave the path of a damaged file that was set aside; StoreUnavailable where that cannot be written."""
        disk.append(self.folder / "damaged", os.fsencode(path) + b"\n", self.folder)

    def damaged(self) -> list[str]:
        """Return the paths that all processes left; OSError for what cannot be read."""
        try:
            return [os.fsdecode(line) for line in (self.folder / "damaged").read_bytes().splitlines()]
        except FileNotFoundError:
            return []

    def outcomes(self) -> Iterable[Outcome]:
        """Return what all processes left; OSError, ValueError or TypeError for what somebody damaged."""
        lines = (line for path in sorted(self.folder.glob("*.jsonl")) for line in path.read_bytes().splitlines())
        return [Outcome(**json.loads(line)) for line in lines]

    def first(self, message: str) -> bool:
        """Return whether no process of the run has said this before."""
        said = self.folder / f"said-{sha256(message.encode()).hexdigest()[:16]}"
        try:
            os.close(os.open(said, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        except OSError:  # The folder is gone or full: twice said is better than never.
            return True
        return True

    def end(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _sweep() -> None:
    """Remove the folders of runs that were killed: those of this user's that nothing was written to for a week."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # One that ends just now.
            if disk.is_own(folder) and time.time() - folder.stat().st_mtime > _ABANDONED_AFTER:
                shutil.rmtree(folder, ignore_errors=True)
