"""A command and its variables as on a new node: no caches of pip, uv, tox or buildout, and an empty home."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_SETTINGS = (
    ".config/pip", ".pip", ".netrc", ".pydistutils.cfg", ".config/cachedindex.cfg", ".config/uv", ".gitconfig",
    ".config/git", ".config/python_keyring", ".local/share/python_keyring", ".buildout/default.cfg",
)  # fmt: skip
"""Below a home: settings and credentials, which a new node has as well."""
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK = "localhost,127.0.0.1,::1"
_PLACED = ("--target", "-t", "--prefix", "--root", "--user")
_PLACES = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")
_CACHES = {"eggs-directory": "eggs", "download-cache": "downloads", "extends-cache": "extends"}
"""Of buildout. An empty one would be a folder of the project."""
_PLACES_OF_BUILDOUT = {"bin-directory": "bin", "parts-directory": "parts", "installed": "installed.cfg",
                       "develop-eggs-directory": "develop-eggs"}  # fmt: skip
_FETCHING = {"download": "--dest", "wheel": "--wheel-dir"}
"""The option of each command of pip that names where files go; what lies there already is not asked for."""


def variables(environ: Mapping[str, str], scratch: Path, proxy: str) -> dict[str, str]:
    """Return the variables of a new node, whose caches and home are in `scratch`.

    `proxy` is one that refuses connections, for programs that cachedindex does not cover.
    """
    home = scratch / "home"
    if before := environ.get("HOME") or environ.get("USERPROFILE"):
        _copy_settings(Path(before), home)
    defaults = home / ".buildout/default.cfg"
    defaults.parent.mkdir(parents=True, exist_ok=True)
    for name in _CACHES.values():
        (scratch / name).mkdir()
    with defaults.open("a", encoding="utf-8") as file:  # A section may be there twice (zc.buildout 3 to 6).
        file.write("\n[buildout]\n" + "".join(f"{option} = {scratch / name}\n" for option, name in _CACHES.items()))
    own = {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "PIP_NO_CACHE_DIR": "1",
        "PIP_RETRIES": "0",
        "PIP_USER": "0",
        "UV_CACHE_DIR": str(scratch / "uv"),
        "UV_OFFLINE": "1",
        "VIRTUALENV_OVERRIDE_APP_DATA": str(scratch / "virtualenv"),
        "TOX_WORK_DIR": str(scratch / "tox"),
        "HATCH_DATA_DIR": str(scratch / "hatch"),
        "BUILDOUT_HOME": str(defaults.parent),
        **{name: proxy for lower in _PROXIES for name in (lower, lower.upper())},
        "no_proxy": _LOOPBACK,
        "NO_PROXY": _LOOPBACK,
    }
    return {**{name: text for name, text in environ.items() if name != "PIP_CACHE_DIR"}, **own}


def command(words: Sequence[str], scratch: Path, environ: Mapping[str, str]) -> list[str]:
    """Return a command that installs into `scratch`, if it is a pip's or a buildout's; any other one as it is."""
    names = [re.sub(r"[\d.]+$", "", Path(word).name.removesuffix(".exe")) for word in words]
    pips = [at for at, name in enumerate(names) if name == "pip" and (at == 0 or words[at - 1] == "-m")]
    start = pips[0] if pips and names[0] in ("pip", "python") else None
    if start is not None:
        return _pip(list(words), start, scratch, environ)
    start = next((at for at in (0, 1) if names[at : at + 1] == ["buildout"]), None)
    return list(words) if start is None else _buildout(list(words), start, scratch)


def _pip(words: list[str], start: int, scratch: Path, environ: Mapping[str, str]) -> list[str]:
    """Return a pip that finds nothing installed or downloaded, and writes where it disturbs nobody."""
    at = next((at for at in range(start, len(words)) if words[at] in ("install", *_FETCHING)), None)
    if at is None:
        return words
    if words[at] in _FETCHING:
        return [*words, _FETCHING[words[at]], str(scratch / "fetched")]
    is_placed = any(word.partition("=")[0] in _PLACED for word in words) or any(environ.get(name) for name in _PLACES)
    target = [] if is_placed else ["--target", str(scratch / "target")]
    return [*words[: at + 1], "--ignore-installed", *target, *words[at + 1 :]]


def _buildout(words: list[str], at: int, scratch: Path) -> list[str]:
    """Return a buildout that has no eggs, downloads and parts yet.

    If it is the project's own `bin/buildout`, it is a copy: such a one looks for a newer zc.buildout, and may replace
    itself (zc.buildout 6.0.1, buildout.py, _maybe_upgrade).
    """
    folders = {**_CACHES, **_PLACES_OF_BUILDOUT}
    given = [f"buildout:{option}={scratch / name}" for option, name in folders.items()]
    script = Path(words[at])
    with suppress(OSError):  # It is on PATH.
        if script.resolve().parent == Path("bin").resolve():
            (scratch / "bin").mkdir(exist_ok=True)
            words[at] = str(shutil.copy2(script, scratch / "bin/buildout"))
    return [*words[: at + 1], *given, *words[at + 1 :]]


def _copy_settings(before: Path, home: Path) -> None:
    for name in _SETTINGS:
        source, target = before / name, home / name
        with suppress(OSError, shutil.Error):  # It is not there, or not to be read: the build does without.
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            else:
                shutil.copy2(source, target)
