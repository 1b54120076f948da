"""The pips that buildout starts, one for each distribution: they, and nothing else that it starts, get the hook."""

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
from cachedindex.run import environment

_OF_EVERY_PIP = ("PIP_DISABLE_PIP_VERSION_CHECK", "PYTHONPATH")
_ELSEWHERE = re.compile(r"(?:constraint|requirement)s?'[:,] '[^']*://")
_TOLD = re.compile(r"\.(?:index-url|extra-index-url|no-index)=")


class Pips:
    """`call_pip_install` of `zc/buildout/easy_install.py`, with an environment around it (zc.buildout 4.2 to 6.0.1)."""

    def __init__(self, easy_install: Any, pages: BuildoutPages) -> None:
        """Surround it; `pages` knows where buildout looks."""
        self.environment: Mapping[str, str] = {}
        """What to set for pip; nothing leaves it alone."""
        self._pages = pages
        original: Any = getattr(easy_install, "call_pip_install", None)
        self.covered = original is not None
        if not self.covered:
            return
        self._passes_index = _names_index(original)

        @functools.wraps(original)
        def call_pip_install(spec: Any, *arguments: Any, **named: Any) -> Any:
            looks_up = not str(spec).endswith(".whl") or _reads_from_elsewhere()
            with in_environment({**self._index(), **self.environment} if looks_up else self._alone()):
                return original(spec, *arguments, **named)

        easy_install.call_pip_install = call_pip_install

    def _alone(self) -> Mapping[str, str]:
        """Return what to set for a pip that has nothing to look up: loading us would take it 25 ms.

        That is one which installs a wheel, as buildout has it leave requirements alone.
        """
        path = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part != str(environment.HOOK)]
        variables = {**self.environment, "PYTHONPATH": os.pathsep.join(path)}
        return {name: variables[name] for name in _OF_EVERY_PIP if name in variables}

    def _index(self) -> Mapping[str, str]:
        """Return what tells pip of buildout's index, where zc.buildout does not, and nobody has told it of any.

        As one more index, since it may lack what builds an sdist; as zc.buildout does by itself since 5.1.1.
        """
        url = self._pages.index
        if self._pages.cache is None or self._passes_index or not url.startswith(("http://", "https://")) or _is_told():
            return {}
        return {"PIP_EXTRA_INDEX_URL": url}


def _names_index(call_pip_install: Any) -> bool:
    """Return whether buildout's index is passed on (5.1.1 and later)."""
    code = getattr(inspect.unwrap(call_pip_install), "__code__", None)
    return code is not None and "index_url" in code.co_names


@functools.cache
def _reads_from_elsewhere() -> bool:
    """Return whether a person has told pip of constraints that are a URL; true where in doubt."""
    try:
        from pip._internal.configuration import Configuration  # noqa: PLC0415 - buildout imports pip for each, too

        configuration = Configuration(isolated=False)
        configuration.load()
        return _ELSEWHERE.search(str(list(configuration.items()))) is not None
    except Exception:  # noqa: BLE001 - a pip that is made otherwise, or a file that it cannot read
        return True


@functools.cache
def _is_told() -> bool:
    """Return whether a person has set pip's indexes, in the environment or in one of its files; true where in doubt."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - as buildout does
    except (OSError, UnicodeError):  # As if it were: then all is as without us.
        return True
    return listed.returncode != 0 or _TOLD.search(listed.stdout) is not None


@contextmanager
def in_environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set these variables for the children that are started meanwhile."""
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
