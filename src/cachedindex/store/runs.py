"""A run's folder: where its processes leave their outcomes, and agree on who says what.

Whoever began the run removes it at the end.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from cachedindex.errors import StoreUnavailable
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
    def begin(cls, root: Path | None) -> Run:
        """Make a new run's folder, in the cache folder where that can be written, else in the temporary one."""
        if root:
            day = root / "runs-v1" / time.strftime("%Y-%m-%d")
            folder = day / f"{os.getpid()}-{secrets.token_hex(4)}"
            try:
                root.mkdir(parents=True, exist_ok=True)
                disk.append(folder / "begun", b"", root)
            except (StoreUnavailable, OSError):  # Said when something cannot be stored; a run needs only some folder.
                return cls(Path(tempfile.mkdtemp(prefix="cachedindex-run-")))
            return cls(folder)
        return cls(Path(tempfile.mkdtemp(prefix="cachedindex-run-")))

    def note(self, outcome: Outcome) -> None:
        """Leave an outcome for whoever ends the run; StoreUnavailable where that cannot be written."""
        disk.append(self.folder / f"{os.getpid()}.jsonl", json.dumps(asdict(outcome)).encode() + b"\n", self.folder)

    def outcomes(self) -> Iterable[Outcome]:
        """Return what all processes left."""
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
        """Remove the folder, and its day where it was the last one."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for parent in list(self.folder.parents)[:2]:
            if parent.name == "runs-v1" or parent.parent.name == "runs-v1":
                _remove_if_empty(parent)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # Another run of today is still under way.
        return
