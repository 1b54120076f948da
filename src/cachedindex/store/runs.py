"""A run's folder: where its processes leave their outcomes, and agree on who says what.

It is in the temporary folder, not in the cache, which may be full or not to be written: then there is most to say.
Whoever began the run removes it at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from cachedindex.model import Outcome
from cachedindex.store import disk

VARIABLE = "CACHEDINDEX_RUN"
"""The environment variable that hands the folder to the run's child processes."""


class Run:
    """One build with all its child processes."""

    def __init__(self, folder: Path) -> None:
        """Join the run of this folder."""
        self.folder = folder

    @classmethod
    def begin(cls) -> Run:
        """Make a new run's folder; OSError where even the temporary folder cannot be written."""
        return cls(Path(tempfile.mkdtemp(prefix="cachedindex-run-")))

    @classmethod
    def handed_down(cls, environ: Mapping[str, str] = os.environ) -> Run | None:
        """Return the run that a parent process handed down, unless it has ended meanwhile."""
        folder = environ.get(VARIABLE)
        # Not Path.is_dir, which raises where another user's temporary folder may not be looked into.
        return cls(Path(folder)) if folder and os.path.isdir(folder) else None  # noqa: PTH112

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
