"""Covers the pips that buildout starts, one for each distribution, and no other child process of buildout."""

from __future__ import annotations

import functools
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cachedindex.clients.buildout.pages import BuildoutPages
from cachedindex.process import Process
from cachedindex.run import environment

_LEFT_ALONE = "_CACHEDINDEX_LEFT_ALONE"
"""Has the hook in this process give nothing to a pip that it starts (hook/_cachedindex_children.py)."""
_OF_EVERY_PIP = ("PIP_DISABLE_PIP_VERSION_CHECK", "PYTHONPATH", _LEFT_ALONE)
_REMOTE = re.compile(r"(?:constraint|requirement)s?'[:,] '[^']*://")
_INDEX_OPTION = re.compile(r"\.(?:index-url|extra-index-url|no-index)=")


def attach(pages: BuildoutPages, easy_install: Any, process: Process) -> bool:
    """Surround what starts pips in `zc/buildout/easy_install.py` with an environment (zc.buildout 3.3 to 6.0.1).

    Returns whether this zc.buildout has them; `pages` knows which index buildout searches.
    """
    install: Any = getattr(easy_install, "call_pip_install", None)
    develop: Any = getattr(easy_install, "develop", None)
    if install is None or develop is None:
        return False
    passes_index = _passes_index(install)

    def variables() -> Mapping[str, str]:
        return {**({} if passes_index else _extra_index(pages)), **process.children}

    @functools.wraps(install)
    def call_pip_install(spec: Any, *arguments: Any, **named: Any) -> Any:
        looks_up = not str(spec).endswith(".whl") or _reads_remote_constraints()
        with in_environment(variables() if looks_up else _uncovered(process)):
            return install(spec, *arguments, **named)

    # Up to 4.2 it runs `setup.py develop`: setuptools 80 and later start a pip for that, older ones for setup_requires.
    @functools.wraps(develop)
    def develop_covered(*arguments: Any, **named: Any) -> Any:
        with in_environment(variables()):
            return develop(*arguments, **named)

    easy_install.call_pip_install, easy_install.develop = call_pip_install, develop_covered
    return True


def _uncovered(process: Process) -> Mapping[str, str]:
    """Return the variables for a pip that has nothing to look up: loading the hook would take 25 ms.

    A pip that installs a wheel has nothing, as buildout calls it with --no-deps.
    """
    path = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part != str(environment.HOOK)]
    variables = {**process.children, "PYTHONPATH": os.pathsep.join(path), _LEFT_ALONE: "1"}
    return {name: variables[name] for name in _OF_EVERY_PIP if name in variables}


def _extra_index(pages: BuildoutPages) -> Mapping[str, str]:
    """Return the variable that names buildout's index to pip, unless a person has configured pip's indexes.

    As one more index, since it may lack what builds an sdist; zc.buildout itself does the same since 5.1.1.
    """
    if pages.cache is None or not pages.index.startswith(("http://", "https://")) or _has_configured_index():
        return {}
    return {"PIP_EXTRA_INDEX_URL": pages.index}


def _passes_index(call_pip_install: Any) -> bool:
    """Return whether this zc.buildout passes its index to pip (5.1.1 and later)."""
    code = getattr(inspect.unwrap(call_pip_install), "__code__", None)
    return code is not None and "index_url" in code.co_names


@functools.cache
def _reads_remote_constraints() -> bool:
    """Return whether a person has configured constraints for pip that are a URL; true if that is unknown."""
    try:
        from pip._internal.configuration import Configuration  # noqa: PLC0415 - buildout starts a pip for each, too

        configuration = Configuration(isolated=False)
        configuration.load()
        return _REMOTE.search(str(list(configuration.items()))) is not None
    except Exception:  # noqa: BLE001 - a pip with another inside, or a file that it cannot read
        return True


@functools.cache
def _has_configured_index() -> bool:
    """Return whether a person has set pip's indexes, in the environment or in a file; true if that is unknown."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - as buildout does
    except (OSError, UnicodeError):  # As if there were one: then buildout is as without us.
        return True
    return listed.returncode != 0 or _INDEX_OPTION.search(listed.stdout) is not None


@contextmanager
def in_environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set these variables for the child processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
