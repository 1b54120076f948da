"""Measures what a large page costs buildout: `python -m bench.buildout`, with zc.buildout and a real index.

Each side is a process in which buildout's installer looks for pinned projects: stock, or with the extension. It prints
the seconds of CPU and in all for the projects with the most files, and compares the files that were chosen, and all
candidates, one by one, for these and for fifty others.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.table import table

BIG = ("boto3==1.34.100", "botocore==1.34.100")
FIFTY = """
    alabaster attrs babel blinker certifi chardet click colorama coverage decorator docopt docutils execnet filelock
    flask gunicorn idna imagesize iniconfig itsdangerous jinja2 lxml markdown markupsafe mock packaging pbr platformdirs
    pluggy psutil py pycparser pygments pyparsing pytest pytz pyyaml requests simplejson six snowballstemmer soupsieve
    sphinx toml tomli urllib3 webob werkzeug wheel zipp
"""


def main() -> int:
    """Measure and compare; the exit code is 1 if any file differs."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        cache = {"CACHEDINDEX_CACHE_DIR": folder, "CACHEDINDEX_INDEX_TTL": "1 d"}
        wanted = [*arguments.big, *(f"{name}=={pin}" for name, pin in side("pin", *arguments.others))]
        side("ours", *wanted, environ=cache)  # Fills the cache.
        stock = {name: found for name, *found in side("stock", *wanted)}
        ours = {name: found for name, *found in side("ours", *wanted, environ=cache)}
    rows = []
    for requirement in arguments.big:
        before, after = stock[requirement], ours[requirement]
        figures = [f"{processor:.2f} ({seconds:.2f})" for *_, processor, seconds in (before, after)]
        rows.append([requirement, *figures, f"{before[2] / after[2]:.0f}"])
    print(table(["look-up", "stock, s of CPU (in all)", "ours, s of CPU (in all)", "ratio"], rows), end="\n\n")
    other = [requirement for requirement in wanted if stock[requirement][:2] != ours[requirement][:2]]
    print(
        f"{len(wanted) - len(other)} of {len(wanted)} pinned projects: the same file, and the same candidates",
        *other,
        sep="\n",
    )
    return bool(other)


def side(job: str, *wanted: str, environ: dict[str, str] | None = None) -> list[list[Any]]:
    """Run one side in a process of its own, and return what it printed for each project."""
    command = [sys.executable, "-m", "bench.buildout", job, *wanted]
    output = subprocess.run(command, env={**os.environ, **(environ or {})}, check=True, stdout=subprocess.PIPE).stdout
    return [json.loads(line) for line in output.splitlines() if line.startswith(b"[")]


def work(job: str, wanted: list[str]) -> Iterator[tuple[str | float, ...]]:
    """Yield what buildout finds for each project: its middle version, or the file and the seconds it took."""
    from zc.buildout import easy_install

    if job == "ours":
        from cachedindex.clients.buildout import extension

        extension.attach()
    for name in wanted:
        began, processor = time.perf_counter(), time.process_time()
        # A new index object for each, as for parts with find-links of their own.
        easy_install.clear_index_cache()
        installer = easy_install.Installer(tempfile.gettempdir())
        found = installer._obtain(easy_install.pkg_resources.Requirement.parse(name))
        if job == "pin":
            offered = [dist for dist in installer._index[found.project_name] if not dist.parsed_version.is_prerelease]
            versions = sorted({dist.parsed_version for dist in offered})
            yield name, str(versions[len(versions) // 2])
        else:
            seconds = time.process_time() - processor, time.perf_counter() - began
            offered = [(dist.location, dist.version) for dist in installer._index[found.project_name]] if found else []
            yield name, found and found.location, repr(offered), *seconds


def download(wanted: list[str], *, covered: bool) -> None:
    """Have buildout find and download pinned distributions, and print the names of their files.

    They are not unpacked: buildout starts a pip for each, which takes longer than all else.
    """
    from zc.buildout import easy_install

    if covered:
        from cachedindex.clients.buildout import extension

        extension.attach()
    easy_install._move_to_eggs_dir_and_compile = _named
    with tempfile.TemporaryDirectory() as folder:
        easy_install.install(wanted, folder)


def _named(dist: Any, folder: str) -> Any:
    """Add an egg that has a name and a version, and requires nothing."""
    from zc.buildout import easy_install

    print(Path(dist.location).name)
    info = Path(folder, f"{dist.egg_name()}.egg", "EGG-INFO")
    info.mkdir(parents=True)
    text = f"Metadata-Version: 1.0\nName: {dist.project_name}\nVersion: {dist.version}\n"
    (info / "PKG-INFO").write_text(text, "utf-8")
    (found,) = easy_install.pkg_resources.find_distributions(str(info.parent))
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.buildout", description="What a large page costs buildout.")
    parser.add_argument("--big", nargs="+", default=BIG, metavar="NAME==VERSION", help="pins whose time is measured")
    parser.add_argument("--others", nargs="+", default=FIFTY.split(), metavar="NAME", help="compared as well")
    return parser.parse_args()


if __name__ == "__main__":
    if not sys.argv[1:] or sys.argv[1].startswith("--"):
        sys.exit(main())
    if sys.argv[1].startswith("download"):
        download(sys.argv[2:], covered=sys.argv[1] == "download-ours")
        sys.exit(0)
    for result in work(sys.argv[1], sys.argv[2:]):
        print(json.dumps(result), flush=True)
