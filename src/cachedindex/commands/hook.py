"""`cachedindex hook install | remove | status`: the hook in an environment, for every pip that runs there."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cachedindex import process, sources
from cachedindex.commands import flags
from cachedindex.errors import SettingsError
from cachedindex.run import customization, installation
from cachedindex.run.installation import Place, Python
from cachedindex.store import folder

_IS_OFF = 1


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "hook",
        "put the hook into an environment, so that its pips need no `cachedindex run`",
        "Install the hook into an environment, remove it, or show if it is on, and if not, why.",
        "cachedindex hook install --python .venv/bin/python",
    )
    parser.add_argument("action", choices=["install", "remove", "status"])
    parser.add_argument("--python", metavar="PY", default=sys.executable, help="the environment's (default: this one)")
    parser.add_argument(
        "--base", action="store_true", help="into the interpreter that environments are made of, for all made later"
    )
    parser.add_argument("--config", metavar="FILE", help="a configuration file that the installed hook reads as well")
    parser.set_defaults(run=hook)


def hook(arguments: argparse.Namespace) -> int:
    """Do what the arguments say and return the exit code; SettingsError if that is not possible."""
    python = installation.python_at(arguments.python)
    place = python.base if arguments.base else python.environment
    if arguments.action == "status":
        return _status(python)
    if arguments.action == "install":
        _install(python, place, arguments.config)
        print(f"the hook is in {place.folder}")
    else:
        was_there = installation.remove_hook(place, python.executable)
        print(f"the hook {'was taken out of' if was_there else 'was not in'} {place.folder}")
    return 0


def _install(python: Python, place: Place, file: str | None) -> None:
    if python.version < installation.OLDEST_PYTHON:
        raise SettingsError(f"{python.executable}: is Python {_dotted(python.version)}; cachedindex needs 3.10")
    if file and not Path(file).is_file():
        raise SettingsError(f"command line: --config {file}: there is no such file")
    installation.install_hook(place, python.executable, str(Path(file).absolute()) if file else None)
    if not installation.python_at(python.executable).loaded:
        raise SettingsError(f"{place.folder}: the hook is installed, but {python.executable} does not load it")


def _status(python: Python) -> int:
    """Print if the hook is on, and if not, why; return 0 if it is on and has a cache."""
    reason = _why_off(python)
    print(f"{python.executable}: {f'off: {reason}' if reason else 'on'}")
    print(f"  in {python.environment.folder}: {_description(python.environment)}")
    print(f"  in {python.base.folder}: {_description(python.base)}")
    loaded = _settings(python)
    for warning in loaded.warnings:
        print(f"  {warning} (ignored)")
    root = sources.cache_folder(loaded.settings)
    if not reason and root:
        does = "keeps everything in" if folder.may_write(root) else "can store nothing in"
        print(f"  it {does} {root}")
    return _IS_OFF if reason else 0


def _why_off(python: Python) -> str | None:
    """Return why no pip of this Python uses the cache; None if they do."""
    if python.version < installation.OLDEST_PYTHON:
        return f"Python {_dotted(python.version)}; cachedindex needs 3.10"
    if not python.loaded:
        broken = any(place.installed() for place in (python.environment, python.base))
        return "it is installed, but does not start" if broken else "it is not installed"
    return process.why_unusable(_settings(python).settings)


def _settings(python: Python) -> sources.Loaded:
    """Return the settings of the pips of this Python, if they are started in our environment."""
    places = (python.environment, python.base)
    configs = [found.get("CONFIG") for place in places if (found := installation.values_in(place))]
    named = [os.environ.get(sources.FILE_VARIABLE), *configs[:1]]
    return sources.load(environ={**os.environ, sources.FILE_VARIABLE: os.pathsep.join(filter(None, named))})


def _description(place: Place) -> str:
    found = installation.values_in(place)
    if found is None:
        return "not installed"
    if not found.keys() >= {"HOOK", "CONFIG"}:
        return "installed, but damaged; `cachedindex hook install` mends it"
    if not Path(found["HOOK"]).is_file():
        return f"installed, but {found['HOOK']} is gone"
    present, needed = {path.name for path in place.installed()}, place.needed()
    # The first one has the settings that were found: in a base of cachedindex 0.1.0, it is another one.
    if missing := set(needed[1:]) - present:
        return f"installed, but {'the block in ' if place.base else ''}{', '.join(missing)} is gone"
    described = f"installed, from {found['HOOK']}"
    if place.base:
        described += f", by a block in {customization.path_in(place.folder)}"
    if found["CONFIG"]:
        described += f", with the settings of {found['CONFIG']}"
    if superfluous := present - set(needed):
        described += f"; `cachedindex hook install` removes {', '.join(superfluous)}, which an older release needed"
    return described


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
