"""A local package index that misbehaves on demand: PEP 503 and PEP 691 pages over a folder of distributions."""

from __future__ import annotations

import _thread
import hashlib
import html
import json
import re
import socket
import ssl
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import trustme

JSON = "application/vnd.pypi.simple.v1+json"
PORTAL = b"<html><body><form action='/login'><input name='user'></form></body></html>"

Fault = Callable[["Handler"], bool]
"""Does something else than answering; returns whether the answer is to follow all the same."""


@dataclass
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str] = field(repr=False)
    began: float = field(default_factory=time.time)
    """In seconds since the epoch."""
    method: str = "GET"


class Index:
    """The index: `url` is what a client is given; `faults` are (pattern, fault) pairs, the first match applies."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", authority: trustme.CA | None = None) -> None:
        """Serve a folder, over TLS where there is an authority whose certificate to show."""
        self.folder = folder
        self.host = host
        self.seen: list[Seen] = []
        self.faults: list[tuple[re.Pattern[str], Fault]] = []
        self.validators = False
        self.speaks_json = True
        self.headers: dict[str, str] = {}
        self.let_go = threading.Event()
        self._authority = authority
        self.certificate = certificate(authority, host) if authority else None
        self._port = taken_port()
        self._full: list[socket.socket] = []
        self._server: Server | None = None
        self.origin = f"{'https' if authority else 'http'}://{host}:{self.port}"
        self.url = f"{self.origin}/simple/"
        self._listen()

    @property
    def port(self) -> int:
        return int(self._port.getsockname()[1])

    @property
    def handler(self) -> type[Handler]:
        """What answers each connection."""
        return Handler

    def fault(self, fault: Fault, pattern: str = "") -> None:
        self.faults.append((re.compile(pattern), fault))

    def heal(self) -> None:
        self.faults.clear()
        self.let_go.set()
        self.let_go = threading.Event()
        self.certificate = certificate(self._authority, self.host) if self._authority else None
        while self._full:
            self._full.pop().close()
        self._listen()

    def refuse(self) -> None:
        """Stop listening until the index heals: connections are refused."""
        self.let_go.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def overflow(self) -> None:
        """Answer no SYN until the index heals: somebody listens, never accepts, and has a full backlog."""
        self.refuse()
        listening = _reusable(self.port)
        self._full.append(listening)
        listening.listen(0)
        while True:
            client = socket.socket()
            client.settimeout(0.2)
            self._full.append(client)
            try:
                client.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return

    def close(self) -> None:
        """Stop listening for good: from now on, connections are refused."""
        self.refuse()
        self._port.close()

    def _listen(self) -> None:
        if self._server is None:
            self._server = Server(self)
            serve = self._server.serve_forever
            threading.Thread(target=serve, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def pages_seen(self) -> list[str]:
        return [seen.path for seen in self.seen if seen.path.startswith("/simple/")]

    def distributions(self, project: str) -> list[Path]:
        return [path for path in sorted(self.folder.iterdir()) if project_of(path.name) == project]


@contextmanager
def serving(folder: Path, host: str = "127.0.0.1", authority: trustme.CA | None = None) -> Iterator[Index]:
    index = Index(folder, host, authority)
    try:
        yield index
    finally:
        index.close()


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def project_of(filename: str) -> str:
    return normalized(filename.partition("-")[0])


def certificate(authority: trustme.CA, host: str) -> ssl.SSLContext:
    """Return what a server shows that this authority vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


def taken_port() -> socket.socket:
    """Return a socket that has a port, so that nobody else gets it while the index does not listen."""
    return _reusable(0)


def _reusable(port: int) -> socket.socket:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    return taken


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


def reset(handler: Handler) -> bool:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.rfile.close()
    handler.connection.close()
    handler.close_connection = True
    return False


def unless(header: str, value: str) -> Fault:
    """Answer 401 to whoever does not send this header with this value."""

    def fault(handler: Handler) -> bool:
        if handler.headers.get(header) == value:
            return True
        handler.reply(401, {"WWW-Authenticate": 'Basic realm="index"'}, b"who are you?")
        return False

    return fault


def redirect(target: str) -> Fault:
    return status(302, {"Location": target}, b"")


def flapping() -> Fault:
    """Answer every other request, beginning with the second, and hang at the others."""
    numbers = count()

    def fault(handler: Handler) -> bool:
        return bool(next(numbers) % 2) or hang(handler)

    return fault


def becoming(*states: Fault) -> Fault:
    """Do one after the other, and the last one for ever."""
    left = list(states)

    def fault(handler: Handler) -> bool:
        return (left.pop(0) if len(left) > 1 else left[0])(handler)

    return fault


def drip_headers(handler: Handler) -> bool:
    """Send the answer at a byte per second, from its first header on."""
    code, headers, content = handler.answer()
    return _drip(handler, _head(code, {**headers, "Content-Length": str(len(content))}) + content)


def drip_body(handler: Handler) -> bool:
    """Send the headers at once, and the body at a byte per second."""
    code, headers, content = handler.answer()
    handler.wfile.write(_head(code, {**headers, "Content-Length": str(len(content))}))
    return _drip(handler, content)


def stall(handler: Handler) -> bool:
    """Announce the whole body, send half of it, and fall silent."""
    code, headers, content = handler.answer()
    handler.wfile.write(_head(code, {**headers, "Content-Length": str(len(content))}) + content[: len(content) // 2])
    return hang(handler)


def chunked_without_end(handler: Handler) -> bool:
    """Send the body in chunks, and hang up before the last file and the empty chunk that ends it."""
    code, headers, content = handler.answer()
    part = without_last_file(content)
    handler.wfile.write(_head(code, {**headers, "Transfer-Encoding": "chunked"}) + b"%x\r\n%s\r\n" % (len(part), part))
    handler.close_connection = True
    return False


def half_a_status_line(handler: Handler) -> bool:
    handler.wfile.write(b"HTTP/1.")
    handler.close_connection = True
    return False


def no_http(handler: Handler) -> bool:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    handler.close_connection = True
    return False


def gzip_cut(handler: Handler) -> bool:
    """Send a compressed body that ends before its last file, with the length that it has: a cache kept it cut."""
    code, headers, content = handler.answer()
    if "gzip" not in handler.headers.get("Accept-Encoding", ""):
        return cut(handler)
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(without_last_file(content)) + packer.flush(zlib.Z_SYNC_FLUSH)
    handler.reply(code, {**headers, "Content-Encoding": "gzip"}, packed)
    return False


def altered(change: Callable[[bytes], bytes], **headers: str) -> Fault:
    """Answer with another body, of the same type."""

    def fault(handler: Handler) -> bool:
        code, own, content = handler.answer()
        added = {name.replace("_", "-"): value for name, value in headers.items()}
        handler.reply(code, {**own, **added}, change(content))
        return False

    return fault


def another_projects(handler: Handler) -> bool:
    """Answer for each page with that of the project before it in the alphabet."""
    names = sorted({project_of(path.name) for path in handler.index.folder.iterdir()})
    project = handler.path.strip("/").rpartition("/")[2]
    if project not in names:
        return True
    handler.reply(*handler.answer(f"/simple/{names[names.index(project) - 1]}/"))
    return False


def looping(handler: Handler) -> bool:
    return redirect(handler.path)(handler)


def without_last_file(page: bytes) -> bytes:
    """Return the beginning of a page, up to where its last file would be named."""
    return page[: max(page.rfind(b"<a "), page.rfind(b'{"filename"'), len(page) // 2)]


def with_a_hole(page: bytes) -> bytes:
    """Return a page of the same length whose end was never written: what a crash leaves of a file."""
    return without_last_file(page).ljust(len(page), b"\0")


def without_files(page: bytes) -> bytes:
    """Return the page of a project that has no files."""
    if page.startswith(b"{"):
        return json.dumps({**json.loads(page), "files": []}).encode()
    return re.sub(rb"<a .*?</a>(<br>)?\n?", b"", page)


def without_newest(page: bytes) -> bytes:
    """Return a sound page as it was before its last file was there."""
    if page.startswith(b"{"):
        content = json.loads(page)
        return json.dumps({**content, "files": content["files"][:-1]}).encode()
    return re.sub(rb"<a (?!.*<a ).*?</a>(<br>)?\n?", b"", page, flags=re.DOTALL)


def _head(code: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {code} OK", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def _drip(handler: Handler, content: bytes) -> bool:
    let_go = handler.index.let_go
    handler.close_connection = True
    for place in range(len(content)):
        handler.wfile.write(content[place : place + 1])
        if let_go.wait(1):
            break
    return False


# -- the server --------------------------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False

    def __init__(self, index: Index) -> None:
        self.index = index
        super().__init__(("127.0.0.1", index.port), index.handler)

    def get_request(self) -> tuple[Any, Any]:
        """Accept; the handshake is the handler's business, in its own thread."""
        connection, address = super().get_request()
        if self.index.certificate:
            return self.index.certificate.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            ), address
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread that nobody traces: two that begin to be traced at once may end with RuntimeError."""
        _thread.start_new_thread(self.process_request_thread, (request, client_address))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is what these tests are about; nothing to print."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # Head and body are two writes; the second would wait 40 ms.
    truncate = False
    server: Server

    @property
    def index(self) -> Index:
        return self.server.index

    def log_message(self, *_: object) -> None:
        """Requests are kept in `seen`."""

    def do_GET(self) -> None:
        self.path = re.sub(r"^http://[^/]+", "", self.path)  # As a client asks a proxy, which this may be as well.
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.index.seen.append(Seen(self.path, headers, method=self.command))
        for pattern, fault in list(self.index.faults):
            if pattern.search(self.path):
                if fault(self):
                    break
                return
        self.reply(*self.answer())

    do_HEAD = do_GET

    def reply(self, code: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **self.index.headers, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if self.truncate else content)
        if self.truncate:
            self.close_connection = True

    def answer(self, path: str | None = None) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the right answer for a path, by default the one that was asked for."""
        kind, _, rest = (path or self.path).partition("?")[0].strip("/").partition("/")
        if kind == "files" and (self.index.folder / rest).is_file():
            return 200, {"Content-Type": "application/octet-stream"}, (self.index.folder / rest).read_bytes()
        if kind == "files" and rest.endswith(".metadata") and (self.index.folder / rest[:-9]).is_file():
            return 200, {"Content-Type": "application/octet-stream"}, metadata(self.index.folder / rest[:-9])
        if kind == "simple" and not rest:
            names = sorted({project_of(path.name) for path in self.index.folder.iterdir()})
            links = "".join(f'<a href="{name}/">{name}</a>\n' for name in names)
            return self._page(f"<title>Simple index</title>{links}".encode(), "text/html")
        if kind == "simple" and (found := self.index.distributions(normalized(rest))):
            return self._project(rest, found)
        return 404, {"Content-Type": "text/html"}, b"not found"

    def _project(self, name: str, found: list[Path]) -> tuple[int, dict[str, str], bytes]:
        if name != normalized(name):
            return 301, {"Location": f"/simple/{normalized(name)}/"}, b""
        if self.index.speaks_json and JSON in self.headers.get("Accept", ""):
            return self._page(json_page(name, found), JSON)
        return self._page(html_page(name, found), "text/html")

    def _page(self, content: bytes, content_type: str) -> tuple[int, dict[str, str], bytes]:
        headers = {"Content-Type": content_type}
        if self.index.validators:
            headers["ETag"] = f'"{hashlib.sha256(content).hexdigest()}"'
            if self.headers.get("If-None-Match") == headers["ETag"]:
                return 304, headers, b""
        return 200, headers, content


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
            "upload-time": "2024-01-01T00:00:00Z",
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
