"""The options of the reference as arguments of a command."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from dataclasses import replace

from cachedindex import sources
from cachedindex.options import OPTIONS, truth

_PLACE = "command line"


def add_to(parser: argparse.ArgumentParser, names: Iterable[str] = OPTIONS) -> None:
    """Add these options to the parser of a command."""
    for name in names:
        option = OPTIONS[name]
        says = option.says.replace("%", "%%")
        if option.parse is truth:
            parser.add_argument(f"--{name}", metavar="VALUE", nargs="?", const="true", help=says)
        else:
            parser.add_argument(f"--{name}", metavar="VALUE", help=says)


def load(arguments: argparse.Namespace) -> tuple[sources.Loaded, dict[str, str]]:
    """Return the settings, in which the options of the command win, and an environment with the same options.

    Raises SettingsError for a wrong option.
    """
    found = {name: getattr(arguments, name.replace("-", "_"), None) for name in OPTIONS}
    given = {name: text for name, text in found.items() if text is not None}
    environ = {**os.environ, **{sources.variable(name): text for name, text in given.items()}}
    loaded = sources.load(given, _PLACE, environ)
    # They are in that environment, too, which counts first; but the user has written them on the command line.
    places = {**loaded.places, **{name.replace("-", "_"): _PLACE for name in given}}
    return replace(loaded, places=places), environ
