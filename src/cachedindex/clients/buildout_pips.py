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

from cachedindex.clients.buildout_pages import BuildoutPages

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
        def call_pip_install(*arguments: Any, **named: Any) -> Any:
            with in_environment({**self._index(), **self.environment}):
                return original(*arguments, **named)

        easy_install.call_pip_install = call_pip_install

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
