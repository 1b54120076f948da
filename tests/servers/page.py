"""What each server sends, as rows of `docs/reference/indexes.md`: `python -m tests.servers.page` writes them anew."""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path
from urllib.parse import urljoin

import requests

from tests import environments, packages
from tests.environments import CHECKOUT
from tests.index import JSON
from tests.servers.kinds import KINDS, LIKE_THEM
from tests.servers.server import Kind, Server, as_index, serving

PAGE = CHECKOUT / "docs/reference/indexes.md"
BEGIN, END = "<!-- written by tests/servers/page.py -->", "<!-- up to here -->"
HEAD = "| server | its pages | hashes in links | its files |\n|--|--|--|--|\n"
PLAYED = [*KINDS, *LIKE_THEM]
PROGRAMS = ("nginx", "apache2", "squid", "tinyproxy")
_LONGEST = 20.0
"""Seconds in which a mirror stores a file."""
_VALIDATORS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}


def offer_one(folder: Path) -> None:
    """Add what a server offers that is asked for a row."""
    packages.add_wheel(folder, "alpha", "1.0")


def row(server: Server) -> str:
    """Return what a server that offers `alpha` sends of it, as a row."""
    project = "alpha/" if server.kind.flags is as_index else ""
    path = f"{server.kind.path}{project}"
    accept = f"{JSON}, text/html; q=0.1"
    page = _again(server, path, Accept=accept)
    form = "JSON" if "json" in page.headers["Content-Type"] else "HTML"
    links = re.findall(r'(?:href=|"url": )"([^"]+)"', page.text)
    link = next(link for link in links if "alpha-1.0" in link)
    file = _stored(server, urljoin(page.url, link).removeprefix(server.origin))
    hashes = "yes" if "sha256" in page.text else "no"
    said = [form, *_said(server, page, Accept=accept)]
    return f"| {server.kind.name} | {', '.join(said)} | {hashes} | {', '.join(_said(server, file)) or 'nothing'} |\n"


def _again(server: Server, path: str, **headers: str) -> requests.Response:
    """Return what is answered from the second time on: a mirror answers otherwise at first."""
    server.get(path, **headers)
    return server.get(path, **headers)


def _stored(server: Server, path: str) -> requests.Response:
    """Return what is answered once it is stored: a mirror says nothing of a file that it passes on."""
    until = time.monotonic() + _LONGEST
    while "Last-Modified" not in (answer := server.get(path)).headers and time.monotonic() < until:
        time.sleep(0.1)
    return answer


def _said(server: Server, answer: requests.Response, **headers: str) -> list[str]:
    """Return what an answer says of how long it is good, and what becomes of a request with its validators."""
    found = {name: answer.headers[name] for name in _VALIDATORS if name in answer.headers}
    said = list(found)
    if found:
        asked = {_VALIDATORS[name]: value for name, value in found.items()}
        again = server.get(answer.url.removeprefix(server.origin), **headers, **asked)
        said.append(f"{again.status_code} to its own validators")
    if control := answer.headers.get("Cache-Control"):
        said.append(f"`Cache-Control: {control}`")
    if varies := answer.headers.get("Vary"):  # In any order, by chance in devpi.
        said.append(f"`Vary: {', '.join(sorted(varies.split(', ')))}`")
    return said


def written() -> str:
    """Return the table as it is in the docs."""
    return PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].strip() + "\n"


def _tools(kind: Kind, folder: Path) -> Path:
    """Return the folder of the programs of a kind, whose environment is made in a folder."""
    python = [name for name in kind.needs if name not in PROGRAMS]
    if not python:
        return Path("/usr/sbin")

    def make() -> None:
        wheels = environments.fetch(folder / "wheels", folder, *python)
        environments.make(folder / python[0], folder, wheels, *python)

    return environments.once(folder / python[0], make) / "bin"


def main() -> None:
    """Start each server, and write the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "offered").mkdir()
        offer_one(folder / "offered")
        rows = [_row_of(kind, _tools(kind, folder), folder / "offered") for kind in PLAYED]
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{HEAD}{''.join(rows)}\n{END}{after}", "utf-8")


def _row_of(kind: Kind, tools: Path, offered: Path) -> str:
    with serving(kind, tools) as server:
        server.offer(offered)
        return row(server)


if __name__ == "__main__":
    main()
