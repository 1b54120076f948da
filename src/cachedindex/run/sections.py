"""The sections of a page about what was asked: each has a picture and a table that says the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cachedindex.model import Outcome
from cachedindex.run import pictures, tables, traffic, written
from cachedindex.run.markup import Markup, joined, tag
from cachedindex.run.outages import Outage, outages
from cachedindex.run.pictures import Bar, Part
from cachedindex.run.subject import Subject
from cachedindex.run.summary import ago, volume
from cachedindex.run.traffic import Traffic
from cachedindex.store import runs

MOST_LOOKUPS = 200
MOST_RUNS = 100
_MOST_INDEXES = 30
_MOST_OUTAGES = 30
_MOST_LANES = 12
_MOST_SAID = 3
"""So many outages are in the text of a picture; all are in the table."""
_CAME_FROM = {
    "folder": ("the folder", ("hit",)),
    "confirmed": ("the folder, confirmed by the index", ("revalidated",)),
    "index": ("the index", ("miss", "mirrored")),
    "stale": ("the folder, in place of the index", ("stale", "absent")),
    "missing": ("nowhere", ("refused", "failed")),
    "other": ("passed on, or not there", ("negative", "passed")),
}
"""By colour: from where an answer came, and the outcomes which mean that."""
_CAME_OTHERWISE = {"late": "the index", "mirrored": "a mirror"}
_PLACES = {ended: place for place, (_, group) in _CAME_FROM.items() for ended in group}
_AGES = {
    "up to 10 min": 600.0,
    "up to 1 h": 3600.0,
    "up to 1 d": 86400.0,
    "up to 7 d": 604800.0,
    "up to 30 d": 2592000.0,
}
_OLDER = "older"
_STOOD_IN = ("stale", "absent")


def where_from(subject: Subject) -> Markup:
    """Return how the look-ups ended, in all and by index."""
    counted = zip(_CAME_FROM.items(), written.counts(subject.ended), strict=True)
    parts = [Part(name, label, count) for (name, (label, _)), count in counted]
    indexes = subject.indexes
    rows = [
        (url, *written.counts(each.ended), f"{each.took:.2f} s" if each.took else "") for url, each in indexes.items()
    ]
    return tables.section(
        "from",
        "Where it came from",
        pictures.shares("from-picture", "Where the answers came from", parts),
        tables.table("from-table", "Look-ups by index", ("index", *written.COUNTED, "answers in"), rows, _MOST_INDEXES),
    )


def of_outages(subject: Subject) -> Markup:
    """Return when which index failed, on a line of time."""
    found = outages(subject.outcomes)
    if not found:
        return tables.section("outages", "Outages", tag("p", "No look-up shows that an index failed."))
    by_index: dict[str, list[Outage]] = {}
    for outage in found:
        by_index.setdefault(outage.index, []).append(outage)
    most = sorted(by_index.items(), key=lambda item: -sum(outage.lookups for outage in item[1]))
    lanes = [_lane(number, url, each, subject) for number, (url, each) in enumerate(most[:_MOST_LANES])]
    worst = sorted(found, key=lambda outage: (outage.is_over, outage.since - outage.until, outage.since))
    heads = ("index", "first failure", "next answer", "lasted", "look-ups", "why")
    keys = {"missing": "from a look-up that failed to the next answer", "confirmed": "a run had look-ups there"}
    return tables.section(
        "outages",
        "Outages",
        tag("figure", tag("ul", lanes, class_="lanes"), pictures.axis(*map(tables.moment, subject.span)),
            tag("ul", [tag("li", pictures.key(name), " ", says) for name, says in keys.items()], class_="keys")),
        tables.table("outages-table", "Outages of each index", heads, [_outage(each) for each in worst], _MOST_OUTAGES),
    )  # fmt: skip


def _outage(outage: Outage) -> tuple[object, ...]:
    return (
        outage.index,
        tables.moment(outage.since),
        tables.moment(outage.until) if outage.is_over else "none in these runs",
        _lasted(outage),
        outage.lookups,
        tag("p", outage.why, class_="why"),
    )


def _lasted(outage: Outage) -> str:
    """Return for how long it was down, as far as that is known: nobody may have asked between two runs."""
    return f"at {'most' if outage.is_over else 'least'} {ago(outage.until - outage.since)}"


def _lane(number: int, url: str, found: Sequence[Outage], subject: Subject) -> Markup:
    began, ended = subject.span

    def bar(first: float, last: float, name: str, says: str, height: float) -> Bar:
        left, right = (100.0 * (at - began) / max(ended - began, 1.0) for at in (first, last))
        return Bar(left, right, name, says, height)

    asked = [run for _, run, summed in subject.runs if url in summed.indexes][-MOST_RUNS:]
    ticks = [bar(run.started, run.started + run.duration, "confirmed", written.called(run), 40.0) for run in asked]
    times = [f"{tables.clock(each.since)}, {_lasted(each)}: {each.why}" for each in found]
    fails = [bar(each.since, each.until, "missing", says, 100.0) for each, says in zip(found, times, strict=True)]
    count = f"{len(found)} outage{'' if len(found) == 1 else 's'}"
    text = "; ".join(times[:_MOST_SAID]) + ("; and more" if len(times) > _MOST_SAID else "")
    drawn = pictures.lane(f"lane-{number}", f"{url}: {count}", text, [*ticks, *fails[:_MOST_OUTAGES]])
    return tag("li", tag("span", url, class_="url"), " ", tag("span", count, class_="count"), drawn)


def of_remote(had: Traffic) -> Markup:
    """Return what went to and from the remote, before, in and after the builds."""
    heads = ("when", "asked for", "came from there", "refused", "received", "sent", "bytes sent", "left", "answers in",
             "waited", "problem")  # fmt: skip
    rows = [_had(words, traffic.as_json(each)) for words, each in traffic.by_phase(had)]
    said = tag("p", traffic.line(traffic.as_json(had)), ".")
    return tables.section("remote", "The remote", said, tables.table("remote-table", "Objects by phase", heads, rows))


def _had(words: str, said: Mapping[str, Any]) -> tuple[object, ...]:
    latency = "" if said["latency"] is None else traffic.seconds(said["latency"])
    sizes = [volume(said[name]) for name in ("received_bytes", "sent_bytes")]
    return (
        words, said["asked"], said["found"], said["refused"], sizes[0], said["sent"], sizes[1], said["left"], latency,
        traffic.seconds(said["waited"]), said["problem"] or "",
    )  # fmt: skip


def of_runs(subject: Subject) -> Markup:
    """Return the runs, in one row each."""
    rows = [
        (
            tables.moment(run.started),
            written.called(run),
            "" if run.code is None else run.code,
            *written.counts(summed.ended),
            _share(written.hit_rate(summed.ended)),
            name,
        )
        for name, run, summed in reversed(subject.runs)
    ]
    heads = ("began", "job or command", "exit", *written.COUNTED, "hit rate", "record")
    return tables.section("runs", "Runs", tables.table("runs-table", "Runs, the newest first", heads, rows, MOST_RUNS))


def lookups(subject: Subject) -> Markup:
    """Return the look-ups, the worst first; those of the same name and outcome are one row."""
    groups: dict[tuple[str, ...], list[Outcome]] = {}
    for outcome in written.worst_first(subject.outcomes):
        place = (outcome.ended, written.name(outcome), runs.index_of(outcome))
        groups.setdefault(place, []).append(outcome)
    rows = [_lookup(name, index, group) for (_, name, index), group in groups.items()]
    others = Counter(ended for ended, *_ in list(groups)[MOST_LOOKUPS:])
    left_out = ": " + ", ".join(f"{count} {ended}" for ended, count in others.items())
    heads = ("project or file", "outcome", "times", "age", "came from", "why", "index")
    counted_only = sum(run.left_out for _, run, _ in subject.runs)
    return tables.section(
        "lookups",
        "What was asked",
        tables.table("lookups-table", "Look-ups, the worst first", heads, rows, MOST_LOOKUPS, left_out),
        tag("p", f"{counted_only} more look-ups are counted only.", class_="note") if counted_only else None,
    )


def _lookup(name: str, index: str, group: Sequence[Outcome]) -> tuple[object, ...]:
    last = group[-1]
    ages = [outcome.age for outcome in group if outcome.age is not None]
    place = _PLACES.get(last.ended, "other")
    came = _CAME_OTHERWISE.get(last.ended) or _CAME_FROM[place][0].partition(",")[0]
    said = tag("span", pictures.key(place), " ", last.ended, class_="outcome")
    return (
        name,
        said,
        len(group),
        ago(max(ages)) if ages else "",
        came,
        tag("p", last.why, class_="why") if last.why else "",
        index,
    )


def ages(outcomes: Iterable[Outcome]) -> Markup:
    """Return how old the copies were that were served."""
    kinds = {"pages, fresh": "folder", "pages, in place of the index": "stale", "files": "confirmed"}
    counts: dict[str, Counter[str]] = {age: Counter() for age in (*_AGES, _OLDER)}
    for outcome in outcomes:
        if outcome.age is not None and outcome.ended in ("hit", *_STOOD_IN):
            age = next((name for name, most in _AGES.items() if outcome.age <= most), _OLDER)
            is_stale = outcome.ended in _STOOD_IN
            counts[age]["stale" if is_stale else "confirmed" if outcome.kind == "file" else "folder"] += 1
    most = max(each.total() for each in counts.values())
    if not most:
        return tables.section("ages", "Ages", tag("p", "No copy was served without asking the index."))
    rows = []
    for age, each in counts.items():
        parts = [Part(place, kind, each[place]) for kind, place in kinds.items()]
        rows.append((age, *(part.number for part in parts), pictures.in_a_row(pictures.side_by_side(parts, most))))
    heads = ("age", *(joined([pictures.key(place), " ", kind]) for kind, place in kinds.items()), "of all")
    note = "The age is that since the index last confirmed a copy. A file keeps its value, as its hash is checked."
    table = tables.table("ages-table", "Copies that were served, by age", heads, rows, len(rows))
    return tables.section("ages", "Ages", table, tag("p", note, class_="note"))


def _share(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.0%}"
