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
_LONGEST = 16 << 20
"""Bytes: a longer file is no requirements file, but may be what a program reads that uv runs."""
_NAMING = (
    "-r", "--requirement", "--requirements", "--with-requirements", "-c", "--constraint", "--constraints", "--override",
    "--overrides", "-b", "--build-constraint", "--build-constraints",
)  # fmt: skip
"""Options that name a requirements file, whatever its own name is; in such a file, too."""
_GLUED = ("-i", "-f", "-r")
"""Options of one letter whose value may follow at once."""
_SCRIPT = re.compile(r"^# /// script\s*$(.*?)^# ///\s*$", re.MULTILINE | re.DOTALL)
"""What a script says of its own requirements (PEP 723)."""


class _Unknown(Exception):
    """It is not known which indexes uv would ask."""


def of(command: Sequence[str], environ: Mapping[str, str]) -> list[str] | None:
    """Return the URLs of the indexes, without credentials and each with a last slash; None if they are not known.

    They are in the order in which uv asks them, as far as the default comes last.
    They are found as in uv 0.13: https://docs.astral.sh/uv/concepts/indexes/. An index in a file counts even if it is
    overridden: one too many, if it answers, leaves uv alone; one too few could keep uv from what it needs.
    """
    try:
        given = [*_arguments(command[1:]), *_variables(environ)]
        for path in _files(command, environ):
            given.extend(_configured(path))
    except (_Unknown, OSError, UnicodeError, AttributeError, TypeError):  # The last two by tables of another shape.
        return None
    given.sort(key=lambda each: each[0])
    named = [url.partition("=")[2] if re.match(r"[\w.-]+=", url) else url for _, url in given]
    if not any(is_default for is_default, _ in given):
        default = _own_default(command[0])
        if default is None:
            return None
        named.append(default)
    try:
        remote = [urls.public(url).rstrip("/") + "/" for url in named if url.startswith(("http://", "https://"))]
    except ValueError:  # One that is none, such as an address in brackets: uv says so.
        return None
    return list(dict.fromkeys(remote))


def output(executable: str, *words: str, environ: Mapping[str, str] | None = None) -> str:
    """Return what a uv, or the one beside a uvx, prints if it is called with these words; nothing if it fails."""
    path = Path(executable)
    uv = str(path.with_stem(path.stem[:-1])) if path.stem.lower() == "uvx" else executable
    try:
        return subprocess.run(  # noqa: S603 - the uv that the user runs
            [uv, *words],
            env=environ,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=5,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def options(command: Sequence[str]) -> list[str]:
    """Return the words of a command, with an option and the value that is written in the same word as two words."""
    return [part for word in command for part in _parts(word)]


def _parts(word: str) -> Sequence[str]:
    if word.startswith("--"):
        return word.split("=", 1)
    return (word[:2], word[2:].removeprefix("=")) if word.startswith(_GLUED) and word not in _GLUED else (word,)


def _arguments(given: Sequence[str]) -> Iterator[tuple[bool, str]]:
    """Yield the indexes of options, with whether they replace the default; requirement files have such options, too."""
    words = options(given)
    yield from _of_options(words)
    seen: set[str] = set()
    for path in (*(word for word in given if word.endswith(_REQUIREMENTS)), *_named(words)):
        yield from _of_requirements(path, seen)
    for path in (word for word in given if word.endswith(".py")):
        _refuse_own_indexes(path)


def _of_options(words: Sequence[str]) -> Iterator[tuple[bool, str]]:
    for option, value in pairwise(words):
        if option in _LINKS or option == "--no-index":
            raise _Unknown
        # It may be another program's -i, as in `uv run sed -i`; one index too many does no harm.
        if option in _DEFAULTS + _MORE and (option != "-i" or "://" in value):
            yield option in _DEFAULTS, value


def _named(words: Sequence[str]) -> list[str]:
    """Return the requirements files that options name."""
    found = [value for option, value in pairwise(words) if option in _NAMING]
    if any(value.startswith(("http://", "https://")) for value in found):
        raise _Unknown
    return found


def _of_requirements(name: str, seen: set[str]) -> Iterator[tuple[bool, str]]:
    """Yield the indexes of a requirements file, and of those that it names."""
    if name in seen or not os.path.isfile(name):  # noqa: PTH113 - it cannot fail, as for the code after `python -c`
        return
    seen.add(name)
    if Path(name).stat().st_size > _LONGEST:
        raise _Unknown
    words = options(Path(name).read_text("utf-8").split())
    yield from _of_options(words)
    for other in _named(words):
        yield from _of_requirements(str(Path(name).parent / other), seen)


def _refuse_own_indexes(name: str) -> None:
    """Raise _Unknown if a script may name indexes of its own (PEP 723)."""
    if name.startswith(("http://", "https://")):
        raise _Unknown
    text = Path(name).read_text("utf-8", "replace") if os.path.isfile(name) else ""  # noqa: PTH113 - as above
    if any("index" in block or "find-links" in block for block in _SCRIPT.findall(text)):
        raise _Unknown


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
    words = options(command)
    if "--config-file" in words or environ.get("UV_CONFIG_FILE"):
        raise _Unknown
    named = [value for option, value in pairwise(words) if option in ("--directory", "--project")]
    named += filter(None, map(environ.get, ("UV_PROJECT", "UV_WORKING_DIR", "UV_WORKING_DIRECTORY")))
    for folder in (start.absolute() for start in (Path(), *map(Path, named))):
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
