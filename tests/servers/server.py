"""One real server with what it offers, and all that may happen to it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import requests

from tests import packages
from tests.index import project_of, taken_port
from tests.servers.daemon import Daemon

if TYPE_CHECKING:
    from tests.servers.access import Access

_REQUEST = re.compile(r"\b(?:GET|HEAD) (/\S*)")
_LONGEST = 20.0
"""Seconds in which a server writes to its log what it has answered."""

Flags = Callable[[str], Mapping[str, str]]


def as_index(url: str) -> Mapping[str, str]:
    """Return the variables by which pip takes from an index."""
    return {"PIP_INDEX_URL": url}


def as_links(url: str) -> Mapping[str, str]:
    """Return the variables by which pip takes from one page for all projects."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": url}


@dataclass(frozen=True)
class Kind:
    """A description: what a server is called, how it is configured, and how it comes to offer something."""

    name: str
    needs: Sequence[str]
    """A program of Debian's, or distributions from the index of this machine."""
    command: Callable[[Server], Sequence[object]]
    """Writes the configuration, and returns the command."""
    offer: Callable[[Server], None]
    """Has the running server offer the distributions that lie in its folder, and nothing else."""
    path: str = "/simple/"
    flags: Flags = as_index
    data: str = "www"
    """What is moved away to wreck it."""
    log: str = "access.log"
    """Where it writes what it was asked; `said.log` is what it prints."""
    yanks: bool = False
    scheme: Literal["http", "https"] = "http"
    access: Access | None = None
    """None: it admits everybody."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """More that `command` or `offer` goes by."""

    @property
    def id(self) -> str:
        """The name as a test is called by it."""
        return self.name.replace(",", "").replace(" ", "_")


class Server:
    """A server of some kind, in a folder of its own that every user may read: it may give up being root."""

    def __init__(self, kind: Kind, folder: Path, tools: Path) -> None:
        """`tools` is the folder of the programs that are needed."""
        self.kind = kind
        self.folder = folder
        self.tools = tools
        self.options = dict(kind.options)
        self.wheels = folder / "wheels"
        self.log = folder / kind.log
        self.wheels.mkdir()
        (folder / "www").mkdir()
        self.log.touch()
        self.log.chmod(0o666)
        self.yanked: set[str] = set()
        self.belongings = ExitStack()
        """What ends with it."""
        self.visitor = requests.Session()
        self.visitor.trust_env = False
        self.visitor.headers["Connection"] = "close"  # It may be killed before the next request.
        self._taken = taken_port()
        self._read = 0
        self._marks = count()
        self.port = int(self._taken.getsockname()[1])
        self.origin = f"{kind.scheme}://127.0.0.1:{self.port}"
        self.url = f"{self.origin}{kind.path}"
        self.belongings.callback(self._taken.close)
        self.belongings.callback(self.visitor.close)

    def begin(self) -> None:
        """Configure and start it."""
        if self.kind.access:
            self.kind.access.prepare(self)
        home = {"HOME": str(self.folder), "TMPDIR": str(self.folder)}
        self.daemon = Daemon(self.kind.command(self), self.port, self.folder, home)
        self.belongings.callback(self.daemon.kill)
        self.daemon.start()

    def close(self) -> None:
        self.belongings.close()

    # What it offers.

    def publish(self, name: str, version: str, requires: tuple[str, ...] = ()) -> None:
        packages.add_wheel(self.wheels, name, version, requires)
        self.kind.offer(self)

    def delete(self, name: str, version: str = "*") -> None:
        for path in self.wheels.glob(f"{name}-{version}-*"):
            path.unlink()
        self.kind.offer(self)

    def yank(self, name: str, version: str) -> None:
        self.yanked = {path.name for path in self.wheels.glob(f"{name}-{version}-*")}
        self.kind.offer(self)

    def replace(self, name: str, version: str) -> None:
        """Have other bytes under the same name."""
        filename, content = packages.wheel(name, version, code="is_other = True\n")
        (self.wheels / filename).write_bytes(content)
        self.kind.offer(self)

    def offer(self, folder: Path) -> None:
        """Offer what lies in a folder, as at first; if it does so already, its pages stay as old as they are."""
        if not self.yanked and _contents(self.wheels) == _contents(folder):
            return
        for path in self.wheels.iterdir():
            path.unlink()
        for path in folder.iterdir():
            shutil.copy2(path, self.wheels)
        self.yanked = set()
        self.kind.offer(self)
        # nginx tells two pages of one length apart by the second in which they were written.
        for path in (self.folder / "www").rglob("*.html"):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 60))

    def distributions(self) -> dict[str, list[Path]]:
        """Return what it is to offer, by project."""
        found: dict[str, list[Path]] = {}
        for path in sorted(self.wheels.iterdir()):
            found.setdefault(project_of(path.name), []).append(path)
        return found

    # What happens to it.

    def wreck(self) -> None:
        """Take away from under it what it lives on."""
        (self.folder / self.kind.data).rename(self.folder / "away")

    def heal(self) -> None:
        """Be as if nothing had happened."""
        self.daemon.go_on()
        data, away = self.folder / self.kind.data, self.folder / "away"
        if away.exists():
            shutil.rmtree(data, ignore_errors=True)
            away.rename(data)
        self.daemon.start()

    # What it was asked.

    def get(self, path: str, **headers: str) -> requests.Response:
        """Ask it as nobody's client."""
        return self.visitor.get(f"{self.origin}{path}", headers=headers, timeout=30, allow_redirects=False)

    def seen(self) -> list[str]:
        """Return the paths of the requests since the last call, in their order, as the server's own log has them."""
        mark = f"/mark-{next(self._marks)}"
        self.get(mark)
        until = time.monotonic() + _LONGEST
        while mark not in (new := self.log.read_text("utf-8", "replace")[self._read :]):
            assert time.monotonic() < until, f"{self.kind.name} keeps no log"
            time.sleep(0.01)
        self._read += len(new)
        return [path for path in _REQUEST.findall(new) if "/mark-" not in path]


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@contextmanager
def serving(kind: Kind, tools: Path) -> Iterator[Server]:
    """Have a server of a kind run, which offers nothing as yet; NoStart if it does not."""
    with tempfile.TemporaryDirectory(prefix="cachedindex-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Server(kind, folder, tools)
        try:
            server.begin()
            yield server
        finally:
            server.close()
