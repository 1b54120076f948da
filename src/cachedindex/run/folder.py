"""The folder of one run: its processes append their outcomes there, and agree on which of them prints a message.

It is in the temporary folder, not in the cache: a cache that is full or not writable is when there is most to report.
The process that began the run removes the folder at the end.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cachedindex import standard
from cachedindex.errors import StoreUnavailable
from cachedindex.model import Outcome
from cachedindex.sources import RUN_VARIABLE
from cachedindex.store import disk, runs

_PREFIX = "cachedindex-run-"
_ABANDONED_AFTER = 7 * 86400.0
_DAMAGED = "damaged"
_MEMBER = ".member"
_UNCOVERED = "uncovered"
_GIVEN_UP = "given-up"


class RunFolder:
    """One build with all its child processes, as far as they share it.

    What adds to the folder raises StoreUnavailable if that cannot be written; what reads it raises OSError.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def begin(cls) -> RunFolder:
        """Make the folder of a new run; StoreUnavailable if even the temporary folder cannot be written."""
        try:
            _remove_abandoned()
            return cls(Path(tempfile.mkdtemp(prefix=_PREFIX)))
        except OSError as error:
            raise StoreUnavailable(f"cannot make a folder for temporary files: {error.strerror or error}") from error

    @classmethod
    def handed_down(cls, environ: Mapping[str, str] = os.environ) -> RunFolder | None:
        """Return the run that a parent process handed down, unless it has ended or belongs to another user.

        After the end of a run, any user may make a folder with its name in the temporary folder.
        """
        folder = environ.get(RUN_VARIABLE)
        return cls(Path(folder)) if folder and disk.is_own(Path(folder)) else None

    def add_member(self) -> None:
        """Note that this process takes part, as a client that looks things up."""
        with suppress(OSError):  # Then a line says at worst that none did.
            (self.folder / f"{os.getpid()}{_MEMBER}").touch()

    def members(self) -> set[str]:
        """Return the numbers of the processes that take part."""
        return {path.stem for path in disk.named(self.folder, ending=_MEMBER)}

    def add_uncovered(self, client: str) -> None:
        """Append a client, which is this process, that takes no part: "pip (on Python 3.8)"; so does the hook."""
        with suppress(StoreUnavailable):  # The client has said it.
            disk.append(self.folder / _UNCOVERED, f"{os.getpid()} {client}\n".encode(), self.folder)

    def uncovered(self) -> dict[str, str]:
        """Return the clients that took no part, as they said, by the numbers of their processes."""
        try:
            lines = (self.folder / _UNCOVERED).read_text("utf-8", "replace").splitlines()
        except OSError:  # None has.
            return {}
        return dict(line.split(" ", 1) for line in lines if " " in line)

    def add_outcome(self, outcome: Outcome) -> None:
        """Append an outcome for the summary at the end of the run."""
        disk.append(self.folder / f"{os.getpid()}.jsonl", runs.encoded(outcome) + b"\n", self.folder)

    def add_lookups(self, outcomes: Iterable[Outcome]) -> None:
        """Append all outcomes of a process at its end, for the record of the run."""
        lines = [runs.encoded(outcome) + b"\n" for outcome in outcomes]
        if lines:
            disk.append(self.folder / f"{os.getpid()}.lookups", b"".join(lines), self.folder)

    def add_page(self, name: str) -> None:
        """Append the name of a record that was served without asking upstream."""
        disk.append(self.folder / f"{os.getpid()}.pages", f"{name}\n".encode(), self.folder)

    def add_damaged(self, path: Path) -> None:
        """Append the path of a damaged file that is now in quarantine."""
        disk.append(self.folder / _DAMAGED, os.fsencode(path) + b"\n", self.folder)

    def add_needed(self, names: Iterable[str]) -> None:
        """Append what look-ups needed of the options for single indexes and projects."""
        for name in names:
            disk.append(self.folder / f"{os.getpid()}.needed", f"{name}\n".encode(), self.folder)

    def give_up(self, folder: Path) -> None:
        """Append a folder that no process of the run need try any more."""
        disk.append(self.folder / _GIVEN_UP, os.fsencode(folder) + b"\n", self.folder)

    def given_up(self) -> set[Path]:
        """Return these folders."""
        try:
            return {Path(os.fsdecode(line)) for line in (self.folder / _GIVEN_UP).read_bytes().splitlines()}
        except FileNotFoundError:
            return set()

    def add_programs(self, texts: Mapping[str, str]) -> Path:
        """Write programs by their names, and return the folder that has them; OSError if it cannot be written."""
        folder = self.folder / "bin"
        folder.mkdir()
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
            (folder / name).chmod(0o700)
        return folder

    def add_settings(self, sections: Mapping[str, Mapping[str, str]]) -> Path:
        """Return a new configuration file with these sections, for child processes; OSError if it cannot be written."""
        with standard.library():
            import configparser  # noqa: PLC0415 - few clients have any
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_dict(sections)
        path = self.folder / f"settings-{os.getpid()}.cfg"
        with path.open("w", encoding="utf-8") as file:
            parser.write(file)
        return path

    def outcomes(self) -> Sequence[Outcome]:
        """Return the outcomes of all processes; ValueError or LookupError if a line is damaged."""
        lines = (line for path in disk.named(self.folder, ending=".jsonl") for line in path.read_bytes().splitlines())
        return [runs.decoded(line) for line in lines]

    def lookups(self) -> list[Outcome]:
        """Return the outcomes of all processes: of one that was killed, those that it had added for the summary."""
        ended = disk.named(self.folder, ending=".lookups")
        known = {path.stem for path in ended}
        killed = [path for path in disk.named(self.folder, ending=".jsonl") if path.stem not in known]
        return [outcome for path in (*ended, *killed) for outcome in runs.readable(path.read_bytes().splitlines())]

    def pages(self) -> set[str]:
        """Return the names of the records that all processes served."""
        return self._lines(".pages")

    def needed(self) -> set[str]:
        """Return what the look-ups of all processes needed."""
        return self._lines(".needed")

    def _lines(self, ending: str) -> set[str]:
        paths = disk.named(self.folder, ending=ending)
        return {line for path in paths for line in path.read_text("utf-8").splitlines()}

    def damaged(self) -> Sequence[str]:
        """Return the paths in quarantine that all processes added."""
        try:
            return [os.fsdecode(line) for line in (self.folder / _DAMAGED).read_bytes().splitlines()]
        except FileNotFoundError:
            return []

    def is_first_to_say(self, message: str) -> bool:
        """Return whether no process of the run has asked this about the same message before."""
        with standard.library():
            from hashlib import sha256  # noqa: PLC0415 - 3 ms, and most runs have nothing to say
        # A path or a value may be in it that is not in UTF-8.
        said = self.folder / f"said-{sha256(message.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
        try:
            os.close(os.open(said, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        except OSError:  # The folder is gone or full: a message that is printed twice is better than none.
            return True
        return True

    def remove_folder(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _remove_abandoned() -> None:
    """Remove this user's folders of runs that were killed: nothing was written to them for a week."""
    for folder in _runs(tempfile.gettempdir()):
        with suppress(OSError):  # Its run ends at this moment.
            if disk.is_own(folder) and _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _runs(temporary: str) -> list[Path]:
    try:
        names = os.listdir(temporary)  # noqa: PTH208 - Path's takes 2 ms if many files are there
    except OSError:  # It may be written, but not read.
        return []
    return [Path(temporary, name) for name in names if name.startswith(_PREFIX)]


def _is_abandoned(folder: Path) -> bool:
    """Return whether nothing was written there for a week; a file that grows does not change its folder's own time."""
    long_ago = time.time() - _ABANDONED_AFTER
    paths = (Path(top, name) for top, _, names in os.walk(folder) for name in (".", *names))
    return all(path.stat().st_mtime < long_ago for path in paths)
