"""Every option, with its unit, its default and its check; a mapping of strings in, values and problems out."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from cachedindex.errors import SettingsError

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
_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
          "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}  # fmt: skip


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


def idleness(text: str) -> float:
    """Return a duration that is longer than nothing, or infinity for "unlimited"."""
    try:
        return math.inf if text.strip().lower() == "unlimited" else positive(text)
    except ValueError:
        raise ValueError('write a duration that is longer than nothing, "60 d", or unlimited') from None


def size(text: str) -> float:
    """Return the bytes that `text` means: "500 MB", "10 GB", "1 GiB", or infinity for "unlimited"."""
    if text.strip().lower() == "unlimited":
        return math.inf
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not found or found[2] not in _BYTES or not float(found[1]):
        raise ValueError('write a number of bytes, or one with a unit: "500 MB", "10 GB"; or unlimited')
    return float(found[1]) * _BYTES[found[2]]


def truth(text: str) -> bool:
    """Return what a person means by true, yes, on, 1 and their opposites."""
    word = text.strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ValueError("write true or false")


def _hours(text: str) -> str:
    """Return a whole number of hours as a duration."""
    if not re.fullmatch(r"\d+", text.strip()):
        raise ValueError("write a number of hours")
    return f"{text.strip()} h"


def names(text: str) -> tuple[str, ...]:
    """Return the project names in `text`."""
    words = tuple(word for word in re.split(r"[\s,]+", text) if word)
    if not all(word == ":all:" or re.fullmatch(r"[A-Za-z0-9._-]+", word) for word in words):
        raise ValueError("write names of projects, or :all:")
    return words


def missing(text: str) -> str:
    """Return what is to happen where an index is down and holds what nobody has a copy of."""
    word = text.strip().lower()
    if word not in ("warn", "fail"):
        raise ValueError("write warn or fail")
    return word


def prefix(text: str) -> str:
    """Return the beginning of an index's addresses, without credentials, to its last slash."""
    url = text.strip()
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        raise ValueError("write where an index begins, as https://index.example/simple/")
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].rstrip('/')}/"


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
    negative: float = 60.0
    """Seconds for which a run remembers that an index lacks a page, or did not answer a look-up without a copy."""
    missing_index: Literal["warn", "fail"] = "warn"
    """What to do where an index is down, holds no copy of a project, and another index has that project."""
    offline: bool = False
    refresh: tuple[str, ...] = ()
    share: bool = False
    """Whether everybody who reads the cache may read what was answered to credentials."""
    read_only: bool = False
    max_size: float = 10e9
    """Bytes beyond which the least recently used goes."""
    max_idle: float = 60 * 86400.0
    """Seconds after which goes what nobody used."""
    lock_dir: str | None = None
    """None: the cache folder."""
    disable: bool = False
    trim_to_pins: bool = False
    """Whether buildout is given only the pinned version's links of a project page."""
    indexes: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """What differs for one index: the beginning of its URLs, and values by field name."""

    def for_url(self, url: str) -> Settings:
        """Return the settings that hold for a URL: those of the index whose beginning is the longest."""
        mine = [(start, values) for start, values in self.indexes if f"{url}/".startswith(start)]
        return replace(self, **dict(max(mine, key=lambda index: len(index[0]))[1])) if mine else self


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
    "negative": Option(duration, "how long a run remembers that an index has no such page, or is down (60 s)"),
    "missing-index": Option(missing, "warn or fail where an index that is down may have what is needed (warn)"),
    "offline": Option(truth, "never ask upstream (false)"),
    "refresh": Option(names, "ask again for these projects, or :all:, even where a page is fresh"),
    "share": Option(truth, "keep for everybody what the index answers to credentials (false)"),
    "read-only": Option(truth, "serve what is stored, and store nothing (false)"),
    "max-size": Option(size, "how much may be stored; the least recently used goes first (10 GB, unlimited)"),
    "max-idle": Option(idleness, "how long what nobody uses is kept (60 d, unlimited)"),
    "lock-dir": Option(folder, "a local folder for locks and health, where cache-dir is a network mount (cache-dir)"),
    "disable": Option(truth, "do nothing at all (false)"),
    "trim-to-pins": Option(truth, "give buildout only the links of the version that a project is pinned to (false)"),
}
_NEEDLESS = {
    "index": "a client needs no such option: whichever index it asks is covered",
    "port": "there is no server, and so no port",
}
_OF_2012 = ("eggs_directory", "update_interval", "always_refresh", *_NEEDLESS)
_OF_THE_WHOLE = ("cache-dir", "read-only", "max-size", "max-idle", "lock-dir", "trim-to-pins")
INDEX_OPTIONS: Mapping[str, Option] = {
    "url": Option(prefix, "where the addresses of the index begin"),
    **{name: option for name, option in OPTIONS.items() if name not in _OF_THE_WHOLE},
}
"""What may be said of one index alone."""


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
    options: Mapping[str, str],
    place: str,
    spell: Callable[[str], str] = str,
    known: Mapping[str, Option] = OPTIONS,
) -> tuple[dict[str, Any], list[Problem]]:
    """Turn one place's options into values by field name; what is wrong is left out and described.

    `spell` returns an option's name as one writes it in that place.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, text in options.items():
        option = known.get(name)
        if option is None:
            problems.append(Problem(place, spell(name), f"there is no such option{_nearest(name, spell, known)}"))
            continue
        try:
            values[name.replace("-", "_")] = option.parse(text)
        except ValueError as error:
            problems.append(Problem(place, spell(name), str(error), text))
    return values, problems


def read_index(options: Mapping[str, str], place: str) -> tuple[dict[str, Any], list[Problem]]:
    """Turn the section of one index into the value of `indexes`, where it says which index it is for."""
    values, problems = read(options, place, known=INDEX_OPTIONS)
    url = values.pop("url", None)
    if url is None:
        if "url" not in options:
            problems.append(Problem(place, "url", "is missing: write where the addresses of the index begin"))
        return {}, problems
    return {"indexes": ((url, values),)}, problems


def from_2012(options: Mapping[str, str], place: str) -> tuple[dict[str, str], list[Problem]]:
    """Return collective.eggproxy's options by today's names, which win, and what to say of those without a meaning.

    `update_interval` counts hours; `always_refresh` is a truth (collective.eggproxy 0.5.1, README). SettingsError for
    a wrong value.
    """
    old = {name: text for name, text in options.items() if name in _OF_2012}
    new = {name: text for name, text in options.items() if name not in old}
    remarks = [Problem(place, name, advice) for name, advice in _NEEDLESS.items() if name in old]
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


def merge(*places: Mapping[str, Any]) -> Settings:
    """Return the settings that several places' values make together; an earlier place wins.

    What a place says of one index wins over what it says of all, and over later places; not over earlier ones.
    """
    known = {field.name for field in fields(Settings)}
    merged: dict[str, Any] = {}
    indexes: dict[str, dict[str, Any]] = {}
    for values in reversed(places):
        general = {name: value for name, value in values.items() if name in known and name != "indexes"}
        for own in indexes.values():
            for name in general:
                own.pop(name, None)
        merged.update(general)
        for url, own in values.get("indexes", ()):
            indexes.setdefault(url, {}).update(own)
    return replace(Settings(), **merged, indexes=tuple(indexes.items()))


def _nearest(name: str, spell: Callable[[str], str], known: Mapping[str, Option]) -> str:
    near = difflib.get_close_matches(name.replace("_", "-"), known, n=1, cutoff=0.5)
    return f"; did you mean {spell(near[0])}?" if near else f"; there are {', '.join(map(spell, known))}"
