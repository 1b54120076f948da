"""When a page is read whole: the wheels that pip cannot use are of interest to somebody else."""

from __future__ import annotations

import datetime as dt
import json
from types import ModuleType, SimpleNamespace
from typing import Any

import pip
import pytest
from pip._internal.index import package_finder
from pip._internal.index.collector import IndexContent
from pip._internal.models.target_python import TargetPython

from cachedindex.clients.pip import finder
from cachedindex.clients.pip.cut import Cut, attach
from cachedindex.run.report import Report

NAMES = ("many-1.0-py3-none-any.whl", "many-1.0-cp27-cp27m-win32.whl", "many-1.0.tar.gz")
PAGE = json.dumps({"files": [{"url": f"https://files.example/{name}"} for name in NAMES]}).encode()
JSON = "application/vnd.pypi.simple.v1+json"


def taken(cut: Cut, page: Any = None, **of_evaluator: Any) -> tuple[str, ...]:
    """Return the names of the links that a search reads from a page."""
    page = page or IndexContent(PAGE, JSON, None, "https://index.example/simple/many/", False)
    kind = of_evaluator.pop("kind", package_finder.LinkEvaluator)
    evaluator = kind("many", "many", frozenset(("source", "binary")), TargetPython(), True, **of_evaluator)
    return tuple(link.filename for link in cut.searching(lambda *_: cut.links(page))(None, None, evaluator))


def test_a_wheel_for_another_python_is_left_out() -> None:
    assert taken(Cut(package_finder)) == (NAMES[0], NAMES[2])


@pytest.mark.parametrize("media", [JSON, "text/html"])
def test_a_yanked_wheel_stays_as_pip_reports_it(media: str) -> None:
    url = f"https://files.example/{NAMES[1]}"
    html = f'<a href="{url}" data-yanked="broken">x</a>'.encode()
    body = json.dumps({"files": [{"url": url, "yanked": "broken"}]}).encode() if media == JSON else html
    page = IndexContent(body, media, None, "https://index.example/simple/many/", False)
    assert taken(Cut(package_finder), page) == (NAMES[1],)


def test_outside_a_search_a_page_is_whole() -> None:
    page = IndexContent(PAGE, JSON, None, "https://index.example/simple/many/", False)
    assert len(Cut(package_finder).links(page)) == len(NAMES)


def test_the_hashes_of_all_wheels_can_be_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip-compile --generate-hashes and pipenv lock replace this method meanwhile (pip-tools 7.5, allow_all_wheels)."""
    cut = Cut(package_finder)
    monkeypatch.setattr(package_finder.Wheel, "supported", lambda *_: True)
    assert taken(cut) == NAMES


def test_an_evaluator_of_another_kind_sees_all() -> None:
    class Own(package_finder.LinkEvaluator):  # type: ignore[misc] - pip has no types for others
        """It may look at wheels for other systems."""

    assert taken(Cut(package_finder), kind=Own) == NAMES


def test_upload_times_are_looked_at_in_all_files() -> None:
    assert taken(Cut(package_finder), uploaded_prior_to=dt.datetime.now(dt.UTC)) == NAMES


def test_a_verbose_pip_reads_all(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(15, "pip._internal.index.package_finder"):
        assert taken(Cut(package_finder)) == NAMES


def test_a_find_links_page_is_whole() -> None:
    """pip reads it once a process, and keeps what it read."""
    page = IndexContent(PAGE, JSON, None, "https://index.example/wheels/", True)
    assert taken(Cut(package_finder), page) == NAMES


@pytest.mark.parametrize("encoding", ["utf-16", "shift_jis"])
def test_a_page_in_a_rare_encoding_is_whole(encoding: str) -> None:
    html = "".join(f'<a href="{name}">{name}</a>' for name in NAMES).encode(encoding)
    page = IndexContent(html, "text/html", encoding, "https://index.example/simple/rare/", False)
    assert taken(Cut(package_finder), page) == NAMES


def test_a_pip_without_these_names_is_left_alone() -> None:
    said: list[str] = []
    module = ModuleType("package_finder")
    attach(module, Report(said.append))
    assert said == ["this pip reads pages in another way; it gets them with the wheels that it cannot use"]
    assert not hasattr(module, "parse_links")


@pytest.mark.parametrize(("number", "lines"), [("20.3.4", 0), ("22.2.2", 0), ("22.3", 1), ("99.0", 1)])
def test_only_a_pip_that_should_be_known_is_said_to_read_pages_in_another_way(
    monkeypatch: pytest.MonkeyPatch, number: str, lines: int
) -> None:
    said: list[str] = []
    process = SimpleNamespace(
        cache=object(), settings=SimpleNamespace(cut_pages=True), report=SimpleNamespace(warn=said.append)
    )
    monkeypatch.setattr(pip, "__version__", number)
    monkeypatch.setattr(finder, "join", lambda _: process)
    monkeypatch.setattr(finder.wheels, "attach", lambda _: None)
    monkeypatch.setattr(finder, "search_again", lambda _module, _cache, lessen: lessen())
    finder.attach(ModuleType("package_finder"))
    assert len(said) == lines
