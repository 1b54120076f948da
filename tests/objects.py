"""A real S3 server: seaweedfs on free ports of this machine, with one bucket, that can be killed and looked into.

It comes from the extra `objects`, as one program of 150 MB. `missing()` says why there is none.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import NamedTuple

import requests

from tests.index import taken_port
from tests.servers.daemon import Daemon

BUCKET = "builds"
_LONGEST = 60.0
"""Seconds in which it has a bucket that takes objects, on a busy machine."""
_PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
          "s3.port", "s3.port.grpc", "metricsPort")  # fmt: skip
_REQUESTS = re.compile(r'SeaweedFS_s3_request_total\{.*type="(\w+)".*\} (\S+)')
_FOLDER = 1 << 31
"""The bit of a mode by which Go knows a folder."""


class Identity(NamedTuple):
    """Somebody whom the server knows."""

    key: str
    secret: str
    actions: tuple[str, ...]
    """What it may do in the bucket, as the server names it."""


WRITER = Identity("builds-writer", "the-secret-of-the-writer", ("Read", "List", "Write"))
READER = Identity("builds-reader", "the-secret-of-the-reader", ("Read", "List"))
STRANGER = Identity("nobody-at-all", "the-secret-of-nobody", ())
"""Somebody whom it does not know."""


def program() -> Path | None:
    """Return the server's program, which lies beside this Python or on PATH, or None."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    return Path(found) if found else None


def missing() -> str | None:
    """Return why there is no server, for a test that is skipped then, or None."""
    is_there = program() and find_spec("obstore")
    return None if is_there else "SKIPPED FOR WANT OF AN OBJECT STORE: pip install --editable .[objects]"


class Objects:
    """The server: `start`, `kill`, `hang` and `go_on` it; `read`, `write` and `delete` go past S3, and need no key."""

    def __init__(self, folder: Path, weed: Path) -> None:
        """`folder` takes its data, which a kill leaves as they are."""
        self._belongings = ExitStack()
        taken = {name: self._belongings.enter_context(taken_port()) for name in _PORTS}
        ports = {name: int(port.getsockname()[1]) for name, port in taken.items()}
        self.endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        self._metrics = f"http://127.0.0.1:{ports['metricsPort']}/metrics"
        self._files = f"http://127.0.0.1:{ports['filer.port']}/buckets/{BUCKET}/"
        self._visitor = requests.Session()
        self._visitor.trust_env = False
        self._visitor.headers["Connection"] = "close"  # It may be killed before the next request.
        self._prefixes = count(1)
        self.prefix = "objects"
        self._daemon = Daemon(_command(folder, weed, ports), ports["s3.port"], folder, {"HOME": str(folder)})
        self._belongings.callback(self._visitor.close)
        self._belongings.callback(self.kill)

    @property
    def url(self) -> str:
        """The value of the option `remote`."""
        return f"s3://{BUCKET}/{self.prefix}"

    def anew(self) -> None:
        """Be well, and have a prefix that nothing lies below."""
        self.go_on()
        self.start()
        self.prefix = f"objects-{next(self._prefixes)}"

    def start(self) -> None:
        """Start it, and return when the bucket takes objects. Do nothing if it runs."""
        self._daemon.start()
        until = time.monotonic() + _LONGEST
        while not self._is_ready():
            assert time.monotonic() < until, "the object store does not become ready"
            time.sleep(0.05)

    def kill(self) -> None:
        """Have it gone at once, with what it was doing, so that connections are refused."""
        self._daemon.kill()

    def hang(self) -> None:
        """Have it accept connections and answer nothing."""
        self._daemon.hang()

    def go_on(self) -> None:
        """End its hanging."""
        self._daemon.go_on()

    def close(self) -> None:
        self._belongings.close()

    # What lies there, below the prefix.

    def keys(self, below: str = "") -> list[str]:
        """Return the names of all objects below the prefix, without it."""
        return sorted(self._found(below and f"{below.rstrip('/')}/"))

    def read(self, key: str) -> bytes:
        """Return an object; raises requests.HTTPError if there is none."""
        return self._asked("GET", key).content

    def write(self, key: str, content: bytes) -> None:
        """Have an object hold this, whatever S3 would say."""
        self._asked("PUT", key, data=content)

    def delete(self, key: str) -> None:
        self._asked("DELETE", key)

    def counted(self) -> Counter[str]:
        """Return how many requests it has answered since it was started, by what was asked for, such as GET."""
        text = self._visitor.get(self._metrics, timeout=_LONGEST).text
        return sum((Counter({kind: int(float(number))}) for kind, number in _REQUESTS.findall(text)), Counter())

    def _asked(self, method: str, key: str, data: bytes | None = None) -> requests.Response:
        answer = self._visitor.request(method, f"{self._files}{self.prefix}/{key}", data=data, timeout=_LONGEST)
        answer.raise_for_status()
        return answer

    def _found(self, below: str) -> Iterator[str]:
        url = f"{self._files}{self.prefix}/{below}"
        answer = self._visitor.get(url, params={"limit": "100000"}, headers={"Accept": "application/json"}, timeout=60)
        for entry in (answer.json()["Entries"] or ()) if answer.ok else ():
            name = f"{below}{entry['FullPath'].rpartition('/')[2]}"
            if entry["Mode"] & _FOLDER:
                yield from self._found(f"{name}/")
            else:
                yield name

    def _is_ready(self) -> bool:
        """Store and read: for some seconds it knows neither its disks nor what lies on them, and has no locks."""
        from obstore import exceptions
        from obstore.store import S3Store

        store = S3Store(
            BUCKET, endpoint=self.endpoint, access_key_id=WRITER.key, secret_access_key=WRITER.secret,
            region="us-east-1", client_options={"allow_http": True}, retry_config={"max_retries": 0},
        )  # fmt: skip
        try:
            self._visitor.request("POST", self._files, timeout=_LONGEST)  # The bucket is a folder.
            self._visitor.request("DELETE", f"{self._files}new", timeout=_LONGEST)
            store.put("new", b"new", mode="create")
            store.put("old", b"old", mode="create")
        except exceptions.AlreadyExistsError:
            pass  # It was there before a kill.
        except (requests.RequestException, exceptions.BaseError):
            return False
        try:
            return bytes(store.get("old").bytes()) == b"old"
        except (FileNotFoundError, exceptions.BaseError):
            return False


def variables(identity: Identity, endpoint: str) -> dict[str, str]:
    """Return what a program needs in its environment to come as somebody; `endpoint` is a URL."""
    return {
        "AWS_ACCESS_KEY_ID": identity.key,
        "AWS_SECRET_ACCESS_KEY": identity.secret,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
    }


@contextmanager
def serving(folder: Path | None = None) -> Iterator[Objects]:
    """Have a server run for a block, which ends whatever becomes of this process; `missing()` has to be None.

    Its data lie in a temporary folder by default. NoStart if it does not start.
    """
    weed = program()
    assert weed, missing()
    with tempfile.TemporaryDirectory(prefix="cachedindex-objects-", ignore_cleanup_errors=True) as name:
        objects = Objects(folder or Path(name), weed)
        try:
            objects.start()
            yield objects
        finally:
            objects.close()


def _command(folder: Path, weed: Path, ports: Mapping[str, int]) -> list[str]:
    """Return the command that starts it, which the kernel ends with the process that started it."""
    known = folder / "identities.json"
    known.write_text(json.dumps({"identities": [_known(each) for each in (WRITER, READER)]}))
    with_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    options = {
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "dir": folder,
        "s3": "true",
        "s3.config": known,
        "s3.iam": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.localSocket": folder / "s3.sock",
        "filer.localSocket": folder / "filer.sock",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 1024,
        "master.electionTimeout": "1s",
        "volume.max": 20,
        **ports,
    }
    return [*with_us, str(weed), "server", *(f"-{name}={value}" for name, value in options.items())]


def _known(identity: Identity) -> dict[str, object]:
    return {
        "name": identity.key,
        "credentials": [{"accessKey": identity.key, "secretKey": identity.secret}],
        "actions": [f"{action}:{BUCKET}" for action in identity.actions],
    }
