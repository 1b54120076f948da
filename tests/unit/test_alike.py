"""A request as buildout's index reader will make it: it is compared with the one that the reader does make."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cachedindex.clients.urllib import alike
from cachedindex.clients.urllib.opener import CacheHandler, PrivacyWitness
from cachedindex.errors import IndexMissing
from cachedindex.model import Answer, Request, Send
from cachedindex.rules.decide import Pass

reader: Any = pytest.importorskip("zc.buildout._package_index")
INDEX = "https://index.example/simple/six/"
URLS = (
    INDEX,
    "https://jane:s%40fe@index.example/simple/flask/",
    "http://files.example:8080/six-1.0.tar.gz#sha256=" + "0" * 64,
)


class Cache:
    """Answers every request, and notes it, and what the look-up shows of others."""

    def __init__(self) -> None:
        self.report: Any = None
        self.asked: list[Request] = []
        self.likes: list[Callable[[str], tuple[Request, Send] | None]] = []
        self.ahead: Any = SimpleNamespace(heard=lambda _asked, like, _sent: self.likes.append(like))

    def answer(self, request: Request, send: Send, **_: object) -> Answer | Pass:
        self.asked.append(request)
        return Answer(200, "OK", request.url, {"content-length": "0"}, BytesIO())


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def opener(cache: Cache, own_home: Path) -> urllib.request.OpenerDirector:  # The real home may have a .pypirc.
    return urllib.request.build_opener(CacheHandler(cache, IndexMissing), PrivacyWitness())


@pytest.mark.parametrize("first", URLS)
@pytest.mark.parametrize("second", URLS)
def test_it_is_the_request_that_the_reader_makes(
    cache: Cache, opener: urllib.request.OpenerDirector, first: str, second: str
) -> None:
    reader.open_with_auth(first, opener.open)
    found = cache.likes[-1](second)
    reader.open_with_auth(second, opener.open)
    assert found
    assert found[0] == cache.asked[-1]


def test_what_a_recipe_asks_for_is_no_model(cache: Cache, opener: urllib.request.OpenerDirector) -> None:
    opener.open(INDEX)
    assert len(cache.asked) == 1
    assert cache.likes == []


def test_it_is_not_known_beside_another_handler(cache: Cache, opener: urllib.request.OpenerDirector) -> None:
    opener.add_handler(Prompting())
    reader.open_with_auth(INDEX, opener.open)
    assert cache.likes[-1](INDEX) is None


class Prompting(urllib.request.HTTPBasicAuthHandler):
    """May ask a person."""


@pytest.mark.parametrize(
    ("handlers", "expected"),
    [
        ([], True),
        ([urllib.request.HTTPSHandler(context=ssl.create_default_context()), urllib.request.ProxyHandler({})], True),
        ([urllib.request.HTTPBasicAuthHandler()], False),
        ([Prompting()], False),
        ([urllib.request.HTTPCookieProcessor()], False),
    ],
)
def test_which_handlers_may_send_several_at_once(handlers: list[Any], expected: bool) -> None:
    assert alike.are_plain(vars(urllib.request.build_opener(*handlers))["handlers"]) is expected


def test_tls_that_somebody_has_replaced_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "SSLContext", type("SSLContext", (), {}))
    assert not alike.are_plain([])
