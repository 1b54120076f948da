"""A file of any size passes in little memory, on its way into the store and out of it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.index import JSON, Handler, Index, body

GIB = 1 << 30
MIB = bytes(1 << 20)
BIG, SMALL = "alpha-2.0.tar.gz", "alpha-1.0.tar.gz"
MOST = 16 << 20
"""Bytes by which the process may grow."""

CLIENT = """
import resource, sys
import requests, cachedindex

page, file, cache, small = sys.argv[1:]
session = requests.Session()
session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir=cache, index_ttl="1 h"))

def read(url):
    with session.get(url, stream=True) as response:
        size = sum(len(chunk) for chunk in response.iter_content(1 << 16))
    return size, response.headers.get("Cache-Status")

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

for url in (page, small, small):  # Whatever is imported on the way is there by now.
    session.get(url, headers={"Accept": "application/vnd.pypi.simple.v1+json"} if url == page else {})
before = peak()
print(*read(file))
print(*read(file))
print(peak() - before)
"""


def zeros(handler: Handler) -> bool:
    """Answer with the whole file, which nobody has to have on a disk or in memory."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(GIB))
    handler.end_headers()
    for _ in range(GIB >> 20):
        handler.wfile.write(MIB)
    return False


@pytest.mark.slow
def test_a_gib_is_stored_and_served_in_16_mib(index: Index, tmp_path: Path) -> None:
    digest = hashlib.sha256()
    for _ in range(GIB >> 20):
        digest.update(MIB)
    promised = {BIG: digest.hexdigest(), SMALL: hashlib.sha256(MIB).hexdigest()}
    listed = [{"filename": name, "url": f"/files/{name}", "hashes": {"sha256": promised[name]}} for name in promised]
    index.fault(body(json.dumps({"name": "alpha", "files": listed}).encode(), JSON), "/simple/")
    index.fault(zeros, f"/files/{BIG}")
    index.fault(body(MIB), f"/files/{SMALL}")
    arguments = (
        f"{index.url}alpha/",
        f"{index.origin}/files/{BIG}",
        tmp_path / "cache",
        f"{index.origin}/files/{SMALL}",
    )
    ran = subprocess.run(
        [sys.executable, "-c", CLIENT, *arguments], capture_output=True, text=True, timeout=500, check=False
    )
    assert ran.returncode == 0, ran.stderr
    missed, hit, grown = ran.stdout.splitlines()
    assert missed == f"{GIB} None"
    assert hit == f"{GIB} cachedindex; hit"
    assert int(grown) < MOST
