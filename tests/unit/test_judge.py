from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from io import BytesIO

import pytest

from cachedindex.model import Answer, Health, Record, Request
from cachedindex.rules.judge import Judgement, judge

NOW = 1_000_000.0
URL = "https://index.example/simple/six/"
PAGE = Request("GET", URL, "page", {})
FILE = Request("GET", "https://files.example/six-1.0.whl", "file", {}, "a" * 64)
JSON = {"content-type": "application/vnd.pypi.simple.v1+json"}
NO_STORE = {**JSON, "cache-control": "no-store"}


def listing(*versions: int, name: str = "six") -> bytes:
    files = [{"url": f"/six-{version}.whl", "filename": f"six-{version}.whl"} for version in versions]
    return json.dumps({"name": name, "files": files}).encode()


GOOD, EMPTY = listing(1, 2, 3), listing()
COPY = Record(URL, URL, JSON, 0, 0, 0.1, len(GOOD), sha256(GOOD).hexdigest(), GOOD)


def answer(status: int = 200, headers: dict[str, str] = JSON, **more: bool) -> Answer:
    return Answer(status, "Reason", URL, headers, BytesIO(), **more)


@pytest.mark.parametrize(
    ("record", "got", "page", "verdict", "fault"),
    [
        (None, answer(), GOOD, "replace", False),
        (COPY, answer(), listing(1, 2, 3, 4), "replace", False),
        (None, answer(), EMPTY, "replace", False),
        (COPY, answer(304), b"", "renew", False),
        (None, answer(304), b"", "pass", False),
        # unsound
        (COPY, answer(whole=False), GOOD, "reject", False),
        (None, answer(whole=False), GOOD, "reject", False),
        (COPY, answer(), b"{", "reject", False),
        (None, answer(headers={"content-type": "text/html"}), b"<form>", "reject", False),
        (COPY, answer(), listing(1, name="other"), "reject", False),
        # doubtful
        (COPY, answer(404), b"", "doubt", False),
        (COPY, answer(410), b"", "doubt", False),
        (COPY, answer(), EMPTY, "doubt", False),
        (COPY, answer(), listing(9), "doubt", False),
        # without a copy there is nothing to doubt
        (None, answer(404), b"", "pass", False),
        # final
        (COPY, answer(401), b"", "pass", False),
        (COPY, answer(403), b"", "pass", False),
        # outages
        (COPY, answer(500), b"", "reject", True),
        (COPY, answer(503), b"", "reject", True),
        (COPY, answer(407), b"", "reject", True),
        (COPY, answer(429), b"", "reject", False),
        (COPY, answer(302), b"", "reject", False),
        (None, answer(500), b"", "pass", True),
        # not to be stored, where it would be sound otherwise
        (COPY, answer(private=True), GOOD, "pass", False),
        (COPY, answer(503, NO_STORE), b"", "reject", True),
        (COPY, answer(404, NO_STORE), b"", "doubt", False),
        (COPY, answer(304, NO_STORE), b"", "renew", False),
        (COPY, answer(headers={**NO_STORE, "content-type": "text/html"}), b"<form>", "reject", False),
        (COPY, answer(headers={**JSON, "cache-control": "no-store"}), GOOD, "pass", False),
        (COPY, answer(headers={**JSON, "cache-control": "Private"}), GOOD, "pass", False),
    ],
)
def test_what_an_answer_means(record: Record | None, got: Answer, page: bytes, verdict: str, fault: bool) -> None:
    judgement = judge(PAGE, record, got, page, Health(), NOW)
    assert (judgement.verdict, judgement.fault) == (verdict, fault)


@pytest.mark.parametrize(
    ("got", "verdict"), [(answer(), "replace"), (answer(whole=False), "reject"), (answer(404), "pass")]
)
def test_a_file_is_judged_by_its_hash_later_on(got: Answer, verdict: str) -> None:
    assert judge(FILE, None, got, b"", Health(), NOW).verdict == verdict


@pytest.mark.parametrize(
    ("seen_before", "digest", "answered", "doubted", "verdict"),
    [
        (59, "404", 10, 1, "doubt"),
        (61, "404", 10, 1, "pass"),
        (61, "410", 10, 1, "doubt"),  # another doubtful answer than before
        (61, "404", None, 1, "doubt"),  # the origin gave nobody a sound answer since
        (61, "404", 62, 1, "doubt"),  # it did, but before
        (61, "404", 10, 3, "doubt"),  # too many at once: the origin's fault
        (90_000, "404", 10, 3, "pass"),  # but not for ever
    ],
)
def test_when_a_doubtful_answer_is_believed(
    seen_before: float, digest: str, answered: float | None, doubted: int, verdict: str
) -> None:
    copy = replace(COPY, doubt=(digest, NOW - seen_before))
    health = Health(
        doubted={str(number): NOW - 61 for number in range(doubted)},
        answered=None if answered is None else NOW - answered,
    )
    assert judge(PAGE, copy, answer(404), b"", health, NOW).verdict == verdict


def test_a_page_that_stays_empty_replaces_the_copy() -> None:
    first = judge(PAGE, COPY, answer(), EMPTY, Health(), NOW - 61)
    assert first == Judgement("doubt", first.why, digest=sha256(EMPTY).hexdigest())
    copy = replace(COPY, doubt=(first.digest, NOW - 61))
    assert judge(PAGE, copy, answer(), EMPTY, Health(answered=NOW - 1), NOW).verdict == "replace"
