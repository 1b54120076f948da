"""How many of our files one look-up enters, and how often: what a reader has to follow, counted by a profile hook."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

import cachedindex
from cachedindex import sources
from cachedindex.clients.requests.adapter import IndexAdapter
from cachedindex.options import Settings
from cachedindex.process import join
from tests.index import Index

PACKAGE = str(Path(cachedindex.__file__).parent)
PIP = {"Accept": "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"}


class Followed:
    """The entries into our files, each from another file, and how often a health log was opened."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.opened = 0

    @property
    def files(self) -> int:
        return len(set(self.entered))


watched: list[Followed] = []


def count_opens(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and watched and "health-v1" in str(arguments[0]):
        watched[-1].opened += 1


sys.addaudithook(count_opens)  # For good: an audit hook cannot be taken back, so it looks whether anybody counts.


@pytest.fixture
def follow() -> Callable[[Callable[[], object]], Followed]:
    before = sys.getprofile()

    def follow(work: Callable[[], object]) -> Followed:
        path = Followed()

        def enter(frame: FrameType, event: str, _argument: object) -> None:
            name, caller = frame.f_code.co_filename, frame.f_back and frame.f_back.f_code.co_filename
            if event == "call" and name.startswith(PACKAGE) and caller != name:
                path.entered.append(name)

        watched.append(path)
        threading.setprofile(enter)
        sys.setprofile(enter)
        try:
            work()
        finally:
            sys.setprofile(before)
            threading.setprofile(None)  # type: ignore[arg-type]
            watched.remove(path)
        return path

    return follow


def asking(tmp_path: Path, url: str, **options: Any) -> Callable[[], str]:
    """Return what asks for a page as a pip does, and returns the answer's Cache-Status."""
    loaded = sources.Loaded(Settings(cache_dir=str(tmp_path / "cache"), **options))
    adapter = IndexAdapter(HTTPAdapter(), join((url, *options), loaded, say=lambda _: None).cache)

    def ask() -> str:
        request = requests.Session().prepare_request(requests.Request("GET", url, headers=PIP))
        response = adapter.send(request)
        assert response.status_code == 200
        return response.headers.get("cache-status", "")

    return ask


def test_a_fresh_page(index: Index, tmp_path: Path, follow: Callable[..., Followed]) -> None:
    ask = asking(tmp_path, f"{index.url}alpha/")
    ask()
    path = follow(lambda: ask().startswith("cachedindex; hit") or pytest.fail("no hit"))
    assert path.files <= 16
    assert len(path.entered) <= 36
    assert path.opened == 0


def test_an_expired_page_of_a_dead_index(index: Index, tmp_path: Path, follow: Callable[..., Followed]) -> None:
    ask = asking(tmp_path, f"{index.url}alpha/", index_ttl=0.0)
    ask()
    index.refuse()
    for _ in range(3):  # It fails, and opens the breaker; then it is held back.
        path = follow(lambda: ask().startswith("cachedindex; hit") or pytest.fail("no copy"))
        assert path.files <= 22
        assert len(path.entered) <= 60
        assert path.opened <= 2
