"""`cachedindex status`: where the cache is, how full, what it did lately, and how each index is."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cachedindex import __version__, process, sources
from cachedindex.commands import flags, show
from cachedindex.run import traffic, written
from cachedindex.run.summary import ago, volume
from cachedindex.run.traffic import Traffic
from cachedindex.store import others, probe
from cachedindex.upkeep import fullness, indexes, mounts, usage
from cachedindex.upkeep.fullness import Fullness
from cachedindex.upkeep.indexes import Index
from cachedindex.upkeep.usage import Usage

_SCHEMA = 1
_PERIODS = {"day": 86400.0, "week": 7 * 86400.0}
_LEAST_FREE = 500_000_000
_WANTS_ATTENTION = 1


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "status",
        "show how full the cache is, what it did lately, and how each index is",
        "Show the state of the cache and of each index; exit with 1 if something wants attention.",
        "cachedindex status --json",
    )
    flags.add_to(parser, ("cache-dir", "lock-dir", "also-read", "remote", "max-size"))
    parser.add_argument("--json", action="store_true", help="print JSON, for a program")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the state, and return 0, or 1 if something wants attention."""
    loaded, environ = flags.load(arguments)
    silence = probe.silence(sources.places(loaded.settings, environ))
    root = None if silence else sources.cache_folder(loaded.settings, environ)
    state = _state(loaded, root, silence or process.why_unusable(loaded.settings), time.time())
    if arguments.json:
        show.as_json(state)
    else:
        _print(state, time.time())
    return _WANTS_ATTENTION if state["attention"] else 0


def _state(loaded: sources.Loaded, root: Path | None, unusable: str | None, now: float) -> dict[str, Any]:
    """Return the state as the JSON of the reference."""
    settings = loaded.settings
    attention = [f"{warning} (ignored)" for warning in loaded.warnings]
    attention += [unusable] if unusable else []
    state: dict[str, Any] = {
        "schema": _SCHEMA,
        "version": __version__,
        "folder": root and str(root),
        "max_size": None if settings.max_size == math.inf else settings.max_size,
    }
    held = fullness.of_folder(root) if root else Fullness(0, 0, 0, 0, None, None)
    state |= _held(held)
    week = usage.since(root, now - _PERIODS["week"]) if root else []
    state["lookups"] = {
        period: _used(usage.of_runs(each for each in week if each.run.started >= now - seconds))
        for period, seconds in _PERIODS.items()
    }
    known = indexes.known(sources.lock_folder(settings, root), now) if root else []
    state["indexes"] = _indexes(known, usage.speeds(week))
    if root and root.is_dir():
        attention += _of_disk(root, held, settings.max_size)
    also = {other: others.problem(other) for other in sources.also_read(settings, root)}
    state["also_read"] = [{"folder": str(other), "problem": problem} for other, problem in also.items()]
    attention += [f"also-read: {problem}" for problem in also.values() if problem]
    remote = traffic.of_runs(each.run for each in week) or (settings.remote and Traffic(settings.remote))
    state["remote"] = traffic.as_json(remote) if remote else None
    attention += [f"remote: {remote.url}: {remote.problem}"] if remote and remote.problem else []
    attention += [f"{index.url} is {index.state}: {index.why}" for index in indexes.failing(known)]
    return {**state, "attention": attention}


def _held(held: Fullness) -> dict[str, Any]:
    return {
        "size": held.size,
        "projects": held.projects,
        "pages": held.pages,
        "files": held.files,
        "oldest_use": held.oldest,
        "newest_use": held.newest,
    }


def _used(used: Usage) -> dict[str, Any]:
    counts = {each: used.ended[each] for group in written.COUNTED.values() for each in group}
    return {"runs": used.runs, "hit_rate": written.hit_rate(used.ended), **counts}


def _indexes(known: Sequence[Index], took: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return how each index is; the ones that only the runs know are well."""
    by_url = {url: Index(url) for url in took} | {index.url: index for index in known}
    return [
        {
            "url": url,
            "state": index.state,
            "since": index.since,
            "why": index.why or None,
            "next_probe": index.next_probe,
            "took": took.get(url) or None,
        }
        for url, index in sorted(by_url.items())
    ]


def _of_disk(root: Path, held: Fullness, limit: float) -> Iterator[str]:
    if held.size > limit:
        yield f"{volume(held.size)} are stored, and max-size is {volume(limit)}: run cachedindex gc"
    free = mounts.file_system(root).free
    if free < _LEAST_FREE:
        yield f"{volume(free)} are free on the disk of {root}: make room, or lower max-size"


def _print(state: Mapping[str, Any], now: float) -> None:
    limit = state["max_size"]
    share = f" of {volume(limit)}, {state['size'] / limit:.0%}" if limit else ""
    print(f"{state['folder'] or 'no folder'}: {volume(state['size'])}{share}")
    print(f"{state['projects']} projects, {state['pages']} pages, {state['files']} files" + _when_used(state, now))
    for other in state["also_read"]:
        print(f"{other['folder']}: {other['problem'] or 'read as well, and never written'}")
    if state["remote"]:
        print(traffic.line(state["remote"]))
    print()
    show.table(("", "runs", *written.COUNTED, "from the cache"), [_row(*each) for each in state["lookups"].items()])
    if state["indexes"]:
        print()
        rows = [_index_row(index, now) for index in state["indexes"]]
        show.table(("index", "state", "since", "why", "next probe", "answers in"), rows)
    if state["attention"]:
        print()
    for line in state["attention"]:
        print(f"ATTENTION  {line}")


def _when_used(state: Mapping[str, Any], now: float) -> str:
    if state["newest_use"] is None:
        return ""
    return f", last used between {ago(now - state['oldest_use'])} and {ago(now - state['newest_use'])} ago"


def _row(period: str, used: Mapping[str, Any]) -> tuple[object, ...]:
    rate = "" if used["hit_rate"] is None else f"{used['hit_rate']:.0%}"
    return f"last {period}", used["runs"], *written.counts(used), rate


def _index_row(index: Mapping[str, Any], now: float) -> tuple[object, ...]:
    since = f"{ago(now - index['since'])} ago" if index["since"] else ""
    probe = f"in {ago(index['next_probe'] - now)}" if index["next_probe"] else ""
    took = f"{index['took']:.2f} s" if index["took"] else ""
    return index["url"], index["state"], since, index["why"], probe, took
