"""The HTML page of runs: what it says, that it is sound, small, and carries nobody else's markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from cachedindex.model import Ended, Outcome, RemoteUse, Run
from cachedindex.run import page
from cachedindex.run.markup import Markup, escaped, tag
from cachedindex.run.outages import outages
from cachedindex.run.sections import MOST_LOOKUPS, MOST_RUNS
from cachedindex.run.subject import Subject
from cachedindex.store.runs import Summed, sum_up
from cachedindex.upkeep import usage
from cachedindex.upkeep.growth import Growth
from tests.documents import Document

ORIGIN = "https://index.example"
BEGAN = 1_800_000_000.0
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    "</title></svg></table><style>*{display:none}</style>",
    "&lt;script&gt;&#60;b&#62;",
    "<!-- ",
    "]]>",
    "javascript:alert(1)",
    "\x00\x1b[31m\n\u202egnp.exe\u2066\ufeff\ud800",
    "x" * 100_000,
)


def look_up(ended: Ended, project: str = "six", at: float = 0.0, **more: object) -> Outcome:
    made = Outcome(ended, "page", f"{ORIGIN}/simple/{project}/", ORIGIN, "", None, at=BEGAN + at)
    return made._replace(**more)  # type: ignore[arg-type]


def file(ended: Ended, **more: object) -> Outcome:
    return look_up(ended, kind="file", url=f"{ORIGIN}/f/six-1.16-py3-none-any.whl", **more)


def a_run(*outcomes: Outcome, number: int = 0, **more: object) -> tuple[str, Run, Summed]:
    made = Run("pip install six", "nightly", str(number), BEGAN + number * 3600.0, 60.0, 0, 0, outcomes)
    run = made._replace(**more)  # type: ignore[arg-type]
    return f"run{number}", run, Summed(run, sum_up(run.outcomes))


def rendered(*found: tuple[str, Run, Summed], sheet: str = "report.css", **more: object) -> Document:
    subject = replace(Subject(found, BEGAN + 7200.0), **more)  # type: ignore[arg-type]
    document = Document(page.as_html(subject, sheet))
    document.check()
    return document


OUTAGE = (
    look_up("hit", age=30.0),
    file("hit", age=9e6),
    look_up("revalidated", "zope", 1.0, took=0.25),
    look_up("stale", "flask", 2.0, age=7200.0, why="no answer within 3 s"),
    look_up("stale", "jinja2", 3.0, age=90000.0, why="not asked: no answer within 3 s, 1 s ago"),
    look_up("failed", "docopt", 4.0, why="no answer within 3 s"),
    look_up("miss", "click", 30.0, took=0.5),
)


def test_a_run_in_an_outage_is_shown_whole() -> None:
    document = rendered(a_run(*OUTAGE, number=7, code=1, damaged=2))
    text = document.text
    assert "nightly #7" in text
    assert "exit code 1" in text
    assert "2 damaged files" in text
    assert "Something could not be had. 7 look-ups, 71% from the cache, 2 stale, 1 could not be had" in text
    assert "look-ups 7" in text
    assert "oldest of these 25 h" in text
    assert "2027-01-15 08:00:02 2027-01-15 08:00:30 at most 28 s 3 no answer within 3 s" in text
    assert "docopt failed 1 nowhere no answer within 3 s" in text
    assert "six-1.16-py3-none-any.whl hit 1 104 d the folder" in text
    assert "up to 1 d 0 1 0" in text
    assert "All times are in UTC." in text
    assert text.index("docopt failed") < text.index("flask stale") < text.index("click miss") < text.index("six hit")


def test_a_healthy_run_says_that_nothing_is_wrong() -> None:
    text = rendered(a_run(look_up("hit", age=1.0), look_up("revalidated", "zope", took=0.1))).text
    assert "All is well: nothing stale, nothing missing. 2 look-ups, 100% from the cache, nothing stale." in text
    assert "No look-up shows that an index failed." in text


@pytest.mark.parametrize(
    ("found", "more", "says"),
    [
        ((), {}, "No run There is no record of such a run."),
        ((), {"since": BEGAN}, "0 runs"),
        ((), {"job": "weekly"}, "No run of weekly"),
        ((a_run(),), {}, "Nothing was looked up."),
        ((), {"stored": Growth(0, 0, 0)}, "Nothing is stored yet."),
    ],
)
def test_nothing_is_a_page_as_well(
    found: Sequence[tuple[str, Run, Summed]], more: dict[str, object], says: str
) -> None:
    assert says in rendered(*found, **more).text


def test_several_runs_are_one_row_each_with_their_hit_rates() -> None:
    found = [
        a_run(look_up("miss" if number else "hit", at=number * 3600.0, took=1.0), number=number) for number in (0, 1)
    ]
    text = rendered(*found, since=BEGAN - 60.0, job="nightly").text
    assert "2 runs of nightly" in text
    assert "From 2027-01-15 07:59:00 to 2027-01-15 10:00:00" in text
    assert "2027-01-15 09:00:00 nightly #1 0 0 0 1 0 0 0 0% run1 2027-01-15 08:00:00 nightly #0 0 1" in text
    assert "From 0% to 100%; last 0%." in text


def test_the_runs_before_are_in_the_hit_rate_only() -> None:
    before = [a_run(look_up("miss", took=2.0), number=number)[2] for number in range(3)]
    text = rendered(a_run(look_up("hit", age=1.0), look_up("hit", "zope", age=1.0), number=3), before=before).text
    assert "the last 4 runs" in text
    assert "time saved, about 4.0 s" in text
    assert "look-ups 2" in text


def test_the_time_saved_is_what_as_many_answers_take() -> None:
    summed = [a_run(look_up("hit"), look_up("hit", "zope"), look_up("negative", "none"), look_up("stale", "x"))[2]]
    index = f"{ORIGIN}/simple/"
    assert usage.saved(summed, {index: 0.5}) == 1.5
    assert usage.saved(summed, {index: 0.0}) is None
    assert usage.saved([], {}) == 0.0


def test_the_growth_is_a_staircase_of_few_steps() -> None:
    steps = [(BEGAN + number, (number + 1) * 1000) for number in range(5000)]
    document = rendered(stored=Growth(5000, 7, 1_500_000, steps))
    assert "5000 files of 5.0 MB, and 7 pages of 1.5 MB." in document.text
    assert len(document.named("rect")) < 220


def test_a_page_about_thousands_of_look_ups_stays_small_and_says_what_is_left_out() -> None:
    many = [look_up("hit", f"project{number}", age=1.0) for number in range(4000)]
    run = a_run(*many, look_up("failed", "worst", why="it refused the connection"), left_out=600)
    text = page.as_html(Subject([run], BEGAN), "report.css")
    assert len(text) < 150_000
    document = Document(text)
    assert "worst failed" in document.text
    assert f"{4001 - MOST_LOOKUPS} more are not shown: {4001 - MOST_LOOKUPS} hit." in document.text
    assert "600 more look-ups are counted only." in document.text


def test_a_page_about_hundreds_of_runs_and_indexes_stays_small() -> None:
    failing = [look_up("stale", url=f"https://i{number}.example/simple/six/", why="w" * 999) for number in range(40)]
    found = [a_run(*failing, number=number) for number in range(150)]
    text = page.as_html(Subject(found, BEGAN + 150 * 3600.0, since=BEGAN), "report.css")
    assert len(text) < 500_000
    assert f"{150 - MOST_RUNS} more are not shown." in Document(text).text


@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
def test_the_words_of_others_are_words_in_every_place(words: str) -> None:
    outcome = look_up("stale", words, age=1.0, why=words, origin=words, sha256=words)
    hostile_file = outcome._replace(kind="file", url=f"{ORIGIN}/{words}", ended="failed")
    unknown = outcome._replace(ended=words, url=words, kind=words)
    run = a_run(outcome, hostile_file, unknown, command=words, job=words, build=words)
    run = (words, *run[1:])
    for more in ({}, {"since": BEGAN, "job": words}, {"before": [run[2]] * 2}):
        document = rendered(run, sheet="report.css", **more)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", document.text)
        assert max(map(len, document.texts)) < 2000


def test_an_attribute_holds_any_value() -> None:
    for words in HOSTILE:
        made = tag("rect", class_=words, aria_label=words, data_x=None)
        ((name, attributes),) = Document(made).elements
        assert (name, sorted(attributes)) == ("rect", ["aria-label", "class"])
    assert tag("td", Markup("<b>1</b>"), "<b>", 2, None, ["x", ("y",)]) == "<td><b>1</b>&lt;b&gt;2xy</td>"
    assert escaped("'\"&<>") == "&#x27;&quot;&amp;&lt;&gt;"


def at(*ended_and_time: tuple[Ended, float], why: str = "no answer") -> list[Outcome]:
    return [look_up(ended, at=time, why=why) for ended, time in ended_and_time]


@pytest.mark.parametrize(
    ("outcomes", "found"),
    [
        ([], []),
        (at(("hit", 1), ("miss", 2), ("revalidated", 3), ("passed", 4)), []),
        (at(("stale", 1), ("absent", 2), ("refused", 3), ("failed", 4)), [(1, 4, False, 4)]),
        (at(("stale", 1), ("hit", 2), ("miss", 3), ("revalidated", 4)), [(1, 3, True, 1)]),
        (at(("stale", 1), ("miss", 2), ("stale", 300), ("miss", 310)), [(1, 310, True, 2)]),
        (at(("stale", 1), ("miss", 2), ("stale", 302), ("late", 305)), [(1, 2, True, 1), (302, 302, False, 1)]),
        (at(("miss", 9), ("stale", 5)), [(5, 9, True, 1)]),
        (at(("stale", 1), ("refused", 2), why="offline = true"), []),
    ],
)  # fmt: skip
def test_an_outage_is_from_its_first_failure_to_the_next_answer(
    outcomes: list[Outcome], found: list[tuple[float, float, bool, int]]
) -> None:
    assert [(each.since - BEGAN, each.until - BEGAN, each.is_over, each.lookups) for each in outages(outcomes)] == found


def test_each_index_has_outages_of_its_own_and_the_cause_is_the_first_one() -> None:
    other = look_up("stale", at=1.0, url="https://other.example/simple/six/", why="it answered 503")
    own = [look_up("stale", at=2.0, why="it hung"), look_up("stale", at=3.0, why="not asked: it hung, 1 s ago")]
    found = outages([*own, look_up("stale", at=4.0, why="not asked: it hung, 2 s ago"), other])
    assert [(each.index, each.why) for each in found] == [
        ("https://other.example/simple/", "it answered 503"),
        (f"{ORIGIN}/simple/", "it hung"),
    ]


def test_what_went_to_and_from_a_remote_is_a_table() -> None:
    before = RemoteUse("s3://builds/ci", "before", asked=10, found=8, received=3_400_000, latency=0.03, took=0.5)
    after = RemoteUse("s3://builds/ci", "after", sent=2, sent_bytes=120_000, took=5.0, problem="does not answer")
    text = rendered(a_run(*OUTAGE, remote=(before, after))).text
    assert "The remote s3://builds/ci: does not answer, 8 of 10 objects came from there (80%, 3.4 MB)" in text
    assert "before the build 10 8 0 3.4 MB 0 0 bytes 0 0.03 s 0.50 s" in text
    assert "after the build 0 0 0 0 bytes 2 120.0 kB 0 5.00 s does not answer" in text
    assert "The remote" not in rendered(a_run(*OUTAGE)).text
