"""The options of the reference as arguments of a command."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence

from cachedindex import sources
from cachedindex.errors import SettingsError
from cachedindex.options import OPTIONS, truth

_PLACE = "command line"


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    says: str,
    description: str,
    example: str,
    usage: str | None = None,
) -> argparse.ArgumentParser:
    """Add a command to the parser of the command line, and return its own parser; every help ends with an example."""
    return commands.add_parser(
        name,
        help=says,
        usage=usage,
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_to(parser: argparse.ArgumentParser, names: Iterable[str] = OPTIONS) -> None:
    """Add these options to the parser of a command."""
    for name in names:
        option = OPTIONS[name]
        says = option.says.replace("%", "%%")
        if option.parse is truth:
            parser.add_argument(f"--{name}", metavar="VALUE", nargs="?", const="true", help=says)
        else:
            parser.add_argument(f"--{name}", metavar="VALUE", help=says)


def with_values(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with a value for each truth that has none.

    argparse would take the next word for it: `run --offline pip install six` has no program then.
    """
    given = list(words)
    number = 1
    while number < len(given) and given[number].startswith("-") and given[number] != "--":
        name, follows = given[number].removeprefix("--"), given[number + 1 : number + 2]
        has_value = "=" in name or not given[number].startswith("--")
        if not has_value and name in OPTIONS and OPTIONS[name].parse is truth and not _is_truth(follows):
            given[number] += "=true"
            has_value = True
        number += 1 if has_value else 2
    return given


def number(name: str, text: str) -> int:
    """Return the number from 1 on that the text of an argument is; SettingsError if it is none."""
    if not text.isdecimal() or not int(text):
        raise SettingsError(f"command line: {name} {text}: write a number from 1 on")
    return int(text)


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
    return loaded._replace(places=places), environ


def _is_truth(words: Sequence[str]) -> bool:
    try:
        truth(words[0])
    except (ValueError, IndexError):
        return False
    return True
