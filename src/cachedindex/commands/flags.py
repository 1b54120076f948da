"""The options of the reference, as a command takes them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from dataclasses import replace

from cachedindex import sources
from cachedindex.options import OPTIONS, truth

_PLACE = "command line"


def add_to(parser: argparse.ArgumentParser, names: Iterable[str] = OPTIONS) -> None:
    """Describe these options to a command's parser."""
    for name in names:
        option = OPTIONS[name]
        says = option.says.replace("%", "%%")
        if option.parse is truth:
            parser.add_argument(f"--{name}", metavar="VALUE", nargs="?", const="true", help=says)
        else:
            parser.add_argument(f"--{name}", metavar="VALUE", help=says)


def load(arguments: argparse.Namespace) -> tuple[sources.Loaded, dict[str, str]]:
    """Return the settings, over which the command's own options win, and the environment that says the same.

    Raises SettingsError for an option that is wrong.
    """
    found = {name: getattr(arguments, name.replace("-", "_"), None) for name in OPTIONS}
    given = {name: text for name, text in found.items() if text is not None}
    environ = {**os.environ, **{sources.variable(name): text for name, text in given.items()}}
    loaded = sources.load(given, _PLACE, environ)
    # The environment that says it to the processes below says it here as well, and first.
    places = {**loaded.places, **{name.replace("-", "_"): _PLACE for name in given}}
    return replace(loaded, places=places), environ
