"""One piece of work in several states, each of which is a command; they are done in turns and timed."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import NamedTuple

from tests.environments import CHECKOUT

from bench.recording import Site


class State(NamedTuple):
    """How the work is done, and what comes before it."""

    command: Sequence[object]
    variables: Mapping[str, str]
    files: Callable[[str], Sequence[str]]
    """Returns the names of the files that the build came to, given what it printed."""
    against: str = ""
    """The state with which its seconds are compared, build by build."""
    before: Callable[[], object] = lambda: None
    """Prepares each build; its time is not measured."""
    in_outage: bool = False
    """Whether the index accepts requests and never answers. Then the difference is shown instead of the ratio."""
    needs_index: bool = True
    """Whether its time depends on how far the index is away."""
    fills: bool = False
    """Whether it is built once before it is measured, since that fills a cache."""


class Built(NamedTuple):
    """One build: its seconds, its seconds of CPU, the requests that reached the index, and what it came to."""

    seconds: float
    cpu: float
    asked: int
    files: tuple[str, ...]


def built(state: State, site: Site) -> Built:
    """Build once, to the end; CalledProcessError if that fails."""
    state.before()
    command = [str(word) for word in state.command]
    with site.silence() if state.in_outage else nullcontext():
        asked, before, began = site.asked(), os.times(), time.perf_counter()
        process = subprocess.run(
            command, env=dict(state.variables), cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True
        )
        seconds, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Built(seconds, cpu, site.asked() - asked, tuple(sorted(state.files(process.stdout))))


def in_turns(states: Mapping[str, State], site: Site, rounds: int) -> Mapping[str, Sequence[Built]]:
    """Return the builds in each state; other programs on the machine disturb all of them alike."""
    turns = [{name: built(state, site) for name, state in states.items()} for _ in range(rounds)]
    return {name: [turn[name] for turn in turns] for name in states}


def cell(name: str, states: Mapping[str, State], builds: Mapping[str, Sequence[Built]]) -> str:
    """Return the medians of a state, and of its comparisons, in words."""
    if name not in builds:
        return "-"
    own, state = builds[name], states[name]
    seconds, cpu = (statistics.median(values) for values in zip(*(build[:2] for build in own), strict=True))
    words = f"{seconds:.1f} s, {cpu:.1f} s CPU"
    pairs = list(zip(own, builds.get(state.against, own), strict=True))
    if state.in_outage:
        words += f", {statistics.median(ours.seconds - bare.seconds for ours, bare in pairs):+.1f} s"
    elif state.against:
        words += f", x {statistics.median(ours.seconds / bare.seconds for ours, bare in pairs):.2f}"
    return f"{words} ({own[-1].asked})"
