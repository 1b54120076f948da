"""Names the package clients of a run that asked without the cache, where they ran, and what would cover them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence, Set as AbstractSet
from pathlib import PurePath

from cachedindex.hook import _cachedindex_children as children
from cachedindex.rules.asking import asking
from cachedindex.run.environment import HOOK
from cachedindex.run.watch import Program

_ELSEWHERE = {
    "docker": "in a container", "podman": "in a container", "nerdctl": "in a container", "buildah": "in a container",
    "ssh": "on another host",
}  # fmt: skip
"""Programs that run what follows somewhere else."""
_BUILDING = ("build", "buildx", "bud")
"""Their commands that do so with what a file says."""
_ITSELF = "this "
"""Begins the name of a client that has the hook, and has said itself that it looks things up in another way."""
_CONDAS = ("conda", "mamba", "micromamba")
_SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "busybox")
_REMEDIES = (
    (("in a container",), "install the hook in the image"),
    (("on another host",), "use `cachedindex run` on that host"),
    (("on Python",), "use Python 3.10 or newer"),
    (_CONDAS, "the channels of conda are never covered"),
    (("its own cache",), "keep UV_CACHE_DIR between builds"),
    (("its indexes",), "name them without --find-links, --config-file and ALL_PROXY"),
    (("uv", "uvx"), "write `cachedindex run -- uv`"),
    ((_ITSELF,), "use a release that is covered"),
    (("",), "`cachedindex hook install --base` covers it"),
)
"""What to do, by what a name begins with or contains; the first one that fits."""


def is_client(words: Sequence[str]) -> bool:
    """Return whether a program with these words may ask an index."""
    return bool(_found(words))


def names(programs: Sequence[Program], reported: AbstractSet[str]) -> list[str]:
    """Return the clients that were not covered, each with its place: "uv (below tox)".

    `reported` are the numbers of the processes that took part in the run.
    """
    named: dict[str, None] = {}
    for program in programs:
        client, where = _found(program.words) or ("", "")
        if where or not _is_covered(program, client, reported):
            place = where or _place(program)
            named[f"{client} ({place})" if place else client] = None
    return list(named)


def line(named: Sequence[str], *, nothing: bool) -> str:
    """Return the line that names them and what to do; `nothing` says that no client at all took part."""
    first = "nothing was looked up through the cache; " if nothing else ""
    remedies = dict.fromkeys(_remedy(name) for name in named)
    return f"{first}not covered: {', '.join(named)}; {', '.join(remedies)}"


def is_local(name: str) -> bool:
    """Return whether a client that is named is one of this host that could have been covered."""
    return not name.startswith(_CONDAS) and not any(f"({where})" in name for where in _ELSEWHERE.values())


def _found(words: Sequence[str]) -> tuple[str, str] | None:
    """Return a program's name as a client and, if it starts one elsewhere, where; None if it is no client."""
    name, rest = PurePath(words[0]).name, words[1:]
    if name.startswith("python") and rest and PurePath(rest[0]).name in (*_ELSEWHERE, *_CONDAS):
        name, rest = PurePath(rest[0]).name, rest[1:]
    if name in _ELSEWHERE:
        return _started_elsewhere(name, rest)
    if name in _CONDAS:
        return None if asking(name, rest) is None else (name, "")
    command = children.parsed(list(words))
    return None if asking(command.client, command.words) is None else (command.client, "")


def _started_elsewhere(name: str, words: Sequence[str]) -> tuple[str, str] | None:
    where = _ELSEWHERE[name]
    if name != "ssh" and words and words[0] in _BUILDING:
        return f"{name} {words[0]}", where
    split = [part for word in words for part in word.split()]
    for number in range(len(split)):
        command = children.parsed(split[number:])
        if command.client and asking(command.client, command.words) is not None:
            return command.client, where
    return None


def _is_covered(program: Program, client: str, reported: AbstractSet[str]) -> bool:
    if client in _CONDAS:  # It may be a Python with the hook, which has no part in it.
        return False
    if reported & set(program.pids):
        return True
    if client in ("uv", "uvx"):  # The process above has looked whether it is to be offline.
        above = {str(each.pid) for each in _above(program)} | {str(os.getpid())}
        return bool(reported & above) or _has(program, "UV_OFFLINE=1")
    if program.variables is None:
        return False
    return _has_hook(program)


def _has_hook(program: Program) -> bool:
    """Return whether a program was started with the hook; what it says itself, the hook has noted."""
    if str(HOOK / "_cachedindex_runner.py") in program.words or _has(program, f"{children.LEFT_ALONE}="):
        return True
    paths = [text.split("=", 1)[1] for text in program.variables or () if text.startswith("PYTHONPATH=")]
    has_way = any(str(HOOK) in path.split(os.pathsep) for path in paths) and program.sees
    return has_way and not children.parsed(list(program.words)).ignores_variables()


def _has(program: Program, start: str) -> bool:
    return any(text.startswith(start) for text in program.variables or ())


def _above(program: Program) -> Iterator[Program]:
    above = program.parent
    while above:
        yield above
        above = above.parent


def _place(program: Program) -> str:
    """Return below which tool a client ran, or else below which program."""
    if len(program.pids) > 1:
        return "in a container"
    above = list(_above(program))
    tools = [tool for each in above if (tool := children.parsed(list(each.words)).client)]
    return f"below {tools[0] if tools else _name(above[0])}" if above else ""


def _name(program: Program) -> str:
    """Return the name of a program, or of the script that it runs."""
    name = PurePath(program.words[0]).name
    script = program.words[1:2]
    is_script = name in _SHELLS or name.startswith("python")
    return PurePath(script[0]).name if is_script and script and not script[0].startswith("-") else name


def _remedy(name: str) -> str:
    return next(what for starts, what in _REMEDIES if any(name.startswith(start) or start in name for start in starts))
