"""Fifty processes that begin with an empty cache at once: upstream sees each URL once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.index import Index

PROCESSES = 50
PROJECTS = 20
SIZE = 5 << 20

CLIENT = """
import hashlib, sys
import requests, cachedindex
url, cache, projects = sys.argv[1:]
session = requests.Session()
session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir=cache))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(projects)):
    page = session.get(f"{url}simple/p{number}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    (file,) = page.json()["files"]
    content = session.get(f"{url}files/{file['filename']}").content
    assert hashlib.sha256(content).hexdigest() == file["hashes"]["sha256"]
print("done")
"""


@pytest.mark.slow
def test_upstream_sees_each_url_once(index: Index, distributions: Path, tmp_path: Path) -> None:
    for number in range(PROJECTS):
        (distributions / f"p{number}-1.0.tar.gz").write_bytes(os.urandom(SIZE))
    command = [sys.executable, "-c", CLIENT, f"{index.origin}/", str(tmp_path / "cache"), str(PROJECTS)]
    with ExitStack() as stack:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        processes = [stack.enter_context(subprocess.Popen(command, text=True, **pipes)) for _ in range(PROCESSES)]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        assert [process.communicate(timeout=500)[0] for process in processes] == ["done\n"] * PROCESSES
    seen = Counter(request.path for request in index.seen)
    assert len(seen) == 2 * PROJECTS
    # Twice for one in a hundred: who waits on a machine that is overloaded goes alone after the timeout.
    assert sum(seen.values()) - len(seen) <= 1, seen.most_common(3)
