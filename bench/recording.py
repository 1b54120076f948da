"""A recorded index: `python -m bench.recording FOLDER` fills a folder from pip's own index, or serves what is there.

The pages are real, whole, and as large as the index made them. Only the files that the build needed are kept. It
answers as a large public index does: ETag, `max-age=600`, gzip, and core metadata (PEP 658) for every wheel.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import urlopen

from tests.environments import clean_environment
from tests.index import JSON
from tests.rendered import rendered

from cachedindex.store import record as records
from cachedindex.upkeep import listing

ROOTS = (
    "flask", "django", "requests", "sqlalchemy", "celery", "boto3", "sphinx", "pytest",
    "jupyterlab", "black", "mypy", "tox", "fastapi", "uvicorn", "httpx", "pydantic",
)  # fmt: skip
"""Distributions that people install, with 153 projects in all."""
_CHUNK = 65536


class Reply(NamedTuple):
    """One answer, ready to be sent."""

    body: bytes
    headers: Mapping[str, str]


def record(folder: Path, python: Path, roots: tuple[str, ...] = ROOTS) -> None:
    """Fill a folder with the pages and files that a pip asks its own index for; CalledProcessError if it fails."""
    with tempfile.TemporaryDirectory(prefix="cachedindex-recording-") as name:
        home = Path(name)
        cache = home / "cache"
        environ = {**clean_environment(home), "CACHEDINDEX_CACHE_DIR": str(cache), "PIP_NO_CACHE_DIR": "1"}
        pip = (python, "-m", "pip", "download", "-q", "-d", folder / "files", *roots)
        command = [str(word) for word in (sys.executable, "-m", "cachedindex", "run", "--", *pip)]
        subprocess.run(command, env=environ, check=True)
        keep_pages(cache, folder / "pages")


def keep_pages(cache: Path, folder: Path) -> None:
    """Copy the project pages in JSON of a cache folder into a folder, each as a file with the project's name."""
    folder.mkdir(parents=True, exist_ok=True)
    for listed in listing.records(cache):
        found = records.decode(listed.path.read_bytes())
        if found and found.page and found.page.startswith(b"{"):
            project = urlsplit(found.url).path.strip("/").rpartition("/")[2]
            (folder / f"{project}.json").write_bytes(found.page)


class Recorded:
    """The pages and files of a folder, each as the answer that is sent for its path."""

    def __init__(self, folder: Path) -> None:
        self._files = {path.name: path for path in (folder / "files").iterdir()}
        self._metadata = {name: metadata(path) for name, path in self._files.items() if path.suffix == ".whl"}
        pages = {path.stem: self._page(path) for path in (folder / "pages").iterdir()}
        self._json = {f"/simple/{name}/": _compressed(json.dumps(page), JSON) for name, page in pages.items()}
        links = "".join(f'<a href="{name}/">{name}</a>\n' for name in sorted(pages))
        self._html = {"/simple/": _compressed(f"<title>Simple index</title>{links}", "text/html")}
        self._pages = {f"/simple/{name}/": page for name, page in pages.items()}

    def reply(self, path: str, accept: str) -> Reply | None:
        """Return the answer for a path, or None for 404."""
        name = path.rpartition("/")[2]
        if path in self._json and JSON in accept:
            return self._json[path]
        if path in self._pages and path not in self._html:  # Few clients read it, so it is made for the first of them.
            self._html[path] = _compressed(rendered(self._pages[path]), "text/html")
        if path in self._html:
            return self._html[path]
        if name.removesuffix(".metadata") in self._metadata and name.endswith(".metadata"):
            return _reply(self._metadata[name.removesuffix(".metadata")], "application/octet-stream")
        if name in self._files:
            return _reply(self._files[name].read_bytes(), "application/octet-stream")
        return None

    def _page(self, path: Path) -> dict[str, Any]:
        page: dict[str, Any] = json.loads(path.read_bytes())
        for file in page["files"]:
            name = file["filename"]
            file["url"] = f"/files/{name}"
            if name.endswith(".whl"):
                content = self._metadata.get(name, name.encode())
                file["core-metadata"] = {"sha256": hashlib.sha256(content).hexdigest()}
        return page


class Server(ThreadingHTTPServer):
    """Serves a recording, each answer after `latency` seconds, at most `bandwidth` bytes a second per connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, recorded: Recorded, latency: float, bandwidth: float) -> None:
        self.recorded, self.latency, self.bandwidth = recorded, latency, bandwidth
        self.asked = 0
        self.speaks = threading.Event()
        self.speaks.set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client has gone on without the answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        time.sleep(self.server.latency)  # A connection costs a round trip of its own.
        super().setup()

    def log_message(self, *_: object) -> None:
        """Say nothing: requests are counted."""

    def do_GET(self) -> None:
        if self.path in ("/asked", "/silence", "/speak"):
            return self._obey(self.path)
        self.server.asked += 1
        self.server.speaks.wait()
        time.sleep(self.server.latency)
        reply = self.server.recorded.reply(self.path, self.headers.get("Accept", ""))
        if reply is None:
            return self._send(404, _reply(b"not found", "text/plain"))
        if "Content-Encoding" in reply.headers and "gzip" not in self.headers.get("Accept-Encoding", ""):
            reply = _decompressed(reply)  # setuptools' reader of an index does not ask for compression.
        if self.headers.get("If-None-Match", "") == reply.headers.get("ETag"):
            return self._send(304, Reply(b"", {**reply.headers, "Content-Length": "0"}))
        return self._send(200, reply)

    def _obey(self, path: str) -> None:
        if path == "/silence":
            self.server.speaks.clear()
        if path == "/speak":
            self.server.speaks.set()
        self._send(200, _reply(str(self.server.asked).encode(), "text/plain"))

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def _send(self, code: int, reply: Reply) -> None:
        self.send_response(code)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        body = b"" if self.command == "HEAD" else reply.body
        if not self.server.bandwidth:
            self.wfile.write(body)
            return
        for place in range(0, len(body), _CHUNK):
            self.wfile.write(body[place : place + _CHUNK])
            time.sleep(_CHUNK / self.server.bandwidth)


class Site(NamedTuple):
    """A recording that is served by a process of its own."""

    url: str

    def asked(self) -> int:
        """Return how many requests have reached it."""
        return self._command("asked")

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Have it accept requests and answer none for a block."""
        self._command("silence")
        try:
            yield
        finally:
            self._command("speak")

    def _command(self, word: str) -> int:
        with urlopen(f"{self.url.removesuffix('simple/')}{word}") as answer:
            return int(answer.read())


@contextmanager
def served(folder: Path, latency: float = 0.0, bandwidth: float = 0.0) -> Iterator[Site]:
    """Serve a recording from another process, so that its work is not counted as the client's."""
    command = [sys.executable, "-m", "bench.recording", folder, "--latency", latency, "--bandwidth", bandwidth]
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Site(process.stdout.readline().strip() if process.stdout else "")
        finally:
            process.terminate()


def main() -> None:
    """Serve until killed; print the URL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--bandwidth", type=float, default=0.0)
    arguments = parser.parse_args()
    server = Server(Recorded(arguments.folder), arguments.latency, arguments.bandwidth)
    print(f"http://127.0.0.1:{server.server_address[1]}/simple/", flush=True)
    server.serve_forever()


def _reply(body: bytes, content_type: str) -> Reply:
    return Reply(body, {"Content-Type": content_type, "Content-Length": str(len(body))})


def _compressed(text: str, content_type: str) -> Reply:
    reply = _reply(text.encode(), content_type)
    etag = f'"{hashlib.sha256(reply.body).hexdigest()[:32]}"'
    zipped = gzip.compress(reply.body, 6, mtime=0)
    more = {"ETag": etag, "Cache-Control": "max-age=600, public", "Content-Encoding": "gzip", "Vary": "Accept"}
    return Reply(zipped, {**reply.headers, **more, "Content-Length": str(len(zipped))})


def _decompressed(reply: Reply) -> Reply:
    body = gzip.decompress(reply.body)
    headers = {name: value for name, value in reply.headers.items() if name != "Content-Encoding"}
    return Reply(body, {**headers, "Content-Length": str(len(body))})


def metadata(path: Path) -> bytes:
    """Return the metadata in a wheel."""
    with zipfile.ZipFile(path) as wheel:
        return wheel.read(next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")))


if __name__ == "__main__":
    main()
