"""A record that comes from another machine is stored only if this one could have stored it."""

from __future__ import annotations

from hashlib import sha256

import pytest

from cachedindex.model import Record, Request, Route
from cachedindex.rules import foreign, layout
from tests.values import replace

PAGE = b'<!DOCTYPE html><title>Links for six</title><a href="https://files.example/six-1.0.tar.gz">six-1.0.tar.gz</a>'
URL = "https://index.example/simple/six/"


def record(body: bytes = PAGE, url: str = URL, form: str = "html", **headers: str) -> Record:
    digest = sha256(body).hexdigest()
    types = {"content-type": "text/html", **headers}
    return Record(url, url, types, 10.0, 11.0, 0.5, len(body), digest, body, form)


def file(url: str = "https://files.example/a/six-1.0.tar.gz") -> Record:
    return Record(url, url, {}, 10.0, 11.0, 0.5, 3, sha256(b"six").hexdigest())


def place(of: Record, trust: str = "tls") -> list[str]:
    return [*layout.record_path(Request("GET", of.url, "page", route=Route(trust)), of.form)]


@pytest.mark.parametrize("trust", ["tls", "http", "unverified", f"ca {'0' * 64}"])
@pytest.mark.parametrize("sound", [
    record(), file(), record(b"", form=layout.ABSENT), file(f"https://files.example/x.whl?sha256={'0' * 64}"),
    record(url="https://index.example/links.html"), replace(record(), final=""),
])  # fmt: skip
def test_what_this_release_has_stored_is_stored(sound: Record, trust: str) -> None:
    assert foreign.refusal(sound, place(sound, trust)) == ""


@pytest.mark.parametrize("parts", [
    ["index.example", "simple", "six", "page.html.0123"],
    ["index.example", "simple", "six", "page.json.0123456789abcdef"],
    ["index.example", "simple", "seven", "page.html.0123456789abcdef"],
    ["other.example", "simple", "six", "page.html.0123456789abcdef"],
    ["index.example", "simple", "six", f"page.html.0123456789abcdef.{'0' * 32}"],
    ["..", "six", "page.html.0123456789abcdef"],
])  # fmt: skip
def test_at_another_place_it_is_not(parts: list[str]) -> None:
    assert foreign.refusal(record(), parts) == "it is at the wrong place"


@pytest.mark.parametrize(("unsound", "why"), [
    (replace(record(), barred=True), "wrong place"),
    (record(b"", form=layout.FORBIDDEN), "wrong place"),
    (record(url="ftp://index.example/simple/six/"), "URL"),
    (replace(record(url="ftp://index.example/simple/six/"), final=""), "URL"),
    (record(url="https://user:secret@index.example/simple/six/"), "URL"),
    (record(url="https://index.example/simple/six/?token=x"), "URL"),
    (record(url="https://index.example/simple/six/\x1b"), "URL"),
    (record(url="https://index.example/simple/s\ud800x/"), "URL"),
    (record(url="https://[index.example/simple/six/"), "URL"),
    (replace(record(), final="https://user:secret@index.example/"), "URL"),
    (replace(record(), asked=float("nan")), "number"),
    (replace(record(), checked=float("inf")), "number"),
    (replace(record(), took=10**400), "number"),
    (replace(file(), size=-1), "number"),
    (replace(file(), sha256="../../x"), "digest"),
    (record(**{"set-cookie": "a=b"}), "headers"),
    (record(etag="a\r\nset-cookie: b"), "headers"),
    (replace(record(), headers={"content-type": 1}), "headers"),  # type: ignore[dict-item]
    (replace(record(), page=None), "no body"),
    (record(b"<html><form>", form="html"), "no index page"),
    (record(b'{"name": "seven", "files": []}', form="json", **{"content-type": "application/json"}), "another project"),
    (record(b"x", form=layout.ABSENT), "body"),
    (record(PAGE.replace(b"//files", b"//user:secret@files")), "credentials"),
])  # fmt: skip
def test_what_no_release_has_stored_is_not_stored(unsound: Record, why: str) -> None:
    parts = ["x", "x"] if why == "URL" else place(unsound)
    assert why in foreign.refusal(unsound, parts)


def test_what_was_confirmed_last_replaces_the_other_one() -> None:
    old, new = record(), replace(record(), checked=12.0)
    assert foreign.replaces(new, None)
    assert foreign.replaces(new, old)
    assert not foreign.replaces(old, new)
    assert not foreign.replaces(old, old)


def test_what_was_purged_stays_away_until_it_is_asked_for_again() -> None:
    purged = replace(record(b""), asked=10.5, checked=10.5, barred=True)
    assert not foreign.replaces(record(), purged)
    assert not foreign.replaces(replace(record(), asked=10.5), purged)
    assert foreign.replaces(replace(record(), asked=10.6), purged)


def test_what_is_refused_here_is_not_replaced() -> None:
    refused = replace(record(), barred=True)
    assert not foreign.replaces(replace(record(), asked=99.0, checked=99.0), refused)


def test_no_record_is_from_the_future() -> None:
    ahead = replace(record(), asked=50.0, checked=60.0, expired=True)
    assert foreign.dated(ahead, 55.0) == replace(ahead, checked=55.0, expired=False)
