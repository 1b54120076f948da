"""Every option, with its unit, its default and its check; a mapping of strings in, values and problems out."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

MAX_FAILS = 2
FAIL_WINDOW = 60.0
FAIL_TIMEOUT = 30.0
FAIL_TIMEOUT_LIMIT = 300.0
CONFIRM_AFTER = 60.0
CLOCK_SKEW = 60.0
"""Seconds by which another process's clock may be ahead before its stamps count as wrong."""
PATIENCE_LIMIT = 15.0
"""No attempt that has a copy waits longer than this, in seconds, however slow upstream was before."""

_UNITS = {
    "": 1,
    "s sec secs second seconds": 1,
    "m min mins minute minutes": 60,
    "h hour hours": 3600,
    "d day days": 86400,
    "w week weeks": 604800,
}
_SECONDS = {name: float(size) for names, size in _UNITS.items() for name in (names.split() or [""])}


def duration(text: str) -> float:
    """Return the seconds that `text` means: "90", "90 s", "10 min", "2 h", "30 d"; ValueError says what is wrong."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not found or found[2] not in _SECONDS:
        raise ValueError('write a number of seconds, or one with a unit: "90", "10 min", "2 h", "30 d"')
    return float(found[1]) * _SECONDS[found[2]]


def positive(text: str) -> float:
    """Return a duration that is longer than nothing."""
    seconds = duration(text)
    if not seconds:
        raise ValueError("no answer comes in no time: write at least 0.1 s, or offline = true")
    return seconds


def staleness(text: str) -> float:
    """Return a duration, or 0 for "never" and infinity for "unlimited"."""
    words = {"never": 0.0, "unlimited": math.inf}
    try:
        return words[text.strip().lower()] if text.strip().lower() in words else duration(text)
    except ValueError as error:
        raise ValueError(f"{error}; or never, or unlimited") from None


def truth(text: str) -> bool:
    """Return what a person means by true, yes, on, 1 and their opposites."""
    word = text.strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ValueError("write true or false")


def names(text: str) -> tuple[str, ...]:
    """Return the project names in `text`."""
    words = tuple(word for word in re.split(r"[\s,]+", text) if word)
    if not all(word == ":all:" or re.fullmatch(r"[A-Za-z0-9._-]+", word) for word in words):
        raise ValueError("write names of projects, or :all:")
    return words


def folder(text: str) -> str:
    """Return the folder's path as it was written."""
    if not text.strip():
        raise ValueError("write the path of a folder")
    return text.strip()


@dataclass(frozen=True)
class Settings:
    """What every layer is told; the reference in the docs explains each option."""

    cache_dir: str | None = None
    """None: the place's default."""
    index_ttl: float | None = None
    """Seconds for which a page is fresh; None: what upstream says, within limits."""
    timeout: float = 3.0
    """Total seconds that an attempt may take when a copy could be served instead."""
    stale_if_error: float = 30 * 86400.0
    """Seconds beyond its time to live for which a copy may still stand in (RFC 5861)."""
    offline: bool = False
    refresh: tuple[str, ...] = ()
    disable: bool = False


@dataclass(frozen=True)
class Option:
    """One option: how its text becomes a value, and its line in a command's help."""

    parse: Callable[[str], Any]
    says: str


OPTIONS: Mapping[str, Option] = {
    "cache-dir": Option(folder, "the folder that all jobs of this host share"),
    "index-ttl": Option(duration, "how long a page is fresh (left out: what the index says, at most 10 min)"),
    "timeout": Option(positive, "how long upstream may take when a copy could be served instead (3 s)"),
    "stale-if-error": Option(staleness, "how long after its time to live a copy may stand in (30 d, never, unlimited)"),
    "offline": Option(truth, "never ask upstream (false)"),
    "refresh": Option(names, "ask again for these projects, or :all:, even where a page is fresh"),
    "disable": Option(truth, "do nothing at all (false)"),
}


@dataclass(frozen=True)
class Problem:
    """One wrong option: where, what, and what would be right."""

    place: str
    option: str
    advice: str
    value: str | None = None

    def __str__(self) -> str:
        value = "" if self.value is None else f" = {self.value}"
        return f"{self.place}: {self.option}{value}: {self.advice}"


def read(
    options: Mapping[str, str], place: str, spell: Callable[[str], str] = str
) -> tuple[dict[str, Any], list[Problem]]:
    """Turn one place's options into values by field name; what is wrong is left out and described.

    `spell` returns an option's name as one writes it in that place.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, text in options.items():
        option = OPTIONS.get(name)
        if option is None:
            problems.append(Problem(place, spell(name), f"there is no such option{_nearest(name, spell)}"))
            continue
        try:
            values[name.replace("-", "_")] = option.parse(text)
        except ValueError as error:
            problems.append(Problem(place, spell(name), str(error), text))
    return values, problems


def merge(*places: Mapping[str, Any]) -> Settings:
    """Return the settings that several places' values make together; an earlier place wins."""
    known = {field.name for field in fields(Settings)}
    merged: dict[str, Any] = {}
    for values in reversed(places):
        merged.update({name: value for name, value in values.items() if name in known})
    return replace(Settings(), **merged)


def _nearest(name: str, spell: Callable[[str], str]) -> str:
    near = difflib.get_close_matches(name.replace("_", "-"), OPTIONS, n=1, cutoff=0.5)
    return f"; did you mean {spell(near[0])}?" if near else f"; there are {', '.join(map(spell, OPTIONS))}"
