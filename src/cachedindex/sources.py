"""Loads the settings of a process from all places in one order, the same for every client, and finds its folders.

The environment wins over the client's own options, and those over the configuration files of the node. No file is read
from the working directory: a pull request could plant one there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cachedindex import standard
from cachedindex.errors import SettingsError
from cachedindex.named import NamedTuple
from cachedindex.options import Problem, Settings, merge, read, read_index
from cachedindex.store import system
from cachedindex.store.folder import may_write

PREFIX = "CACHEDINDEX_"
FILE_VARIABLE = "CACHEDINDEX_CONFIG"
RUN_VARIABLE = "CACHEDINDEX_RUN"
"""Names the folder of the run to child processes."""
REHEARSAL_VARIABLE = "CACHEDINDEX_REHEARSAL"
"""Set for the processes below `cachedindex rehearse`, whose connections are refused."""
SECTION = "cachedindex"
"""The section of a configuration file, and the name of the user's cache folder."""
_ALIKE = 0.8
"""How like the name of our section another one's is at least, if it was meant."""
_HOST_FILE = system.of_host("/etc/cachedindex.cfg")
_HOST_FOLDER = system.of_host("/var/cache/cachedindex")


class Loaded(NamedTuple):
    """The settings of a process, and the problems that do not stop it: their authors do not run this build."""

    settings: Settings
    warnings: tuple[str, ...] = ()
    places: Mapping[str, str] = MappingProxyType({})
    """The place where each option is set, by its field name; an option that is not here has its default."""


def load(
    own: Mapping[str, str] | None = None,
    place: str = "",
    environ: Mapping[str, str] = os.environ,
    sections: Mapping[str, Mapping[str, str]] | None = None,
) -> Loaded:
    """Return the settings of all places together; SettingsError for a wrong option of the client's `own`.

    `sections` are the client's own options for single indexes, by the name of their section.
    """
    own_values, wrong = _from_sections(own or {}, place, sections or {})
    if wrong:
        raise SettingsError("\n".join(str(problem) for problem in wrong))
    values, warnings = _from_environment(environ)
    places = {"environment": values, place: own_values}
    named = _named(environ)
    for file in [*named, *_usual_files(environ)]:
        values, found = _from_file(file, named=file in named)
        places[str(file)] = values
        warnings.extend(found)
    set_in = {name: where for where, values in reversed(places.items()) for name in values}
    return Loaded(merge(*places.values()), tuple(warnings), set_in)


def is_index_section(name: str) -> bool:
    """Return whether a section has the options of one index: [cachedindex:NAME], or [cachedindex.NAME].

    The second spelling is for buildout, which reads a condition after a colon (zc.buildout 6.0.1, configparser.py).
    """
    return name.startswith((f"{SECTION}:", f"{SECTION}."))


def variable(option: str) -> str:
    """Return the environment variable of an option."""
    return PREFIX + option.upper().replace("-", "_")


def expanded(path: str) -> Path | None:
    """Return a path with its `~` resolved; None if that home is unknown."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # No HOME, and a user without an account, as in a container.
        return None


def cache_folder(chosen: Settings, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder that was set, or the host's if it is writable, or the user's; None if there is none of them."""
    if chosen.cache_dir:
        folder = expanded(chosen.cache_dir)
        return folder and system.absolute(folder)
    if _HOST_FOLDER and _HOST_FOLDER.is_dir() and may_write(_HOST_FOLDER):
        return _HOST_FOLDER
    return _user_folder(environ)


def places(chosen: Settings, environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return the folders that would be used, or looked at before, without looking at them."""
    named = [expanded(name) for name in (chosen.cache_dir, chosen.lock_dir) if name]
    usual = [] if chosen.cache_dir else [_HOST_FOLDER, _user_place(environ)]
    return tuple(system.absolute(folder) for folder in (*named, *usual) if folder)


def also_read(chosen: Settings, root: Path | None) -> tuple[Path, ...]:
    """Return the other folders that are read, each once; `root` is the own one, which is none of them."""
    found = [system.absolute(folder) for name in chosen.also_read if (folder := expanded(name))]
    return tuple(folder for folder in dict.fromkeys(found) if folder != root)


def lock_folder(chosen: Settings, root: Path) -> Path:
    """Return the folder for locks and health: the one that was set, or the cache folder."""
    folder = expanded(chosen.lock_dir) if chosen.lock_dir else None
    return system.absolute(folder) if folder else root


def _from_environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    options = {
        name.removeprefix(PREFIX).lower().replace("_", "-"): text
        for name, text in environ.items()
        if name.startswith(PREFIX) and name not in (FILE_VARIABLE, RUN_VARIABLE, REHEARSAL_VARIABLE) and text
    }
    values, problems = read(options, "environment", variable)
    return values, [str(problem) for problem in problems]


def _from_sections(
    general: Mapping[str, str], place: str, sections: Mapping[str, Mapping[str, str]], file: str = ""
) -> tuple[dict[str, Any], list[Problem]]:
    values, problems = read(general, place)
    for name, options in sections.items():
        index, wrong = read_index(options, f"{file}[{name}]")
        values["indexes"] = (*values.get("indexes", ()), *index.get("indexes", ()))
        problems.extend(wrong)
    return values, problems


def _named(environ: Mapping[str, str]) -> list[Path]:
    names = environ.get(FILE_VARIABLE, "").split(os.pathsep)
    return [path for name in names if name and (path := expanded(name))]


def _usual_files(environ: Mapping[str, str]) -> list[Path]:
    home = environ.get("XDG_CONFIG_HOME") or "~/.config"
    user = expanded(f"{home}/cachedindex.cfg")
    return [path for path in (user, _HOST_FILE) if path]


def _from_file(path: Path, *, named: bool) -> tuple[dict[str, Any], list[str]]:
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}, [_missing(path)] if named else []
    except (OSError, UnicodeError) as error:
        return {}, [f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}: make it readable"]
    with standard.library():
        import configparser  # noqa: PLC0415 - it costs time, and most nodes have no file

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text, str(path))
    except configparser.Error as error:
        return {}, [f"{path}: correct this: {' '.join(error.message.split())}"]
    if not parser.sections():
        return {}, []
    sections = {name: dict(parser.items(name)) for name in parser.sections() if is_index_section(name)}
    strange = [f"{path}: [{name}]: did you mean [{right}]?" for name in parser.sections() if (right := _meant(name))]
    if not sections and not parser.has_section(SECTION):
        return {}, strange or [f"{path}: there is no section [{SECTION}]: write that line above the options"]
    general = dict(parser.items(SECTION)) if parser.has_section(SECTION) else {}
    values, problems = _from_sections(general, str(path), sections, f"{path}: ")
    for name in {"cache_dir", "lock_dir"} & values.keys():  # Relative to the file, as jobs have any working directory.
        values[name] = _beside(path, values[name])
    if "also_read" in values:
        values["also_read"] = tuple(_beside(path, name) for name in values["also_read"])
    return values, [*strange, *map(str, problems)]


def _beside(file: Path, name: str) -> str:
    """Return the path that a file names, as it is relative to that file."""
    return str(file.parent / (expanded(name) or name))


def _meant(section: str) -> str:
    """Return the section whose name was probably meant; empty if it is one of ours, or another program's."""
    if section == SECTION or is_index_section(section):
        return ""
    with standard.library():
        import difflib  # noqa: PLC0415 - few files have another section

    first, colon, rest = section.partition(":" if ":" in section else ".")
    likeness = difflib.SequenceMatcher(None, first.strip().lower(), SECTION).ratio()
    return f"{SECTION}{colon}{rest}" if likeness >= _ALIKE else ""


def _missing(path: Path) -> str:
    return f"{path}: there is no such file, but {FILE_VARIABLE} names it: create it, or change the variable"


def _user_folder(environ: Mapping[str, str]) -> Path | None:
    place = _user_place(environ)
    folder = place and system.absolute(place)
    return folder if folder and may_write(folder) else None


def _user_place(environ: Mapping[str, str]) -> Path | None:
    if sys.platform == "win32":
        home = environ.get("LOCALAPPDATA")
    elif sys.platform == "darwin":
        home = "~/Library/Caches"
    else:
        home = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return expanded(f"{home}/{SECTION}") if home else None
