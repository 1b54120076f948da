"""The sections of a page: each has a picture and a table that says the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from cachedindex.model import Outcome, Run
from cachedindex.run import pictures, tables, written
from cachedindex.run.markup import Markup, joined, tag
from cachedindex.run.outages import Outage, outages
from cachedindex.run.pictures import Bar, Part
from cachedindex.run.subject import Subject
from cachedindex.run.summary import ago, volume
from cachedindex.store import runs
from cachedindex.upkeep.growth import Growth

MOST_LOOKUPS = 200
MOST_RUNS = 100
MOST_COLUMNS = 60
"""So many runs are in the picture of the hit rate, the last ones."""
_MOST_INDEXES = 30
_MOST_OUTAGES = 30
_MOST_LANES = 12
_MOST_SAID = 3
"""So many outages are in the text of a picture; all are in the table."""
_STEPS = 200
"""Of the picture of the growth."""
_CAME_FROM = {
    "folder": ("the folder", ("hit",)),
    "confirmed": ("the folder, confirmed by the index", ("revalidated",)),
    "index": ("the index", ("miss",)),
    "stale": ("the folder, in place of the index", ("stale", "absent")),
    "missing": ("nowhere", ("refused", "failed")),
    "other": ("passed on, or not there", ("negative", "passed")),
}
"""By colour: from where an answer came, and the outcomes which mean that."""
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
    heads = ("index", "first failure", "next answer", "for at least", "look-ups", "why")
    keys = {"missing": "look-ups failed", "confirmed": "a run had look-ups there"}
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
        ago(outage.until - outage.since),
        outage.lookups,
        tag("p", outage.why, class_="why"),
    )


def _lane(number: int, url: str, found: Sequence[Outage], subject: Subject) -> Markup:
    began, ended = subject.span

    def bar(first: float, last: float, name: str, says: str, height: float) -> Bar:
        left, right = (100.0 * (at - began) / max(ended - began, 1.0) for at in (first, last))
        return Bar(left, right, name, says, height)

    asked = [run for _, run, summed in subject.runs if url in summed.indexes][-MOST_RUNS:]
    ticks = [bar(run.started, run.started + run.duration, "confirmed", _job(run), 40.0) for run in asked]
    times = [f"{tables.clock(each.since)}, for {ago(each.until - each.since)}: {each.why}" for each in found]
    fails = [bar(each.since, each.until, "missing", says, 100.0) for each, says in zip(found, times, strict=True)]
    count = f"{len(found)} outage{'' if len(found) == 1 else 's'}"
    text = "; ".join(times[:_MOST_SAID]) + ("; and more" if len(times) > _MOST_SAID else "")
    drawn = pictures.lane(f"lane-{number}", f"{url}: {count}", text, [*ticks, *fails[:_MOST_OUTAGES]])
    return tag("li", tag("span", url, class_="url"), " ", tag("span", count, class_="count"), drawn)


def of_runs(subject: Subject) -> Markup:
    """Return the runs, in one row each."""
    rows = [
        (
            tables.moment(run.started),
            _job(run),
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
    came = "the index, too late" if last.ended == "late" else _CAME_FROM[place][0]
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


def hit_rate(subject: Subject) -> Markup:
    """Return the hit rate of each of the last runs."""
    rated = [(each, rate) for each in subject.summed if (rate := written.hit_rate(each.ended)) is not None]
    last = rated[-MOST_COLUMNS:]
    if not last:
        return tables.section("rate", "Hit rate", tag("p", "No look-up of the last runs could have been answered."))
    values = [(rate, f"{tables.clock(each.run.started)}, {_job(each.run)}: {rate:.0%}") for each, rate in last]
    text = (
        f"From {min(rate for rate, _ in values):.0%} to {max(rate for rate, _ in values):.0%}; last {last[-1][1]:.0%}."
    )
    rows = [
        (tables.moment(each.run.started), _job(each.run), _share(rate), sum(each.ended.values()))
        for each, rate in reversed(last)
    ]
    title = f"Share of look-ups from the cache in the last {len(values)} runs"
    drawn = pictures.columns("rate-picture", title, text, values)
    axis = pictures.axis(tables.moment(last[0][0].run.started), tables.moment(last[-1][0].run.started))
    heads = ("began", "job or command", "hit rate", "look-ups")
    table = tables.table("rate-table", "Hit rate of each run", heads, rows)
    return tables.section(
        "rate",
        "Hit rate",
        tag("figure", tag("figcaption", f"{title}: a full column is 100%."), drawn, axis),
        tag("p", text),
        tag("details", tag("summary", "The numbers"), table),
    )


def stored(stored: Growth, now: float) -> Markup:
    """Return what the folder holds, and since when."""
    text = f"{stored.files} files of {volume(stored.of_files)}, and {stored.pages} pages of {volume(stored.of_pages)}."
    if not stored.steps:
        return tables.section("stored", "The store", tag("p", text if stored.pages else "Nothing is stored yet."))
    began = stored.steps[0][0]
    steps = _thinned(stored.steps, began, now)
    days = _thinned(stored.steps, began, now, 12)
    title = "Bytes of the files that are stored, by when they came"
    wide, high = max(now - began, 1.0), max(stored.of_files, 1)
    points = [(max(100.0 * (at - began) / wide, 0.0), 100.0 * size / high) for at, size in steps]
    drawn = pictures.stairs("stored-picture", title, text, points)
    rows = [(tables.moment(at), volume(size)) for at, size in days]
    table = tables.table("stored-table", "Growth", ("until", "files"), rows)
    return tables.section(
        "stored",
        "The store",
        tag("p", text),
        tag("figure", tag("figcaption", f"{title}; the top is {volume(stored.of_files)}."), drawn,
            pictures.axis(tables.moment(began), tables.moment(now))),
        tag("p", "What was deleted since is not in it.", class_="note"),
        tag("details", tag("summary", "The numbers"), table),
    )  # fmt: skip


def _job(run: Run) -> str:
    return f"{run.job} #{run.build}" if run.job and run.build else run.job or run.command


def _share(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.0%}"


def _thinned(
    steps: Sequence[tuple[float, int]], began: float, ended: float, most: int = _STEPS
) -> list[tuple[float, int]]:
    """Return of steps that are close together the last one, so that there are so many at most, about evenly spaced."""
    wide = max(ended - began, 1.0)
    last = {int(most * (at - began) / wide): (at, size) for at, size in steps}
    return list(last.values())
