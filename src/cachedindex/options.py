"""Every option, with its unit, its default and its check: texts become values, or problems with advice."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import quote, unquote

from cachedindex import standard
from cachedindex.named import NamedTuple

MAX_FAILS = 2
FAIL_WINDOW = 60.0
FAIL_TIMEOUT = 30.0
FAIL_TIMEOUT_LIMIT = 300.0
"""Seconds. No repository is left alone for longer, even if it asks for that."""
CONFIRM_AFTER = 60.0
CLOCK_SKEW = 60.0
"""Seconds by which another process's clock may be ahead before its stamps count as wrong."""
PATIENCE_LIMIT = 15.0
"""No attempt that has a copy waits longer than this, in seconds, however slow upstream was before."""

_MOST_AHEAD = 64
_MOST_MIRRORS = 2
_UNITS = {
    "": 1,
    "s sec secs second seconds": 1,
    "m min mins minute minutes": 60,
    "h hour hours": 3600,
    "d day days": 86400,
    "w week weeks": 604800,
}
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_SECONDS = {name: float(size) for names, size in _UNITS.items() for name in (names.split() or [""])}
_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
          "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}  # fmt: skip

_CREDENTIAL = r"(?<=//)[^/@\s]*(?=@)|(?<=\?).+"
"""The parts of a wrong URL that may be secret; a problem is printed to a build's log."""
_SEGMENTS = r"(/(?!\.\.?(/|$))[^\s/?#@]+)"
_REMOTE = (
    rf"((s3|gs|az)://[A-Za-z0-9._$-]+|https://[A-Za-z0-9._-]+(:\d+)?){_SEGMENTS}*"
    rf"|file://{_SEGMENTS}+"
)


def duration(text: str) -> float:
    """Return the seconds that `text` means: "90", "90 s", "10 min", "2 h", "30 d"; ValueError says what is wrong."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not found or found[2] not in _SECONDS:
        raise ValueError('write a number of seconds, or one with a unit: "90", "10 min", "2 h", "30 d"')
    return float(found[1]) * _SECONDS[found[2]]


def _positive(text: str) -> float:
    """Return a duration in seconds; ValueError for 0."""
    seconds = duration(text)
    if not seconds:
        raise ValueError("must be longer than 0: write at least 0.1 s, or set offline = true")
    return seconds


def _staleness(text: str) -> float:
    """Return a duration in seconds: 0 for "never", infinity for "unlimited"."""
    words = {"never": 0.0, "unlimited": math.inf}
    try:
        return words[text.strip().lower()] if text.strip().lower() in words else duration(text)
    except ValueError as error:
        raise ValueError(f"{error}; or never, or unlimited") from None


def _idleness(text: str) -> float:
    """Return a duration in seconds: infinity for "unlimited"; ValueError for 0."""
    try:
        return math.inf if text.strip().lower() == "unlimited" else _positive(text)
    except ValueError:
        raise ValueError('write a duration longer than 0, as in "60 d"; or unlimited') from None


def size(text: str) -> float:
    """Return the bytes that `text` means: "500 MB", "10 GB", "1 GiB"; infinity for "unlimited"."""
    if text.strip().lower() == "unlimited":
        return math.inf
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not found or found[2] not in _BYTES or not float(found[1]):
        raise ValueError('write a number of bytes, or one with a unit: "500 MB", "10 GB"; or unlimited')
    return float(found[1]) * _BYTES[found[2]]


def truth(text: str) -> bool:
    """Return whether `text` is one of true, yes, on, 1; ValueError if it is none of their opposites either."""
    word = text.strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ValueError("write true or false")


def _count(text: str) -> int:
    """Return a number from 0 to 64."""
    if not re.fullmatch(r"\s*[0-9]{1,2}\s*", text) or int(text) > _MOST_AHEAD:
        raise ValueError(f"write a number from 0 to {_MOST_AHEAD}")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    """Return the project names in `text`."""
    words = tuple(word for word in re.split(r"[\s,]+", text) if word)
    if not all(word == ":all:" or re.fullmatch(r"[A-Za-z0-9._-]+", word) for word in words):
        raise ValueError("write names of projects, or :all:")
    return words


def _store(text: str) -> str:
    """Return the word for what is stored of an index."""
    word = text.strip().lower()
    if word not in ("auto", "always", "never"):
        raise ValueError("write auto, always or never")
    return word


def _share(text: str) -> str | None:
    """Return "user", or "all" for a truth."""
    try:
        return "user" if text.strip().lower() == "user" else "all" if truth(text) else None
    except ValueError:
        raise ValueError("write true, user or false") from None


def _privacy(text: str) -> bool | None:
    """Return a truth, or None for "auto"."""
    try:
        return None if text.strip().lower() == "auto" else truth(text)
    except ValueError:
        raise ValueError("write auto, true or false") from None


def _missing(text: str) -> str:
    """Return "warn" or "fail"."""
    word = text.strip().lower()
    if word not in ("warn", "fail"):
        raise ValueError("write warn or fail")
    return word


def _prefix(text: str) -> str:
    """Return the URL of an index as `_comparable` does, with a slash at its end."""
    url = text.strip()
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url, re.IGNORECASE):
        raise ValueError("write the URL of an index, as in https://index.example/simple/")
    return f"{_comparable(url).rstrip('/')}/"


def _comparable(url: str) -> str:
    """Return a URL in the one spelling that all of its spellings share (RFC 3986, section 6.2), without credentials."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    scheme, host = scheme.lower(), host.rpartition("@")[2].lower()
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORTS.get(scheme, ''))}/{unquote(path)}"


def _mirrors(text: str) -> tuple[str, ...]:
    """Return the URLs of mirrors, each with a slash at its end."""
    words = text.replace(",", " ").split()
    if not words or not all(re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", word, re.IGNORECASE) for word in words):
        raise ValueError("write the URLs of mirrors, without users, as in https://mirror.example/simple/")
    return tuple(f"{word.rstrip('/')}/" for word in words)


def _remote(text: str) -> str:
    """Return the URL of an object store, without a slash at its end."""
    url = text.strip().rstrip("/")
    if not re.fullmatch(_REMOTE, url):
        raise ValueError(
            "write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, https://HOST/PATH or "
            "file:///FOLDER, without users and queries: credentials come from the environment"
        )
    return url


def _job(text: str) -> str:
    """Return the name as it is written."""
    if not text.strip():
        raise ValueError("write the name of a job, which is the same for all of its runs")
    return " ".join(text.split())


def _messages(text: str) -> str:
    """Return the word for what is printed."""
    word = text.strip().lower()
    if word not in ("quiet", "normal", "verbose"):
        raise ValueError("write quiet, normal or verbose")
    return word


def _strictness(text: str) -> float | None:
    """Return from which age on in seconds a stale copy fails a run; None if none does."""
    try:
        return 0.0 if truth(text) else None
    except ValueError:
        pass
    try:
        return duration(text)
    except ValueError:
        raise ValueError('write no, yes, or a duration with a unit, as in "2 d"') from None


def folders(text: str) -> tuple[str, ...]:
    """Return the paths as they are written, one a line or separated by spaces."""
    names = (line.strip() for line in text.splitlines()) if "\n" in text else text.split()
    found = tuple(name for name in names if name)
    if not found:
        raise ValueError("write the paths of folders")
    return found


def _file(text: str) -> str:
    """Return the path as it is written."""
    if not text.strip():
        raise ValueError("write the path of a file")
    return text.strip()


def _folder(text: str) -> str:
    """Return the path as it is written."""
    if not text.strip():
        raise ValueError("write the path of a folder")
    return text.strip()


class Settings(NamedTuple):
    """The values of all options; the reference in the docs explains each of them."""

    cache_dir: str | None = None
    """None: the folder of the host, or of the user."""
    index_ttl: float | None = None
    """Seconds for which a page is fresh; None: as upstream says, within limits."""
    timeout: float = 3.0
    """Seconds that a request may take in all if a copy could be served instead."""
    stale_if_error: float = 30 * 86400.0
    """Seconds after the end of its time to live in which a copy may be served stale (RFC 5861)."""
    negative: float = 60.0
    """Seconds of the negative cache: a run remembers a 404, and a look-up without a copy that was not answered."""
    store: Literal["auto", "always", "never"] = "auto"
    """Whether an index's `no-store` is honoured, or overridden; or nothing of it is stored."""
    missing_index: Literal["warn", "fail"] = "warn"
    """What to do if an index is down, no copy of its page of a project is stored, and another index has the project."""
    mirrors: tuple[str, ...] = ()
    """Other indexes with the same files, which are asked if an index gives no answer and no copy may stand in."""
    mirror_pages: bool = False
    """Whether a page of a mirror counts, and not only the files whose sha256 a page of the index promises."""
    offline: bool = False
    refresh: tuple[str, ...] = ()
    share: Literal["user", "all"] | None = None
    """Whom the answers that needed credentials may be served to, apart from those who show the same ones."""
    private: bool | None = None
    """Whether all answers are this user's alone, or none that would be is stored; None: as each answer says."""
    read_only: bool = False
    max_size: float = 10e9
    """Bytes in the cache; beyond them, the least recently used files are deleted."""
    max_idle: float = 60 * 86400.0
    """Seconds after which an unused file is deleted."""
    also_read: tuple[str, ...] = ()
    """Other cache folders, which are read after this one, in this order, and never written."""
    lock_dir: str | None = None
    """None: the cache folder."""
    remote: str | None = None
    """The URL of an object store, from which a run brings what its job used before, and where it sends what is new."""
    remote_timeout: float = 5.0
    """Seconds that a run waits for the remote, before its command and after it; for a bad one, once."""
    remote_read_only: bool = False
    job: str | None = None
    """The name of the job that a run is of; None: as the CI server says."""
    disable: bool = False
    trim_to_pins: bool | None = None
    """Whether buildout gets only the links of the pinned version from a project page; None: if it is slow otherwise."""
    cut_pages: bool = True
    """Whether pip gets a page without the wheels that it cannot use."""
    fail_on_stale: float | None = None
    """From which age on in seconds a copy that stood in for upstream's answer fails a run; None: no copy does."""
    report: str | None = None
    """The file that gets the record of a run: as HTML if its name says so, else as JSON."""
    summary: str | None = None
    """The file that gets it as Markdown; "auto": the one that GitHub names."""
    log: str | None = None
    """The file to which each look-up and each message appends a line."""
    messages: Literal["quiet", "normal", "verbose"] = "normal"
    """What is printed: nothing, what a person should know, or each look-up as well."""
    ahead: int = 16
    """How many look-ups may be under way at once before pip or buildout makes them."""
    indexes: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """The URL of each index with options of its own, and their values by field name."""

    def for_url(self, url: str) -> Settings:
        """Return the settings for a URL: those of the index with the longest URL that it begins with."""
        start = self.section_of(url)
        return self._replace(**dict(self.indexes)[start]) if start else self

    def at_mirrors(self, url: str) -> tuple[str, ...]:
        """Return where the page of a URL lies at the mirrors of its index: at two of them at most."""
        below = quote(f"{_comparable(url).rstrip('/')}/"[len(self.section_of(url)) :])
        mirrors = self.for_url(url).mirrors if below and "?" not in url else ()
        return tuple(f"{mirror}{below}" for mirror in mirrors[:_MOST_MIRRORS])

    def is_too_stale(self, age: float | None) -> bool:
        """Return whether a run is to fail for a copy of this age in seconds; None if none stood in."""
        return age is not None and self.fail_on_stale is not None and age >= self.fail_on_stale

    def section_of(self, url: str) -> str:
        """Return the longest URL of an index with options of its own that a URL begins with; empty if there is none."""
        asked = f"{_comparable(url)}/"
        return max((start for start, _ in self.indexes if asked.startswith(start)), key=len, default="")


class Option(NamedTuple):
    """One option: how its text becomes a value, and its line in the help of a command."""

    parse: Callable[[str], Any]
    says: str


OPTIONS: Mapping[str, Option] = {
    "cache-dir": Option(_folder, "the folder that all jobs of this host share"),
    "index-ttl": Option(duration, "how long a page is fresh (default: as the index says, at most 10 min)"),
    "timeout": Option(_positive, "how long upstream may take if a copy could be served instead (3 s)"),
    "stale-if-error": Option(_staleness, "how long after its time to live a copy is of use (30 d, never, unlimited)"),
    "negative": Option(duration, "how long a run remembers that an index lacks a page, or is down (60 s)"),
    "store": Option(_store, "auto, always or never: whether what the index says of storing counts (auto)"),
    "missing-index": Option(_missing, "warn or fail if an index that is down may have a needed project (warn)"),
    "offline": Option(truth, "never ask upstream (false)"),
    "refresh": Option(_names, "ask upstream for these projects, or :all:, even if a page is fresh"),
    "share": Option(_share, "true, user or false: whom else to serve the answers that needed credentials (false)"),
    "private": Option(_privacy, "true: keep all answers for this user alone; false: store none that is private (auto)"),
    "read-only": Option(truth, "serve from the cache, and store nothing (false)"),
    "max-size": Option(size, "how much may be stored; the least recently used is deleted first (10 GB, unlimited)"),
    "max-idle": Option(_idleness, "how long an unused file is kept (60 d, unlimited)"),
    "also-read": Option(folders, "other cache folders, whose copies are used after those in cache-dir"),
    "lock-dir": Option(_folder, "a local folder for locks and health, if cache-dir is a network mount (cache-dir)"),
    "remote": Option(_remote, "an object store that the runs of many hosts share, as in s3://bucket/prefix"),
    "remote-timeout": Option(_positive, "how long a run waits for the remote, before and after its command (5 s)"),
    "remote-read-only": Option(truth, "bring from the remote, and send nothing there (false)"),
    "job": Option(_job, "the name by which the remote knows what a job needs (default: as the CI server says)"),
    "disable": Option(truth, "do nothing (false)"),
    "trim-to-pins": Option(truth, "give buildout only the links of the pinned version of a project (if it needs that)"),
    "cut-pages": Option(truth, "give pip a page without the wheels that it cannot use (true)"),
    "fail-on-stale": Option(_strictness, "no, yes, or an age: fail `run` if a copy as old stood in for the index (no)"),
    "report": Option(_file, "write the record of the run to this file, as JSON; as a page if it ends in .html"),
    "summary": Option(
        _file, "write it to this file, as Markdown; auto: append it to GITHUB_STEP_SUMMARY, if that is set"
    ),
    "log": Option(_file, "append a line to this file for each look-up and each message"),
    "messages": Option(_messages, "quiet, normal or verbose: print nothing, or each look-up as well (normal)"),
    "ahead": Option(_count, "how many look-ups may be begun before pip or buildout makes them; 0: none (16)"),
}
_OF_THE_RUN = (
    "cache-dir", "read-only", "max-size", "max-idle", "also-read", "lock-dir", "remote", "remote-timeout",
    "remote-read-only", "job", "trim-to-pins", "cut-pages", "fail-on-stale", "report", "summary", "log", "messages",
    "ahead",
)  # fmt: skip
INDEX_OPTIONS: Mapping[str, Option] = {
    "url": Option(_prefix, "the URL of the index"),
    **{name: option for name, option in OPTIONS.items() if name not in _OF_THE_RUN},
    "mirrors": Option(_mirrors, "indexes to ask for files whose sha256 is known if this one does not answer"),
    "mirror-pages": Option(truth, "take pages from them as well, which decide what is installed (false)"),
}
"""The options that one index may have for itself; the last two only one index may have."""


class Problem(NamedTuple):
    """One wrong option: its place, its name, its value, and what to write."""

    place: str
    option: str
    advice: str
    value: str | None = None

    def __str__(self) -> str:
        value = "" if self.value is None else f" = {re.sub(_CREDENTIAL, '***', ' '.join(self.value.split()))}"
        return f"{self.place}: {self.option}{value}: {self.advice}"


def read(
    options: Mapping[str, str],
    place: str,
    spell: Callable[[str], str] = str,
    known: Mapping[str, Option] = OPTIONS,
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the values of one place's options by field name, and a problem for each wrong one.

    `spell` returns the name of an option as it is written in that place.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, text in options.items():
        option = known.get(name)
        if option is None:
            is_an_indexs = "it belongs in the section of one index, as in [cachedindex:company]"
            why = is_an_indexs if name in INDEX_OPTIONS else f"there is no such option{_nearest(name, spell, known)}"
            problems.append(Problem(place, spell(name), why))
            continue
        try:
            values[name.replace("-", "_")] = option.parse(text)
        except ValueError as error:
            problems.append(Problem(place, spell(name), str(error), text))
    return values, problems


def read_index(options: Mapping[str, str], place: str) -> tuple[dict[str, Any], list[Problem]]:
    """Return the value of `indexes` for the section of one index, unless it lacks the URL."""
    values, problems = read(options, place, known=INDEX_OPTIONS)
    url = values.pop("url", None)
    if url is None:
        if "url" not in options:
            problems.append(Problem(place, "url", "is missing: write the URL of the index"))
        return {}, problems
    return {"indexes": ((url, values),)}, problems


def merge(*places: Mapping[str, Any]) -> Settings:
    """Return the settings of several places together; an earlier place wins.

    The options of one index win over those of all indexes in the same place and in later ones, not in earlier ones.
    """
    merged: dict[str, Any] = {}
    indexes: dict[str, dict[str, Any]] = {}
    for values in reversed(places):
        general = {name: value for name, value in values.items() if name in Settings._fields and name != "indexes"}
        for own in indexes.values():
            for name in general:
                own.pop(name, None)
        merged.update(general)
        for url, own in values.get("indexes", ()):
            indexes.setdefault(url, {}).update(own)
    return Settings(**merged, indexes=tuple(indexes.items()))


def _nearest(name: str, spell: Callable[[str], str], known: Mapping[str, Option]) -> str:
    with standard.library():
        import difflib  # noqa: PLC0415 - 1 ms, only for a name that is wrong

    near = difflib.get_close_matches(name.replace("_", "-"), known, n=1, cutoff=0.5)
    return f"; did you mean {spell(near[0])}?" if near else f"; the options are {', '.join(map(spell, known))}"
