"""Makes the pages of an index as long as real ones: files of older versions, which nobody asks for."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from itertools import count, islice, product
from typing import Any

from tests.rendered import rendered

from bench.clients import NAMES

FILES = (2, 11, 16, 20, 24, 30, 35, 50, 60, 72, 87, 110, 119, 142, 188, 216, 310, 624, 975, 2633, 15057)
"""How many files the pages of 153 real projects have: the least, the most, and each twentieth part in between."""
_PURE_UP_TO = 200
"""Pages with more files are mostly of projects with wheels for each interpreter and platform."""
_PLATFORMS = (
    "manylinux_2_17_x86_64.manylinux2014_x86_64", "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "musllinux_1_2_x86_64", "musllinux_1_2_aarch64", "macosx_10_13_x86_64", "macosx_11_0_arm64", "win_amd64", "win32",
)  # fmt: skip
_BINARY = [f"cp3{minor}-cp3{minor}-{platform}" for minor, platform in product(range(8, 15), _PLATFORMS)]


@cache
def listed(page: bytes, files: int | None = None) -> bytes:
    """Return a project page, in JSON or HTML, with so many files of older versions; the body of a 304 stays empty."""
    is_json = page.startswith(b"{")
    found = re.search(rb'"name": "([^"]+)"' if is_json else rb"<title>Links for ([^<]+)<", page)
    if not found:
        return page
    project = found[1].decode()
    number = _sizes().get(project, 0) if files is None else files
    files_before = list(islice(_files(project, number), number))
    if is_json:
        whole = json.loads(page)
        return json.dumps({**whole, "files": files_before + whole["files"]}).encode()
    links = re.search("<body>\n(.*)</body>", rendered({"name": project, "files": files_before}), re.DOTALL)
    return page.replace(b"<body>", b"<body>" + (links[1] if links else "").encode())


def _sizes() -> dict[str, int]:
    """Return how many files each project has more: in any order, the same each time."""
    steps = len(FILES) - 1
    places = [number * steps / (len(NAMES) - 1) for number in range(len(NAMES))]
    sizes = [
        round(FILES[int(place)] * (FILES[min(int(place) + 1, steps)] / FILES[int(place)]) ** (place % 1))
        for place in places
    ]
    random.Random(1).shuffle(sizes)
    return dict(zip(NAMES, sizes, strict=True))


def _files(project: str, number: int) -> Iterator[dict[str, Any]]:
    """Yield files of versions before those that there are, without end, of a kind that a page of this number has."""
    name = project.replace("-", "_")
    tags = ["py3-none-any"] if number <= _PURE_UP_TO else _BINARY
    for release in count():
        version = f"0.{release // 200 % 8}.{release % 200}"
        yield _file(f"{name}-{version}.tar.gz")
        for tag in tags:
            yield _file(f"{name}-{version}-{tag}.whl")


def _file(filename: str) -> dict[str, Any]:
    digest = sha256(filename.encode()).hexdigest()
    return {
        "filename": filename,
        "url": f"/files/{filename}",
        "hashes": {"sha256": digest},
        "requires-python": ">=3.8",
        "size": int(digest[:5], 16),
        "upload-time": "2024-01-01T00:00:00.000000Z",
        "yanked": False,
        **({"core-metadata": {"sha256": digest}} if filename.endswith(".whl") else {}),
    }
