"""The manifest of a job: what two runs of it come to, and what is to be sent."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256

import pytest
from hypothesis import given, strategies as st

from cachedindex.remote import manifest
from cachedindex.remote.manifest import Used
from tests.stored import DAY, HOUR
from tests.values import replace

NOW = 1e9
DIGEST = sha256(b"page").hexdigest()
USED = Used(NOW, DIGEST, 4, is_file=False, sent=NOW, last=NOW)
NAME = "records-v1/index.example/simple/six/page.json.0123456789abcdef"
OTHER = "records-v1/files.example/files/six.whl.0123456789abcdef"
_NAMES = st.sampled_from([NAME, OTHER, f"{NAME[:-1]}0"])
_TIMES = st.floats(NOW - 30 * DAY, NOW)
_MANIFESTS = st.dictionaries(
    _NAMES, st.builds(Used, _TIMES, st.just(DIGEST), st.just(4), st.booleans(), _TIMES, _TIMES)
)


@given(_MANIFESTS)
def test_it_is_read_as_it_was_written(some: dict[str, Used]) -> None:
    assert manifest.decoded(manifest.encoded(some)) == some


@given(_MANIFESTS, _MANIFESTS)
def test_whichever_comes_first_both_come_to_the_same(one: dict[str, Used], other: dict[str, Used]) -> None:
    both = manifest.merged(one, other)
    assert both == manifest.merged(other, one) == manifest.merged(both, one)
    for name, used in both.items():
        assert used.checked == max(each[name].checked for each in (one, other) if name in each)


def test_what_no_run_has_used_for_two_weeks_goes() -> None:
    old = replace(USED, last=NOW - 15 * DAY)
    assert manifest.merged({NAME: USED}, {OTHER: old}) == {NAME: USED}
    assert manifest.merged({}, {OTHER: old}) == {OTHER: old}


NONE = {
    "nothing": b"",
    "not compressed": b"{}",
    "empty": gzip.compress(b"{}"),
    "a list": gzip.compress(b"[1]"),
    "another format": gzip.compress(b'{"format": 2, "used": {}}'),
    "a list of records": gzip.compress(b'{"format": 1, "used": ["x"]}'),
    "deep": gzip.compress(b"[" * 100_000),
    "much": gzip.compress(bytes(1 << 26)),
    "cut": manifest.encoded({NAME: USED})[:-12],
}


@pytest.mark.parametrize("kind", NONE)
def test_what_is_none_is_empty(kind: str) -> None:
    assert manifest.decoded(NONE[kind]) == {}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("records-v1/../../etc/passwd", {}),
        ("blobs-v1/ab/abc", {}),
        (NAME, {"checked": "now"}),
        (NAME, {"checked": float("nan")}),
        (NAME, {"sent": 10**400}),
        (NAME, {"last": -1.0}),
        (NAME, {"sha256": "../x"}),
        (NAME, {"size": -1}),
    ],
)
def test_what_makes_no_sense_in_it_is_left_out(name: str, wrong: dict[str, object]) -> None:
    fields = {OTHER: USED._asdict(), name: {**USED._asdict(), **wrong}}
    raw = gzip.compress(json.dumps({"format": 1, "used": fields}).encode())
    assert manifest.decoded(raw) == {OTHER: USED}


def test_what_a_clock_has_dated_that_is_a_day_ahead_is_left_out() -> None:
    ahead = {NAME: replace(USED, last=NOW + 3 * DAY), OTHER: replace(USED, checked=NOW + HOUR)}
    assert manifest.decoded(manifest.encoded(ahead), NOW) == {OTHER: ahead[OTHER]}


def test_a_job_may_have_a_name_that_is_no_text() -> None:
    """As a variable has it that is not in UTF-8."""
    assert manifest.name("b\udcfcro").startswith("jobs-v1/b-ro.")


def test_a_job_has_a_name_that_a_person_knows_and_none_shares() -> None:
    one, other = manifest.name("team/build é"), manifest.name("team/build e")
    assert one.startswith("jobs-v1/team-build.")
    assert one.endswith(".json.gz")
    assert one != other


def test_what_is_sent_is_what_others_lack() -> None:
    stored = manifest_record(checked=NOW + 60)
    assert manifest.is_news(stored, None, NOW)
    assert manifest.is_news(stored, replace(USED, sha256="0" * 64), NOW)
    assert not manifest.is_news(stored, USED, NOW), "a page that has only been confirmed is no news each time"
    assert manifest.is_news(manifest_record(checked=NOW + 2 * HOUR), USED, NOW)
    assert not manifest.is_news(manifest_record(checked=NOW - 60), replace(USED, sha256="0" * 64), NOW)
    assert manifest.is_news(stored, USED, NOW + 15 * DAY), "what a store may delete by its age is put again"


def test_a_manifest_is_written_if_it_says_more() -> None:
    known = {NAME: USED}
    assert not manifest.is_worth_writing({NAME: replace(USED, last=NOW + HOUR)}, known)
    assert manifest.is_worth_writing({NAME: replace(USED, last=NOW + 2 * DAY)}, known)
    assert manifest.is_worth_writing({NAME: replace(USED, sent=NOW + 1)}, known)
    assert manifest.is_worth_writing({OTHER: USED}, known)
    assert not manifest.is_worth_writing({}, known)


def manifest_record(checked: float) -> manifest.Record:
    return manifest.Record("https://index.example/simple/six/", "", {}, NOW, checked, 0.0, 4, DIGEST, b"page", "json")
