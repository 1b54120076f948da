"""Which indexes a pip is configured to ask, by what it says itself (pip 20.3 to 26.3, `pip config list`)."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

_LINE = re.compile(r"(?P<place>[^.=]+)\.(?P<name>index-url|extra-index-url|no-index)=(?P<value>'.*'|\".*\")")
_DEFAULT = re.compile(r"\(default (https?://[^\s)]+)\)")
_PLACES = (":env:", "install", "global")
"""The first one that sets an option wins."""
_PATIENCE = 20.0


def indexes(environ: Mapping[str, str]) -> list[str]:
    """Return the URLs of the indexes that `pip install` asks, each with a last slash; none if there is no pip.

    They may have a user and a password.
    """
    found = _options(_output(("config", "list"), environ))
    if found.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        return []
    first = found.get("index-url") or next(iter(_DEFAULT.findall(_output(("install", "--help"), environ))), "")
    return [f"{url.rstrip('/')}/" for url in (first, *found.get("extra-index-url", "").split()) if url]


def _options(listed: str) -> Mapping[str, str]:
    """Return the options of an index that are set, by their names."""
    values: dict[str, dict[str, str]] = {place: {} for place in _PLACES}
    for line in listed.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found and found["place"] in values:
            values[found["place"]][found["name"]] = str(ast.literal_eval(found["value"]))
    return {name: value for place in reversed(_PLACES) for name, value in values[place].items()}


def _output(words: Sequence[str], environ: Mapping[str, str]) -> str:
    pip = shutil.which("pip", path=environ.get("PATH"))
    command = [pip] if pip else [sys.executable, "-m", "pip"]
    try:
        ran = subprocess.run(  # noqa: S603 - the user's own pip
            [*command, *words], env={**environ, "COLUMNS": "200"}, capture_output=True, text=True,
            timeout=_PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, UnicodeError, subprocess.SubprocessError):
        return ""
    return " ".join(ran.stdout.split()) if "--help" in words else ran.stdout
