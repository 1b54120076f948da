"""Measures what no network hides: `python -m bench.overhead [--rounds N]`.

Prints in one run, as medians of pairs, with us less without us: the start of `cachedindex run` and the import in a pip,
in all and of CPU, which a busy machine changes less; a page and a file that are stored, beyond their digest and their
write, and a page that is revalidated, of CPU.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from tests import environments, packages
from tests.clients import NEWEST_PIP
from tests.environments import CHECKOUT, NoNetwork, clean_environment
from tests.index import JSON, json_page

from bench import older
from bench.clients import NAMES
from bench.recording import served
from bench.spent import compared, spent
from bench.table import table
from cachedindex.clients.requests.adapter import IndexAdapter
from cachedindex.options import Settings
from cachedindex.process import join
from cachedindex.sources import Loaded

HOOK = CHECKOUT / "src/cachedindex/hook"
_IMPORTS = "import pip._internal.commands.install, pip._internal.network.session, pip._internal.index.package_finder"
_PAGE = 87
"""Files of each page: as many as the middle one of 153 real projects has."""
_FILE = 100_000
"""Bytes of each file."""
ALLOWED = {
    "run": 60.0,
    "run, CPU": 60.0,
    "import in pip": 40.0,
    "import in pip, CPU": 40.0,
    "store a page": 1.5,
    "store a file": 1.5,
    "revalidate": 1.0,
}
"""Milliseconds."""


def main() -> int:
    """Measure and print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="cachedindex-overhead-") as name:
        folder = Path(name)
        pairs = {
            **_starts(folder, arguments.rounds),
            **_imports(folder, arguments.rounds),
            **_look_ups(folder, arguments.projects),
        }
    rows = []
    for what, found in pairs.items():
        bare, more = (statistics.median(values) * 1000 for values in zip(*((a, b - a) for a, b in found), strict=True))
        rows.append([what, f"{bare:.2f} ms", f"{more:+.2f} ms", f"{ALLOWED[what]:g} ms"])
    print(table(["", "without", "with (paired median)", "allowed"], rows))
    return 0


def _starts(folder: Path, rounds: int) -> Mapping[str, Sequence[tuple[float, float]]]:
    """Return the seconds of a command, and below a run."""
    environ = {**clean_environment(folder), "CACHEDINDEX_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, "-c", "pass"]
    run = [str(Path(sys.executable).with_name("cachedindex")), "run", "--", *command]
    return compared("run", [(spent(command, environ), spent(run, environ)) for _ in range(rounds)])


def _imports(folder: Path, rounds: int) -> Mapping[str, Sequence[tuple[float, float]]]:
    """Return the seconds in which a pip is imported, without the hook and with it."""
    try:
        wheels = environments.fetch(CHECKOUT / ".bench", folder, NEWEST_PIP)
    except NoNetwork as error:
        raise SystemExit(f"{NEWEST_PIP} cannot be installed from this machine's index: {error}") from None
    command = [str(environments.make(folder / "environment", folder, wheels, NEWEST_PIP)), "-c", _IMPORTS]
    bare = {**clean_environment(folder), "CACHEDINDEX_CACHE_DIR": str(folder / "cache")}
    hooked = {**bare, "PYTHONPATH": str(HOOK)}
    for environ in (bare, hooked):  # Compiles what has not been imported before.
        spent(command, environ)
    return compared("import in pip", [(spent(command, bare), spent(command, hooked)) for _ in range(rounds)])


def _look_ups(folder: Path, projects: int) -> Mapping[str, Sequence[tuple[float, float]]]:
    """Return the seconds of CPU of look-ups by requests, each without us and with us."""
    names = NAMES[:projects]
    with served(_recording(folder / "recording", names)) as site:
        bare, new, expired = (_session(folder / "look-ups", ttl) for ttl in (None, 86400.0, 0.0))
        pages = [f"{site.url}{name}/" for name in names]
        stored, files = list(_stored(pages, bare, new, folder)), list[tuple[float, float]]()
        for name in names:
            url = f"{site.url.removesuffix('simple/')}files/{name.replace('-', '_')}-1.0-py3-none-any.whl"
            files += _stored([url], bare, new, folder)
        tags = {url: bare.get(url).headers["ETag"] for url in pages}
        asked = [
            (_cpu(lambda: bare.get(url, headers={"If-None-Match": tags[url]}).content), _cpu(lambda: expired.get(url)))  # noqa: B023 - called at once
            for url in pages
        ]
    return {"store a page": stored, "store a file": files, "revalidate": asked}


def _stored(
    urls: Sequence[str], bare: requests.Session, ours: requests.Session, folder: Path
) -> Iterator[tuple[float, float]]:
    """Yield the seconds of CPU to get something and to store it."""
    for url in urls:

        def store() -> None:
            content = bare.get(url).content  # noqa: B023 - called at once
            path = folder / sha256(content).hexdigest()
            path.with_suffix(".tmp").write_bytes(content)
            path.with_suffix(".tmp").rename(path)

        yield _cpu(store), _cpu(lambda: ours.get(url).content)  # noqa: B023 - called at once


def _session(folder: Path, ttl: float | None) -> requests.Session:
    session = requests.Session()
    session.headers["Accept"] = JSON
    if ttl is not None:
        process = join(("overhead", ttl), Loaded(Settings(cache_dir=str(folder), index_ttl=ttl)))
        session.mount("http://", IndexAdapter(HTTPAdapter(), process.cache))
    return session


def _recording(folder: Path, names: Sequence[str]) -> Path:
    """Make a recording of these projects: a page of the usual length, and one wheel of random bytes, for each."""
    for part in ("pages", "files"):
        (folder / part).mkdir(parents=True)
    for name in names:
        wheel = packages.add_wheel(folder / "files", name.replace("-", "_"), "1.0")
        wheel.write_bytes(os.urandom(_FILE) + wheel.read_bytes())  # A zip file may begin with anything.
        (folder / "pages" / f"{name}.json").write_bytes(older.listed(json_page(name, [wheel]), _PAGE))
    return folder


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="starts without us and with us")
    parser.add_argument("--projects", type=int, default=len(NAMES), help="look-ups of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
