"""Two users of one group on one folder, with umask 077 and 022: either can use all that the other stored."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import index as faults
from tests.conftest import SOURCE
from tests.index import Handler, Index
from tests.mounts import Mount, needed

GROUP = 54000
STRICT, LAX = (54001, 0o077), (54002, 0o022)

SCRIPT = """
import json, os, sys, requests, cachedindex
options = json.loads(sys.argv[1])
os.umask(options.pop("umask"))
session = requests.Session()
session.trust_env = False
auth = tuple(options.pop("auth", ())) or None
session.mount("http://", cachedindex.CachedIndexAdapter(trust_env=False, **options))
print(json.dumps([session.get(url, auth=auth).text for url in sys.argv[2:]]))
"""

READABLE = """
import os, sys
for folder, _, names in os.walk(sys.argv[1], onerror=lambda error: print("closed", error.filename)):
    for name in names:
        try:
            sys.stdout.write(open(os.path.join(folder, name), encoding="latin-1").read())
        except OSError as error:
            print("closed", name)
"""

REMOVE = """
import os, sys
for folder, folders, names in os.walk(sys.argv[1], topdown=False):
    for name in names:
        os.unlink(os.path.join(folder, name))
    for name in folders:
        os.rmdir(os.path.join(folder, name))
"""


@dataclass
class Host:
    """A machine with a shared folder, on which code runs as anybody."""

    folder: Path
    python: Path
    path: str

    def run(self, user: tuple[int, int], code: str, *arguments: str) -> str:
        identity = (f"--reuid={user[0]}", f"--regid={user[0]}", f"--groups={GROUP}", "--")
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "LD_LIBRARY_PATH": str(self.python.parent.parent / "lib"),
            "PYTHONPATH": self.path,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = ("setpriv", *identity, str(self.python), "-c", code, *arguments)
        done = subprocess.run(command, env=environ, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "the build goes on" not in done.stderr, done.stderr
        return done.stdout

    def get(self, user: tuple[int, int], *urls: str, **options: object) -> list[str]:
        settings = {"cache_dir": str(self.folder), "umask": user[1], **options}
        answer: list[str] = json.loads(self.run(user, SCRIPT, json.dumps(settings), *urls))
        return answer


@pytest.fixture
def host(mount: Mount) -> Iterator[Host]:
    """Give a folder of the group's, and this very Python where other users may run it."""
    needed("setpriv of util-linux")
    top = Path(tempfile.mkdtemp(prefix="cachedindex-users-"))
    top.chmod(0o755)
    mounted = {"python": sys.base_prefix, "site": sysconfig.get_path("purelib"), "source": SOURCE}
    for name, target in mounted.items():
        mount(top / name, "--bind", target)
    folder = top / "cache"
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    folder.chmod(0o2775)
    name = "pypy" if sys.implementation.name == "pypy" else "python"
    program = f"{name}{sys.version_info[0]}.{sys.version_info[1]}"
    yield Host(folder, top / "python/bin" / program, f"{top}/source:{top}/site")
    for name in mounted:
        subprocess.run(["umount", "--lazy", top / name], check=True)
    shutil.rmtree(folder)
    for path in (*map(top.joinpath, mounted), top):
        path.rmdir()


PAIRS = pytest.mark.parametrize(("one", "other"), [(STRICT, LAX), (LAX, STRICT)], ids=["strict first", "lax first"])


@PAIRS
def test_either_fetches_refreshes_reads_and_evicts_what_the_other_stored(
    host: Host, index: Index, one: tuple[int, int], other: tuple[int, int]
) -> None:
    page, file = f"{index.url}alpha/", f"{index.origin}/files/alpha-1.0-py3-none-any.whl"
    first = host.get(one, page, file)
    index.seen.clear()
    assert host.get(other, page, file, index_ttl="1 h") == first, "reads"
    assert index.seen == []
    index.headers["ETag"] = '"another"'
    index.fault(faults.body(first[0].encode() + b" "), "/simple/")
    (refreshed,) = host.get(other, page, index_ttl=0)
    assert refreshed == first[0] + " "
    assert host.get(one, page, file, offline="true") == [refreshed, first[1]], "refreshed by the other"
    for tree in ("records-v1", "blobs-v1"):
        host.run(other, REMOVE, str(host.folder / tree))
    assert host.get(one, page, file) == [refreshed, first[1]], "fetches again"
    assert host.get(other, page, file, offline="true") == [refreshed, first[1]]


@PAIRS
def test_neither_is_served_nor_can_read_the_others_private_content(
    host: Host, index: Index, one: tuple[int, int], other: tuple[int, int]
) -> None:
    def personal(handler: Handler) -> bool:
        header = handler.headers.get("Authorization", "")
        name = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")[0]
        page = faults.html_page("alpha", index.distributions("alpha")) + f"<!-- for {name} -->".encode()
        if name in ("one", "other"):
            handler.reply(200, {"Content-Type": "text/html"}, page)
        else:
            handler.reply(401, {"WWW-Authenticate": "Basic"}, b"who are you?")
        return False

    index.fault(personal)
    page = f"{index.url}alpha/"
    for _ in range(2):
        assert "for one" in host.get(one, page, auth=["one", "secret"])[0]
        for options in ({}, {"offline": "true"}, {"auth": ["guest", "guess"]}, {"auth": ["other", "secret"]}):
            assert "for one" not in host.get(other, page, **options)[0]
        assert "for one" not in host.run(other, READABLE, str(host.folder))
    assert "for other" in host.get(other, page, auth=["other", "secret"])[0], "shut out by what one keeps to itself"
