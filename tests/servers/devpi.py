"""devpi: an index of its own, and one whose base is a mirror of another index."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence
from typing import Any

from tests.index import JSON, Index, project_of, sha256
from tests.servers.server import Kind, Server

_PASSWORD = "r1"
_PROJECTS = ("alpha", "beta", "gamma", "delta")


def command(server: Server) -> Sequence[object]:
    """Write an empty server, and return the command that serves it."""
    data = server.folder / "devpi"
    init = [server.tools / "devpi-init", "--serverdir", data, "--no-root-pypi", "--root-passwd", _PASSWORD]
    subprocess.run([str(word) for word in init], check=True, capture_output=True, cwd=server.folder)
    return (server.tools / "devpi-server", "--serverdir", data, "--host", "127.0.0.1", "--port", server.port)


def upload(server: Server) -> None:
    """Delete what is gone or has other bytes, and upload what is not there."""
    _need(server, "/root/own", type="stage", volatile=True, bases=[])
    wanted = {path.name: path for path in server.wheels.iterdir()}
    there = _offered(server)
    for name in [name for name, digest in there.items() if name not in wanted or digest != sha256(wanted[name])]:
        project, version = name.split("-")[:2]
        del there[name]
        is_last = all(project_of(other) != project for other in [*there, *wanted])
        _change(server, "DELETE", f"/root/own/{project}" if is_last else f"/root/own/{project}/{version}")
    for name in wanted.keys() - there.keys():
        project, version = name.split("-")[:2]
        said = {":action": "file_upload", "metadata_version": "2.1", "filetype": "bdist_wheel", "pyversion": "py3"}
        content = {"content": (name, wanted[name].read_bytes())}
        _change(server, "POST", "/root/own/", data={**said, "name": project, "version": version}, files=content)


def mirrored(server: Server) -> None:
    """Have another index offer it, and the mirror of that index look anew."""
    if "mirrored" not in server.options:
        index = server.options["mirrored"] = Index(server.wheels)
        server.belongings.callback(index.close)
        _need(server, "/root/mirror", type="mirror", mirror_url=index.url)
        _need(server, "/root/based", type="stage", bases=["root/mirror"])
    for project in _PROJECTS:
        server.visitor.post(f"{server.origin}/root/mirror/+simple/{project}/refresh", timeout=30)


def _offered(server: Server) -> dict[str, str]:
    """Return the sha256 of each file of the index, by name."""
    pages = [server.get(f"/root/own/+simple/{project}/", Accept=JSON) for project in _PROJECTS]
    files = [file for page in pages if page.ok for file in page.json()["files"]]
    return {file["filename"]: file["hashes"]["sha256"] for file in files}


def _need(server: Server, path: str, **configuration: Any) -> None:
    """Make an index unless it is there."""
    if not server.get(path, Accept="application/json").ok:
        _change(server, "PUT", path, json=configuration)


def _change(server: Server, method: str, path: str, **content: Any) -> None:
    """Have it do something as its root, who may do everything."""
    login = {"user": "root", "password": _PASSWORD}
    answer = server.visitor.post(f"{server.origin}/+login", json=login, timeout=30)
    token = base64.b64encode(f"root:{answer.json()['result']['password']}".encode()).decode()
    headers = {"X-Devpi-Auth": token, "Accept": "application/json"}
    server.visitor.request(method, f"{server.origin}{path}", headers=headers, timeout=30, **content).raise_for_status()


OWN = Kind(
    "devpi, an index of its own", ("devpi-server",), command, upload, path="/root/own/+simple/", data="devpi",
    log="said.log",
)  # fmt: skip
BASED = Kind(
    "devpi, an index with a mirror as its base", ("devpi-server",), command, mirrored, path="/root/based/+simple/",
    data="devpi", log="said.log",
)  # fmt: skip
