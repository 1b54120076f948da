from __future__ import annotations

import pytest

from cachedindex.model import Request
from cachedindex.options import Settings
from cachedindex.rules.unused import needed, unused

COMPANY = "https://index.example/company/simple/"
SETTINGS = Settings(indexes=((COMPANY, {}),))


def seen(*urls: str, settings: Settings = SETTINGS) -> set[str]:
    return {name for url in urls for name in needed(Request("GET", url, "page", {}), settings)}


@pytest.mark.parametrize(
    ("asked", "is_doubtful"),
    [
        ("https://index.example/company/simple/", False),
        ("https://index.example/compny/simple/", True),
        ("http://index.example/company/simple/", True),
        ("https://index.example:8443/company/simple/", True),
        ("https://indx.example/company/simple/", True),
        ("https://index.example/pypi/company/simple/", True),
        ("https://index.example/simple/", True),
        # other indexes of this node, which this build needed
        ("https://index.example/mirror/simple/", False),
        ("https://mirror.test/simple/", False),
    ],
)
def test_a_section_that_matched_nothing(asked: str, is_doubtful: bool) -> None:
    lines = unused(SETTINGS, seen(f"{asked}six/"))
    assert lines == (
        [f"the options for {COMPANY} had no effect, as nothing was asked there; did you mean {asked}?"]
        if is_doubtful
        else []
    )


def test_a_section_that_matched_something_is_right_beside_a_similar_index() -> None:
    assert unused(SETTINGS, seen(f"{COMPANY}six/", "https://index.example/compan/simple/six/")) == []
    assert unused(SETTINGS, set()) == []


def test_a_project_to_refresh_that_nobody_asked_for() -> None:
    settings = Settings(refresh=("Six", "flask", ":all:"))
    asked = seen(f"{COMPANY}six/", settings=settings)
    assert unused(settings, asked) == ["nobody asked for flask, which refresh names"]
    assert unused(settings, {*asked, "project flask"}) == []


@pytest.mark.parametrize(
    ("section", "asked"),
    [
        ("https://a.test:1/simple/", "https://a.test:8443/simple/"),
        ("https://a.b:8443/simple/", "https://a.b:1/simple/"),
        ("https://index.example/pypi/simple/", "https://index.example/pypy/simple/"),
    ],
)
def test_another_port_however_short_the_host_and_one_letter_of_four(section: str, asked: str) -> None:
    assert len(unused(Settings(indexes=((section, {}),)), seen(f"{asked}six/"))) == 1


def test_a_file_shows_nothing() -> None:
    assert list(needed(Request("GET", f"{COMPANY}six/six-1.0.whl", "file", {}), SETTINGS)) == []
