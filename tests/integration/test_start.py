"""What of the standard library is loaded because of us: a start takes the longer, the more it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.environments import CHECKOUT, clean_environment

SOURCE = CHECKOUT / "src"
_LOADED = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
"""On stderr, as a run closes the pipe to which its command writes."""
_CLIENTS = {
    "pip": "import pip._internal.commands.install, pip._internal.resolution.resolvelib.resolver",
    "buildout": "import zc.buildout.buildout",
}
_NEEDED = """
import __future__, argparse, contextlib, errno, functools, gc, importlib, json, math, pathlib, select, shutil, signal
import tempfile, typing, urllib.parse
argparse.ArgumentParser().add_subparsers()
list(pathlib.Path().glob("none"))
class Value(typing.NamedTuple):
    each: "int"
"""
"""What `run` cannot do without. It looks nothing up. From Python 3.14 on, a named tuple takes annotationlib."""
_RUN = f"""
sys.path.insert(0, {str(SOURCE)!r})
sys.argv = ["cachedindex", "run", "--", "true"]
from cachedindex.__main__ import command_line
command_line()
"""


def loaded(home: Path, code: str, *flags: str, **variables: str) -> set[str]:
    """Return the modules that a new Python has loaded at its end."""
    environ = {**clean_environment(home), "CACHEDINDEX_CACHE_DIR": str(home / "cache"), **variables}
    command = [sys.executable, *flags, "-c", _LOADED + code]
    return set(subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stderr.split())


@pytest.mark.parametrize("client", _CLIENTS)
def test_a_client_gets_only_modules_of_ours_and_its_own(client: str, tmp_path: Path) -> None:
    """Some clients import pip as a library."""
    code = _CLIENTS[client]
    more = loaded(tmp_path, code, PYTHONPATH=str(SOURCE / "cachedindex/hook")) - loaded(tmp_path, code)
    assert "cachedindex.process" in more
    foreign = {name for name in more if name.partition(".")[0] not in ("cachedindex", "pip")}
    # A distribution has a sitecustomize of its own; gc is built in; from Python 3.14 on, a thread takes contextvars.
    assert foreign - {"sitecustomize", "gc", "contextvars"} == {"_cachedindex_hook", "_cachedindex_children"}


def test_a_script_loads_nothing_for_a_remote(tmp_path: Path) -> None:
    code = f"sys.path.insert(0, {str(SOURCE)!r})\nimport cachedindex\ncachedindex.CachedIndexAdapter"
    more = loaded(tmp_path, code)
    assert "cachedindex.lookup.cache" in more
    assert not {name for name in more if name.startswith(("obstore", "cachedindex.remote"))}


def test_a_run_loads_what_it_needs(tmp_path: Path) -> None:
    more = loaded(tmp_path, _RUN, "-I", "-S") - loaded(tmp_path, _NEEDED, "-I", "-S")
    assert "cachedindex.run.record" in more
    assert {name for name in more if not name.startswith("cachedindex")} == set()
    assert not {
        name for name in more if name.startswith(("cachedindex.lookup", "cachedindex.remote", "cachedindex.upkeep"))
    }
