"""Finds the indexes that a uv would ask: in its arguments, variables and configuration files, or its own default."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from cachedindex import standard
from cachedindex.rules import urls
from cachedindex.store import system

_DEFAULTS = ("--default-index", "--index-url", "-i")
_MORE = ("--index", "--extra-index-url")
_LINKS = ("--find-links", "-f")
_REQUIREMENTS = (".txt", ".in")


class _Unknown(Exception):
    """It is not known which indexes uv would ask."""


def of(command: Sequence[str], environ: Mapping[str, str]) -> list[str] | None:
    """Return the URLs of the indexes, without credentials and each with a last slash; None if they are not known.

    They are in the order in which uv asks them, as far as the default comes last.
    They are found as in uv 0.13: https://docs.astral.sh/uv/concepts/indexes/. An index in a file counts even if it is
    overridden: one too many, if it answers, leaves uv alone; one too few could keep uv from what it needs.
    """
    try:
        given = [*_arguments(command), *_variables(environ)]
        for path in _files(command, environ):
            given.extend(_configured(path))
    except (_Unknown, OSError, UnicodeError):
        return None
    given.sort(key=lambda each: each[0])
    named = [url.partition("=")[2] if re.match(r"[\w.-]+=", url) else url for _, url in given]
    if not any(is_default for is_default, _ in given):
        default = _own_default(command[0])
        if default is None:
            return None
        named.append(default)
    remote = [urls.public(url).rstrip("/") + "/" for url in named if url.startswith(("http://", "https://"))]
    return list(dict.fromkeys(remote))


def output(executable: str, *words: str, environ: Mapping[str, str] | None = None) -> str:
    """Return what a uv, or the one beside a uvx, prints if it is called with these words; nothing if it fails."""
    path = Path(executable)
    uv = str(path.with_stem(path.stem[:-1])) if path.stem.lower() == "uvx" else executable
    try:
        return subprocess.run(  # noqa: S603 - the uv that the user runs
            [uv, *words], env=environ, capture_output=True, text=True, timeout=5, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _arguments(command: Sequence[str]) -> Iterator[tuple[bool, str]]:
    """Yield the indexes of options, with whether they replace the default; requirement files have such options, too."""
    words = list(command[1:])
    for path in filter(_is_requirements, map(Path, command[1:])):
        words.extend(path.read_text("utf-8").split())
    split = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    for option, value in pairwise(split):
        if option in _LINKS or option == "--no-index":
            raise _Unknown
        if option in _DEFAULTS + _MORE:
            yield option in _DEFAULTS, value


def _is_requirements(path: Path) -> bool:
    return path.suffix in _REQUIREMENTS and path.is_file()


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[bool, str]]:
    proxies = {name.upper() for name, value in environ.items() if value}
    # urllib does not know ALL_PROXY, and links are no index.
    if proxies & {"ALL_PROXY", "UV_FIND_LINKS", "UV_NO_INDEX"}:
        raise _Unknown
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        yield from ((True, url) for url in environ.get(name, "").split())
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
        yield from ((False, url) for url in environ.get(name, "").split())


def _files(command: Sequence[str], environ: Mapping[str, str]) -> Iterator[Path]:
    if "--config-file" in command or environ.get("UV_CONFIG_FILE"):
        raise _Unknown
    named = [Path(value) for option, value in pairwise(command)
             if option in ("--directory", "--project")]  # fmt: skip
    for folder in (start.absolute() for start in (Path(), *named)):
        for parent in (folder, *folder.parents):
            yield from (parent / "uv.toml", parent / "pyproject.toml")
    yield from (Path(folder, "uv/uv.toml") for folder in _settings_folders(environ))


def _settings_folders(environ: Mapping[str, str]) -> list[str]:
    """Return the folders of this user's settings and of the host's (uv 0.13)."""
    if system.IS_WINDOWS:
        return [folder for name in ("APPDATA", "PROGRAMDATA") if (folder := environ.get(name))]
    home = environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - it cannot fail
    return [home, "/etc", "/etc/xdg"]


def _configured(path: Path) -> Iterator[tuple[bool, str]]:
    with suppress(FileNotFoundError, NotADirectoryError):
        text = path.read_text("utf-8")
        tables = _parsed(text)
        for table in (tables if path.name == "uv.toml" else tables.get("tool", {}).get("uv", {}),):
            yield from _of_table(table)
            yield from _of_table(table.get("pip", {}))


def _parsed(text: str) -> dict[str, Any]:
    try:
        with standard.library():
            import tomllib  # noqa: PLC0415 - it exists since Python 3.11
    except ImportError:
        if "index" in text or "find-links" in text:
            raise _Unknown from None
        return {}
    try:
        return tomllib.loads(text)
    except ValueError:
        raise _Unknown from None


def _of_table(table: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    if table.get("find-links") or table.get("no-index"):
        raise _Unknown
    yield from ((bool(index.get("default")), str(index.get("url"))) for index in table.get("index", ()))
    if table.get("index-url"):
        yield True, str(table["index-url"])
    yield from ((False, str(url)) for url in table.get("extra-index-url", ()))


def _own_default(executable: str) -> str | None:
    """Return the default index that the help of uv names."""
    text = " ".join(output(executable, "help", "pip", "install").split())
    found = re.search(r"--default-index <[A-Z_]+> [^.]*?\(by default: <?([^\s>)]+)", text)
    return found and found[1]
