"""Pages and files whose bytes say whose they are and whether they are whole, so that a wrong one is known by itself."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from hashlib import sha256

from tests.index import Fault, Handler

PROJECTS = ("one", "two", "three")
FILES = 5
"""Of each project; a page that lost files would be doubted."""
_SIZES = (1, 1_000_000)


def seal(name: str, content: bytes) -> bytes:
    """Return content that a reader can verify with nothing but its name."""
    return content + f"<!-- {name} {sha256(name.encode() + content).hexdigest()} -->".encode()


def is_whole(name: str, sealed: bytes) -> bool:
    """Return whether these are bytes that were once sealed as this name's, all of them."""
    content, start, rest = sealed.rpartition(b"<!-- ")
    return start + rest == seal(name, content)[len(content) :]


def page_path(project: str) -> str:
    return f"/simple/{project}/"


def file_paths(project: str) -> list[str]:
    return [f"/files/{project}-{number}-py3-none-any.whl" for number in range(FILES)]


def file(path: str) -> bytes:
    """Return the file of a path, always the same."""
    chance = random.Random(path)
    return seal(path, chance.randbytes(chance.randint(*_SIZES)))


def page(project: str, generation: int) -> bytes:
    """Return a project's page; no two generations are alike, nor equally long."""
    links = "".join(f'<a href="{path}#sha256={sha256(file(path)).hexdigest()}">x</a>\n' for path in file_paths(project))
    chance = random.Random(generation)
    padding = f"<!-- {generation} {chance.randbytes(chance.randint(0, 100_000)).hex()} -->"
    return seal(page_path(project), f"<title>Links for {project}</title>{links}{padding}".encode())


def answers() -> Fault:
    """Return what makes an index answer with these, each page in a new generation each time."""
    files = {path: file(path) for project in PROJECTS for path in file_paths(project)}
    generations: Iterator[int] = iter(range(1 << 60))

    def answer(handler: Handler) -> bool:
        asked = re.fullmatch(r"/simple/(\w+)/", handler.path)
        content = page(asked[1], next(generations)) if asked else files[handler.path]
        handler.reply(200, {"Content-Type": "text/html" if asked else "application/octet-stream"}, content)
        return False

    return answer
