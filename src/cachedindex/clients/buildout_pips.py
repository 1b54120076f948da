"""The pips that buildout starts, one for each distribution: they, and nothing else that it starts, get the hook."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_TOLD = re.compile(r"\.(?:index-url|extra-index-url|no-index)=")


class Pips:
    """`call_pip_install` of `zc/buildout/easy_install.py`, with an environment around it (zc.buildout 4.2 to 6.0.1)."""

    def __init__(self, easy_install: Any) -> None:
        self.environment: Mapping[str, str] = {}
        """What to set for pip; nothing leaves it alone."""
        original: Any = getattr(easy_install, "call_pip_install", None)
        self.covered = original is not None
        if not self.covered:
            return

        @functools.wraps(original)
        def call_pip_install(*arguments: Any, **named: Any) -> Any:
            if not self.environment:
                return original(*arguments, **named)
            with in_environment({**self.environment, **index()}):
                return original(*arguments, **named)

        @functools.cache
        def index() -> Mapping[str, str]:
            return {} if passes_index else _index(easy_install)

        passes_index = "index_url" in original.__code__.co_names
        easy_install.call_pip_install = call_pip_install


def _index(easy_install: Any) -> Mapping[str, str]:
    """Return what tells pip of buildout's index, where nobody has told it of any.

    As one more index, since it may lack what builds an sdist; as zc.buildout does by itself since 5.1.1.
    """
    url = easy_install.index_url() or ""
    if not url.startswith(("http://", "https://")) or _is_told():
        return {}
    return {"PIP_EXTRA_INDEX_URL": url}


def _is_told() -> bool:
    """Return whether a person has set pip's indexes, in the environment or in one of its files; true where in doubt."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - pip, as buildout does
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
