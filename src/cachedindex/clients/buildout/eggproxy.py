"""The options of collective.eggproxy, which a buildout may still have, by the names of today."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cachedindex.errors import SettingsError
from cachedindex.options import Problem, truth

_WITHOUT_EFFECT = {
    "index": "has no effect, as every index that a client asks is covered: remove it",
    "port": "has no effect, as there is no server: remove it",
}
_KNOWN = ("eggs_directory", "update_interval", "always_refresh", *_WITHOUT_EFFECT)


def translated(options: Mapping[str, str], place: str) -> tuple[dict[str, str], list[Problem]]:
    """Return the options by today's names, and a remark for each without effect; an option of today wins.

    `update_interval` counts hours; `always_refresh` is true or false (collective.eggproxy 0.5.1, README).
    SettingsError for a wrong value.
    """
    old = {name: text for name, text in options.items() if name in _KNOWN}
    new = {name: text for name, text in options.items() if name not in old}
    remarks = [Problem(place, name, advice) for name, advice in _WITHOUT_EFFECT.items() if name in old]
    if "eggs_directory" in old:
        new.setdefault("cache-dir", old["eggs_directory"])
    try:
        name = "always_refresh"
        if truth(old.get(name, "false")):
            new.setdefault("index-ttl", "0")
        name = "update_interval"
        if name in old:
            new.setdefault("index-ttl", _hours(old[name]))
    except ValueError as error:
        raise SettingsError(str(Problem(place, name, str(error), old[name]))) from None
    return new, remarks


def _hours(text: str) -> str:
    """Return a whole number of hours as a duration."""
    if not re.fullmatch(r"\d+", text.strip()):
        raise ValueError("write a number of hours")
    return f"{text.strip()} h"
