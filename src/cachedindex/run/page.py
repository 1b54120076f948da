"""The record of one run, or of several, as an HTML page: without script and inline style, for any reader and width.

So it is whole under the policy with which Jenkins serves what a build leaves (`sandbox; default-src 'none'; img-src
'self'; style-src 'self'`), and its stylesheet is a file beside it. It reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterator

from cachedindex.run import pictures, sections, tables, traffic, trends, written
from cachedindex.run.markup import Markup, joined, tag
from cachedindex.run.subject import Subject
from cachedindex.run.summary import ago
from cachedindex.upkeep import usage

_STOOD_IN = ("stale", "absent")
_SHORT = 10.0
"""Seconds below which a tenth counts."""


def as_html(subject: Subject, stylesheet: str) -> str:
    """Return the page; `stylesheet` is the relative URL of its stylesheet."""
    title = _title(subject)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title}: cachedindex"),
        tag("link", rel="stylesheet", href=stylesheet),
    )
    foot = tag("footer", tag("p", "Made by cachedindex at ", tables.moment(subject.at), ". All times are in UTC."))
    body = tag("body", tag("header", _head(subject, title)), tag("main", list(_sections(subject))), foot)
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _sections(subject: Subject) -> Iterator[Markup]:
    if subject.outcomes or subject.ended:
        yield sections.where_from(subject)
        yield sections.of_outages(subject)
    if had := traffic.of_runs(run for _, run, _ in subject.runs):
        yield sections.of_remote(had)
    if subject.since is not None and subject.runs:
        yield sections.of_runs(subject)
    if subject.outcomes:
        yield sections.lookups(subject)
        yield sections.ages(subject.outcomes)
    if len(subject.summed) > 1:
        yield trends.hit_rate(subject)
    if subject.stored:
        yield trends.stored(subject.stored, subject.at)


def _title(subject: Subject) -> str:
    if subject.since is not None:
        number = len(subject.runs)
        return f"{number} run{'' if number == 1 else 's'}" + (f" of {subject.job}" if subject.job else "")
    if not subject.runs:
        return f"No run of {subject.job}" if subject.job else "No run"
    return written.called(subject.runs[-1][1])


def _head(subject: Subject, title: str) -> list[Markup]:
    return [tag("p", "cachedindex", class_="brand"), tag("h1", title), *_about(subject), *_verdict(subject)]


def _about(subject: Subject) -> Iterator[Markup]:
    """Yield what identifies the runs."""
    if subject.since is not None:
        yield tag(
            "p", "From ", tables.moment(subject.since), " to ", tables.moment(subject.at), ", in UTC.", class_="about"
        )
    elif subject.runs:
        name, run, _ = subject.runs[-1]
        facts = {
            "Command": tag("code", run.command),
            "Began": joined([tables.moment(run.started), " UTC"]),
            "Took": ago(run.duration),
            "Ended with": _code(run.code),
            "Record": tag("code", name) if name else None,
            "Set aside": f"{run.damaged} damaged files" if run.damaged else None,
        }
        yield tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts.items() if value])


def _code(code: int | None) -> str:
    if code is None:
        return "an exit code that is not known"
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def _verdict(subject: Subject) -> Iterator[Markup]:
    ended = subject.ended
    if not ended:
        says = "Nothing was looked up." if subject.runs else "There is no record of such a run."
        yield tag("p", says, class_="verdict other")
        return
    stale, refused = written.counts(ended)[3:5]
    if refused:
        name, says = "missing", "Something could not be had."
    elif stale:
        name, says = "stale", "Copies stood in for an index."
    else:
        name, says = "folder", "All is well: nothing stale, nothing missing."
    yield tag(
        "p", pictures.key(name), " ", tag("strong", says), " ", written.verdict(ended), ".", class_=f"verdict {name}"
    )
    yield _figures(subject, stale, refused)


def _figures(subject: Subject, stale: int, refused: int) -> Markup:
    rate = written.hit_rate(subject.ended)
    saved = usage.saved((summed for _, _, summed in subject.runs), usage.speeds(subject.summed))
    oldest = max((outcome.age or 0.0 for outcome in subject.outcomes if outcome.ended in _STOOD_IN), default=None)
    figures = {
        "look-ups": sum(subject.ended.values()),
        "from the cache": "none" if rate is None else f"{rate:.0%}",
        "stood in for an index": stale,
        "oldest of these": "none" if oldest is None else ago(oldest),
        "could not be had": refused,
        "time saved, about": _saved(saved),
    }
    cards = [tag("div", tag("dt", name), tag("dd", value)) for name, value in figures.items()]
    note = (
        "The time saved is what the index takes for as many answers as came from the folder without asking it, "
        "one after the other, by the median of its last answers. What an outage would have cost is not in it."
    )
    return joined([tag("dl", cards, class_="figures"), tag("p", note, class_="note")])


def _saved(seconds: float | None) -> str:
    if not seconds:
        return "not known" if seconds is None else "none"
    return f"{seconds:.1f} s" if seconds < _SHORT else ago(seconds)
