"""Measures how others meet the faults: uv, and proxies in front of the index, if they are on PATH."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.clients import Client
from tests.environments import clean_environment
from tests.faults import Fault
from tests.sites import Site

STARTING = 30.0
"""Seconds that a proxy may take to begin."""
LONGEST = 20.0
"""Seconds after which no answer is waited for."""
EXPIRY = 1
"""Seconds after which a proxy has to ask again."""
PAGE = "project-007/"
"""The page that is gone in "404 for one page"."""

NGINX = """
daemon off; master_process off; error_log stderr; pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=pages:1m;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {origin};
            proxy_cache pages;
            proxy_cache_valid 200 {expiry}s;
            proxy_cache_use_stale error timeout invalid_header http_500 http_502 http_503 http_504 http_429;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Uv(Client):
    """uv, which installs into a folder with a cache of its own, and revalidates pages as our clients do."""

    projects: Sequence[str]

    def prepare(self, site: Site, workspace: Path) -> None:
        """Do nothing: uv needs no preparation."""

    def command(self, site: Site, workspace: Path) -> Sequence[object]:
        """Return the command."""
        target = workspace / "target"
        shutil.rmtree(target, ignore_errors=True)
        where = ("--default-index", site.index.url, "--cache-dir", workspace / "cache", "--no-config")
        return ("uv", "pip", "install", "-q", "--refresh", *where, "--target", target, *self.projects)

    def versions(self, workspace: Path, out: str) -> list[str]:
        """Return what was installed."""
        return sorted(path.name for path in (workspace / "target").glob("*.dist-info"))


@dataclass(frozen=True)
class Start:
    """How a proxy is started on a port, in a folder, in front of an index."""

    path: str
    """The path of its project pages."""
    command: Sequence[object]
    before: Sequence[object] = ()
    variables: dict[str, str] = field(default_factory=dict)
    after: Callable[[str], None] = lambda _origin: None


def devpi(index: str, folder: Path, port: int, expiry: int) -> Start:
    """Return devpi's start: its mirror is pointed at the index when it is there."""
    server = ("--serverdir", folder / "server")

    def after(origin: str) -> None:
        login = _call(f"{origin}/+login", "POST", {"user": "root", "password": ""})
        token = base64.b64encode(f"root:{login['result']['password']}".encode()).decode()
        wanted = [f"mirror_url={index}", f"mirror_cache_expiry={expiry}"]
        _call(f"{origin}/root/pypi", "PATCH", wanted, {"X-Devpi-Auth": token})

    command = ("devpi-server", *server, "--host", "127.0.0.1", "--port", port)
    return Start("/root/pypi/+simple/", command, ("devpi-init", *server), after=after)


def proxpi(index: str, folder: Path, port: int, expiry: int) -> Start:
    """Return proxpi's start, by the flask beside it."""
    variables = {"PROXPI_INDEX_URL": index, "PROXPI_INDEX_TTL": str(expiry), "FLASK_APP": "proxpi.server"}
    return Start("/index/", ("flask", "run", "--port", port), variables=variables)


def nginx(index: str, folder: Path, port: int, expiry: int) -> Start:
    """Return nginx's start with the rules that a cache of an index usually has."""
    configuration = folder / "nginx.conf"
    origin = index.removesuffix("/simple/")
    configuration.write_text(NGINX.format(folder=folder, port=port, origin=origin, expiry=expiry))
    return Start("/simple/", ("nginx", "-c", configuration))


PROXIES: dict[str, tuple[str, Callable[[str, Path, int, int], Start]]] = {
    "devpi": ("devpi-server", devpi),
    "proxpi": ("flask", proxpi),
    "nginx": ("nginx", nginx),
}
"""By name: the program that must be on PATH, and how it is started."""


def installed() -> list[str]:
    """Return the proxies that this machine has."""
    return [name for name, (program, _) in PROXIES.items() if shutil.which(program)]


@contextmanager
def started(name: str, index: str, folder: Path, expiry: int = EXPIRY) -> Iterator[str]:
    """Start a proxy in front of an index, and yield the URL of its project pages; OSError if it does not start.

    Its pages expire after so many seconds.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(parents=True)
    start = PROXIES[name][1](index, folder, port, expiry)
    environ = {**clean_environment(folder), **start.variables}
    if start.before:
        subprocess.run([str(word) for word in start.before], env=environ, check=True, capture_output=True)
    command = [str(word) for word in start.command]
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(port, process)
            start.after(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}{start.path}"
        finally:
            process.terminate()


def met(pages: str, fault: Fault, site: Site) -> str:
    """Return in words what a proxy answers for an expired page under a fault."""
    whole = _healthy(pages)
    # There is no way to see that a proxy's page has expired, and nginx counts in whole seconds.
    time.sleep(EXPIRY + 1.5)
    fault.begin(site)
    began = time.perf_counter()
    try:
        files = _files(pages)
        said = "the page" if files == whole else f"200, {len(files)} of {len(whole)} files"
    except HTTPError as error:
        said = str(error.code)
    except TimeoutError:
        said = "no answer"
    except (OSError, HTTPException) as error:
        said = type(error).__name__
    finally:
        site.heal()
    return f"{said}, {time.perf_counter() - began:.1f} s"


def _healthy(pages: str) -> list[str]:
    """Return the files of the sound page, as soon as the proxy has recovered from the last fault."""
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline:
        with suppress(OSError, HTTPException):
            if len(files := _files(pages)) > 1:
                return files
        time.sleep(0.5)
    raise OSError("it does not recover")


def _files(pages: str) -> list[str]:
    with urlopen(Request(pages + PAGE, headers={"Accept": "text/html"}), timeout=LONGEST) as answer:
        return sorted(set(re.findall(r">\s*([^<>\s]+\.whl)\s*</a>", answer.read().decode("utf-8", "replace"))))


def _call(url: str, method: str, content: object, headers: dict[str, str] | None = None) -> dict[str, dict[str, str]]:
    sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
    request = Request(url, json.dumps(content).encode(), sent, method=method)
    with urlopen(request, timeout=LONGEST) as answer:
        return dict(json.load(answer))


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise OSError("it did not start")
