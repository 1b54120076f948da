"""What runs had of their remote, in numbers and in words: what came from there, bytes each way, and how fast."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cachedindex.model import RemoteUse, Run
from cachedindex.named import NamedTuple
from cachedindex.run.summary import ago, printable, volume

PHASES = {
    "before": "before the build",
    "outage": "in an outage",
    "after": "after the build",
}
"""What a run has to do with its remote, as a person calls it."""
_SUMS = {
    "asked": "asked",
    "found": "found",
    "refused": "refused",
    "received_bytes": "received",
    "sent": "sent",
    "sent_bytes": "sent_bytes",
    "left": "left",
}
"""The numbers of the JSON, and the fields of a use that they are sums of."""
_SHORT = 10.0
"""Seconds below which a hundredth counts."""


class Traffic(NamedTuple):
    """What some runs had of one remote."""

    url: str
    uses: Sequence[RemoteUse] = ()
    """Of all these runs, the oldest first."""
    problem: str = ""
    """Why the last of the runs got no answer from there; empty if it got one."""


def of_runs(found: Iterable[Run]) -> Traffic | None:
    """Return what these runs, the oldest first, had of the remote that the last of them names; None if none does."""
    had = [run.remote for run in found if run.remote]
    if not had:
        return None
    url = had[-1][-1].place
    return Traffic(url, [use for uses in had for use in uses if use.place == url], _problem(had[-1]))


def by_phase(traffic: Traffic) -> Iterator[tuple[str, Traffic]]:
    """Yield each phase that there was, in words, with what it had."""
    for phase, words in PHASES.items():
        if uses := [use for use in traffic.uses if use.phase == phase]:
            yield words, Traffic(traffic.url, uses, _problem(uses))


def as_json(traffic: Traffic) -> dict[str, Any]:
    """Return it as the JSON of the reference."""
    sums = {name: sum(getattr(use, field) for use in traffic.uses) for name, field in _SUMS.items()}
    latencies = sorted(use.latency for use in traffic.uses if use.latency)
    return {
        "url": traffic.url,
        "reachable": not traffic.problem if traffic.uses else None,
        "problem": traffic.problem or None,
        "hit_rate": sums["found"] / sums["asked"] if sums["asked"] else None,
        "latency": latencies[len(latencies) // 2] if latencies else None,
        **sums,
        "waited": sum(use.took for use in traffic.uses),
    }


def line(said: Mapping[str, Any]) -> str:
    """Return in one line, which begins with the URL, what `as_json` says."""
    parts = [said["problem"]] if said["problem"] else []
    if said["asked"]:
        share = f"{said['hit_rate']:.0%}, {volume(said['received_bytes'])}"
        parts.append(f"{said['found']} of {said['asked']} objects came from there ({share})")
    if said["sent"]:
        parts.append(f"{said['sent']} were sent ({volume(said['sent_bytes'])})")
    if said["refused"]:
        parts.append(f"{said['refused']} were not what they should be")
    if said["left"]:
        parts.append(f"{said['left']} were left for want of time")
    if said["latency"] is not None:
        parts.append(f"answers in {seconds(said['latency'])}")
    return printable(f"{said['url']}: {', '.join(parts) or 'nothing was asked of it'}")


def seconds(number: float) -> str:
    """Return a time that is mostly short for a person: "0.02 s"."""
    return f"{number:.2f} s" if number < _SHORT else ago(number)


def _problem(uses: Iterable[RemoteUse]) -> str:
    """Return the problem that the last use had which had one: after that, nothing more is asked in a run."""
    return next((use.problem for use in [*uses][::-1] if use.problem), "")
