"""One process of a crowd on one cache folder; every byte that it is served is verified.

`python -m tests.hostile.worker ROLE ORIGIN FOLDER SEED`, with a ROLE out of ROLES. It works until its standard input
ends, and prints a line for each look-up: what it ended as, and `wrong` before the name of what was not as sealed.
"""

from __future__ import annotations

import os
import random
import select
import sys
from pathlib import Path

import requests

from cachedindex import CachedIndexAdapter
from tests.hostile import selfdescribing

ROLES = {
    "writer": {"index_ttl": "0"},
    "reader": {"index_ttl": "1 h"},
    "offline": {"offline": "true"},
}


def main(role: str, origin: str, folder: str, seed: str) -> None:
    """Look up pages and files, as a build does: first a page, then what it lists."""
    chance = random.Random(seed)
    if role == "evictor":
        while not over(chance.uniform(0, 0.06)):
            evict(Path(folder), chance)
        return
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", CachedIndexAdapter(cache_dir=folder, trust_env=False, **ROLES[role]))
        while not over():
            project = chance.choice(selfdescribing.PROJECTS)
            for path in (selfdescribing.page_path(project), chance.choice(selfdescribing.file_paths(project))):
                look_up(session, origin, path)


def over(within: float = 0.0) -> bool:
    """Return whether standard input ends within some seconds."""
    return bool(select.select([sys.stdin], [], [], within)[0])


def look_up(session: requests.Session, origin: str, path: str) -> None:
    """Tell how a look-up ended; whatever an index that is well would not cause ends the process."""
    response = session.get(origin + path)
    status = response.headers.get("Cache-Status", "")
    ended = ("refreshed" if "fwd" in status else "hit") if status else "asked"
    if response.status_code == requests.codes.gateway_timeout:  # Offline, and evicted.
        tell("refused")
        return
    response.raise_for_status()
    right = selfdescribing.is_whole(path, response.content)
    tell(ended if right else f"wrong {path} {ended} {len(response.content)} bytes")


def tell(line: str) -> None:
    """Print a line in one write, so that a kill leaves all of it or nothing."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def evict(folder: Path, chance: random.Random) -> None:
    """Remove one file, as a collector with a small limit does."""
    found = [path for tree in ("records-v1", "blobs-v1") for path in (folder / tree).rglob("[!.]*") if path.is_file()]
    if found:
        chance.choice(found).unlink(missing_ok=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
