"""A local package index that misbehaves on demand: PEP 503 and PEP 691 pages over a folder of distributions."""

from __future__ import annotations

import hashlib
import html
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

JSON = "application/vnd.pypi.simple.v1+json"
PORTAL = b"<html><body><form action='/login'><input name='user'></form></body></html>"

Fault = Callable[["Handler"], bool]
"""Does something else than answering; returns whether the answer is to follow all the same."""


@dataclass
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str] = field(repr=False)


class Index:
    """The index: `url` is what a client is given; `faults` are (pattern, fault) pairs, the first match applies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: list[Seen] = []
        self.faults: list[tuple[re.Pattern[str], Fault]] = []
        self.validators = False
        self.headers: dict[str, str] = {}
        self.let_go = threading.Event()
        self._server = Server(self)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.origin}/simple/"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def fault(self, fault: Fault, pattern: str = "") -> None:
        self.faults.append((re.compile(pattern), fault))

    def heal(self) -> None:
        self.faults.clear()
        self.let_go.set()
        self.let_go = threading.Event()

    def close(self) -> None:
        """Stop listening: from now on, connections are refused."""
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()

    def pages_seen(self) -> list[str]:
        return [seen.path for seen in self.seen if seen.path.startswith("/simple/")]

    def distributions(self, project: str) -> list[Path]:
        return [path for path in sorted(self.folder.iterdir()) if project_of(path.name) == project]


@contextmanager
def serving(folder: Path) -> Iterator[Index]:
    index = Index(folder)
    try:
        yield index
    finally:
        index.close()


def project_of(filename: str) -> str:
    return re.sub(r"[-_.]+", "-", filename.partition("-")[0]).lower()


# -- faults ------------------------------------------------------------------------------------------------------------


def hang(handler: Handler) -> bool:
    """Accept, and never answer, until the index heals or closes."""
    handler.index.let_go.wait()
    handler.close_connection = True
    return False


def slow(seconds: float) -> Fault:
    def fault(handler: Handler) -> bool:
        return not handler.index.let_go.wait(seconds)

    return fault


def status(code: int, headers: dict[str, str] | None = None, body: bytes = b"no") -> Fault:
    def fault(handler: Handler) -> bool:
        handler.reply(code, headers or {}, body)
        return False

    return fault


def body(content: bytes, content_type: str = "text/html") -> Fault:
    def fault(handler: Handler) -> bool:
        handler.reply(200, {"Content-Type": content_type}, content)
        return False

    return fault


def cut(handler: Handler) -> bool:
    """Announce a whole page, and send half of it."""
    handler.truncate = True
    return True


def stall(handler: Handler) -> bool:
    """Send half of a whole answer, and nothing more until the index heals or closes."""
    handler.stall = handler.truncate = True
    return True


def unless(header: str, value: str, fault: Fault) -> Fault:
    """Apply the fault to requests that do not say this."""

    def conditional(handler: Handler) -> bool:
        return handler.headers.get(header) == value or fault(handler)

    return conditional


def reset(handler: Handler) -> bool:
    handler.connection.close()
    handler.close_connection = True
    return False


def redirect(target: str) -> Fault:
    return status(302, {"Location": target}, b"")


# -- the server --------------------------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, index: Index) -> None:
        self.index = index
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is what these tests are about; nothing to print."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    truncate = False
    stall = False
    server: Server

    @property
    def index(self) -> Index:
        return self.server.index

    def log_message(self, *_: object) -> None:
        """Requests are kept in `seen`."""

    def do_GET(self) -> None:
        self.index.seen.append(Seen(self.path, {name.lower(): value for name, value in self.headers.items()}))
        for pattern, fault in list(self.index.faults):
            if pattern.search(self.path):
                if fault(self):
                    break
                return
        self._answer()

    do_HEAD = do_GET

    def reply(self, code: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **self.index.headers, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if self.truncate else content)
        if self.stall:
            self.wfile.flush()
            self.index.let_go.wait()
        if self.truncate:
            self.close_connection = True

    def _answer(self) -> None:
        path = re.sub("^http://[^/]*", "", self.path)  # As a proxy is asked.
        kind, _, rest = path.partition("?")[0].strip("/").partition("/")
        if kind == "files" and (self.index.folder / rest).is_file():
            self.reply(200, {"Content-Type": "application/octet-stream"}, (self.index.folder / rest).read_bytes())
        elif kind == "files" and rest.endswith(".metadata"):
            self.reply(200, {"Content-Type": "application/octet-stream"}, metadata(self.index.folder / rest[:-9]))
        elif kind == "simple" and not rest:
            names = sorted({project_of(path.name) for path in self.index.folder.iterdir()})
            links = "".join(f'<a href="{name}/">{name}</a>\n' for name in names)
            self._page(f"<title>Simple index</title>{links}".encode(), "text/html")
        elif kind == "simple" and (found := self.index.distributions(rest)):
            as_json = JSON in self.headers.get("Accept", "")
            self._page(json_page(rest, found) if as_json else html_page(rest, found), JSON if as_json else "text/html")
        else:
            self.reply(404, {"Content-Type": "text/html"}, b"not found")

    def _page(self, content: bytes, content_type: str) -> None:
        headers = {"Content-Type": content_type}
        if self.index.validators:
            headers["ETag"] = f'"{hashlib.sha256(content).hexdigest()}"'
            if self.headers.get("If-None-Match") == headers["ETag"]:
                self.reply(304, headers, b"")
                return
        self.reply(200, headers, content)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def metadata(path: Path) -> bytes:
    with zipfile.ZipFile(path) as wheel:
        return wheel.read(next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")))


def json_page(project: str, found: list[Path]) -> bytes:
    files = []
    for path in found:
        entry: dict[str, Any] = {
            "filename": path.name,
            "url": f"/files/{path.name}",
            "hashes": {"sha256": sha256(path)},
        }
        if path.suffix == ".whl":
            entry["core-metadata"] = {"sha256": hashlib.sha256(metadata(path)).hexdigest()}
        files.append(entry)
    return json.dumps({"meta": {"api-version": "1.0"}, "name": project, "files": files}).encode()


def html_page(project: str, found: list[Path]) -> bytes:
    links = "".join(
        f'<a href="../../files/{path.name}#sha256={sha256(path)}"'
        + (
            f' data-core-metadata="sha256={hashlib.sha256(metadata(path)).hexdigest()}"'
            if path.suffix == ".whl"
            else ""
        )
        + f">{html.escape(path.name)}</a><br>\n"
        for path in found
    )
    return f"<!DOCTYPE html><html><head><title>Links for {project}</title></head><body>{links}</body></html>".encode()
