"""Proves that pip takes the same from a page without the wheels that it cannot use: `python -m bench.links`.

Its resolver is given the same candidates in the same turn, too, with the newest version first (tests/turns.py).

It needs a recording (bench/recording.py). The pages of that, and those of projects that its distributions name, are
read by several pips, for the targets of tests/links.py, whole and cut, as JSON and as HTML. Every candidate is
compared by its link, its Requires-Python and its yank, and so is what pip keeps for its messages. Further pages are
fetched once, from pip's own index. The exit code is 1 if any differs.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.parser import HeaderParser
from itertools import cycle
from pathlib import Path

from tests import environments
from tests.clients import COVERED, NEWEST_PIP, OLDEST_PIP
from tests.environments import CHECKOUT, clean_environment

from bench.recording import keep_pages, metadata
from bench.table import table
from cachedindex.rules import urls

HEAD = """# The pages that pip gets

pip gets a page without the wheels that its target cannot use; the option [cut-pages](options.md) switches that off.
pip would reject exactly these wheels, one by one, and say so in its debug log only.
This page shows the proof on real pages.
The command that compares them writes the page:

    python -m bench.links --markdown docs/reference/links.md

For each page, as JSON and as HTML, for each of {targets} targets, with and without yanked files, pip's own finder
searched the page as it is and the page as it is cut.
All candidates were compared: version, link, `Requires-Python`, reason of a yank; and the reasons that pip keeps for its
messages.
In the same way, the candidates were compared that pip's resolver is given for seven requirements of each project, in
their turn: the newest version comes first, and pip looks at the others only after that.
That was done for four of the targets, with and without pre-releases: this Python, CPython 3.14, musllinux, and Windows.
The targets are this Python, CPython 3.10 to 3.14 on manylinux, a free-threaded CPython, PyPy, musllinux on ARM, macOS,
and Windows.
{recorded} pages are those of [the measurements](resolve.md), and {more} are those of projects that these
distributions name, and of others that have many wheels.
"""
OTHERS = """
    aiohttp altair av awscli azure-core bcrypt biopython bokeh cartopy catboost cryptography cupy-cuda12x cython dask
    datasets duckdb faiss-cpu fiona fonttools gensim geopandas gevent google-cloud-storage greenlet grpcio h5py
    horovod ibis-framework imageio jax jaxlib kaleido keras kiwisolver lightgbm llvmlite lxml lz4 matplotlib msgpack
    mysqlclient networkx nltk numba numpy onnx onnxruntime opencv-python orjson pandas pikepdf pillow plotly polars
    protobuf psycopg2-binary pyarrow pycryptodome pygame pymongo pymupdf pynacl pyodbc pyproj pyqt5 pyside6 pytables
    python-ldap pywin32 ray regex rpy2 ruff scikit-image scikit-learn scipy selenium sentencepiece shapely spacy
    statsmodels tensorflow tiktoken tokenizers torch torchvision transformers uv uvloop watchfiles xgboost xxhash yarl
    zope.interface zstandard
"""
"""Projects that have wheels for many interpreters and platforms, beside those that the recorded ones name."""
_AT_ONCE = 4
"""Requests at a time to the index from which pages are fetched."""
_FETCH = """
import sys
from pip._internal.commands import create_command
for name in sys.argv[1:]:
    create_command("index").main(["-q", "versions", "--pre", name])
"""


def main() -> int:
    """Compare, print, and return 1 if any link differs."""
    arguments = _arguments()
    recorded, further = arguments.recording / "pages", arguments.recording / "further"
    with tempfile.TemporaryDirectory(prefix="cachedindex-bench-") as name:
        home = Path(name)
        pythons = {pip: _python(home, pip) for pip in arguments.pip}
        if _count(further) < arguments.more:
            _fetch(further, home, next(iter(pythons.values())), list(_named(arguments.recording, further)))
        shares = _shared([recorded, *([further] if arguments.more else [])], home / "shares")
        rows = []
        for pip, python in pythons.items():
            searches, links, left_out, targets, differences = _compared("links", python, shares)
            turned, _, others = _compared("turns", python, shares)
            counts = (searches, links, left_out, turned)
            rows.append([pip, *(f"{number:,}" for number in counts), str(differences + others)])
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    numbers = {
        "recorded": _count(recorded),
        "more": _count(further) if arguments.more else 0,
        "targets": targets // len(shares),
    }
    text = table(
        ["pip", "searches", "links that pip made of whole pages", "left out", "requirements", "differences"], rows
    )
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(f"{HEAD.format(**numbers)}\n{text}\n", "utf-8")
    return int(any(row[-1] != "0" for row in rows))


def _shared(folders: Sequence[Path], home: Path) -> Sequence[Path]:
    """Return a folder of links to pages for each processor; large pages and small ones are dealt out in turn."""
    shares = [home / str(number) for number in range(os.cpu_count() or 1)]
    for share in shares:
        share.mkdir(parents=True)
    pages = sorted((path for folder in folders for path in folder.glob("*.json")), key=lambda path: path.stat().st_size)
    for share, path in zip(cycle(shares), pages, strict=False):
        (share / path.name).symlink_to(path.resolve())
    return shares


def _python(home: Path, pip: str) -> Path:
    return environments.make(home / pip, home, environments.fetch(CHECKOUT / ".bench", home, pip), pip)


def _compared(script: str, python: Path, shares: Sequence[Path]) -> Sequence[int]:
    """Return the sums of the numbers that a script of tests/ prints for folders of pages, and of the differences."""

    def compare(share: Path) -> Sequence[str]:
        command = [str(word) for word in (python, CHECKOUT / f"tests/{script}.py", CHECKOUT / "src", share)]
        environ = clean_environment(share)
        process = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=False)
        return process.stdout.splitlines()

    with ThreadPoolExecutor(len(shares)) as pool:
        found = list(pool.map(compare, shares))
    for difference in (line for lines in found for line in lines[:-1]):
        print(difference, file=sys.stderr)
    sums = [sum(numbers) for numbers in zip(*(map(int, re.findall(r"\d+", lines[-1])) for lines in found), strict=True)]
    return [*sums, sum(len(lines) - 1 for lines in found)]


def _named(recording: Path, further: Path) -> Iterator[str]:
    """Yield the projects that the recorded wheels require, maybe in an extra, and others; none whose page is there."""
    known = {path.stem for folder in (recording / "pages", further) for path in folder.glob("*.json")}
    found = set(OTHERS.split())
    for path in (recording / "files").glob("*.whl"):
        required = HeaderParser().parsestr(metadata(path).decode("utf-8", "replace")).get_all("Requires-Dist") or []
        found |= {urls.normalized(re.split(r"[^\w.-]", line.strip(), maxsplit=1)[0]) for line in required}
    yield from sorted(found - known)


def _fetch(folder: Path, home: Path, python: Path, names: Sequence[str]) -> None:
    """Fill a folder with the pages of projects, through a cache; those that the index does not have are left out."""
    cache = home / "pages"
    environ = {**clean_environment(home), "CACHEDINDEX_CACHE_DIR": str(cache), "PIP_NO_CACHE_DIR": "1"}

    def fetch(part: Sequence[str]) -> None:
        command = [str(word) for word in (*COVERED, python, "-c", _FETCH, *part)]
        subprocess.run(command, env=environ, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(fetch, [names[start::_AT_ONCE] for start in range(_AT_ONCE)]))
    keep_pages(cache, folder)


def _count(folder: Path) -> int:
    return len(list(folder.glob("*.json")))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recording", type=Path, default=CHECKOUT / ".bench/recording", help="must be there")
    parser.add_argument("--more", type=int, default=300, help="further pages, which are fetched once")
    parser.add_argument("--pip", nargs="+", default=[NEWEST_PIP, OLDEST_PIP], help="the pips that read them")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page of the documentation")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
