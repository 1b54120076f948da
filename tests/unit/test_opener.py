"""What our handlers in urllib's opener see of a request and of the other handlers, without asking anybody."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from cachedindex.clients.urllib import opener
from cachedindex.clients.urllib.opener import CacheHandler, PrivacyWitness
from cachedindex.errors import IndexMissing

INDEX = "https://index.example/simple/six/"


def seen(*hops: urllib.request.Request, known: str = "", later: dict[str, str] | None = None) -> tuple[bool, bool]:
    """Have the witness see these hops, of which the last has more headers when it is answered."""
    witness = PrivacyWitness()
    with opener._asking(plain=hops[0].type == "http", known=known):
        for hop in hops:
            witness.http_request(hop)
        for name, value in (later or {}).items():
            hops[-1].add_unredirected_header(name, value)
        witness.http_response(hops[-1], None)
        return opener._thread.saw_private, opener._thread.saw_credential


@pytest.mark.parametrize(
    ("first", "second", "private"),
    [
        (INDEX, "https://files.example/six/", False),
        (INDEX, "http://files.example/six/", True),
        ("http://index.example/six/", "http://files.example/six/", False),
        ("http://index.example/six/", "https://files.example/six/", False),
    ],
)
def test_a_hop_without_tls_after_one_with_it_is_not_stored(first: str, second: str, private: bool) -> None:
    assert seen(urllib.request.Request(first), urllib.request.Request(second)) == (private, False)


@pytest.mark.parametrize(
    ("headers", "known", "saw"),
    [
        ({}, "", (False, False)),
        ({"Accept": "text/html"}, "", (False, False)),
        ({"Authorization": "Basic x"}, "", (False, True)),
        ({"Authorization": "Basic x"}, "Basic x", (False, False)),
        ({"Authorization": "Basic x"}, "Basic y", (False, True)),
        ({"Cookie": "session=x"}, "", (True, False)),
        ({"X-Token": "x", "Authorization": "Basic x"}, "", (True, True)),
    ],
)
def test_what_is_added_before_or_while_a_handler_connects(
    headers: dict[str, str], known: str, saw: tuple[bool, bool]
) -> None:
    assert seen(urllib.request.Request(INDEX, headers=headers), known=known) == saw
    assert seen(urllib.request.Request(INDEX), known=known, later=headers) == saw


def test_what_one_look_up_has_shown_says_nothing_of_the_next() -> None:
    assert seen(urllib.request.Request(INDEX, headers={"Cookie": "x", "Authorization": "Basic x"})) == (True, True)
    assert seen(urllib.request.Request(INDEX)) == (False, False)


class Foreign(urllib.request.BaseHandler):
    def https_open(self, req: urllib.request.Request) -> None:
        """Leave it to the other handlers."""


@pytest.mark.parametrize(
    ("make", "hides"),
    [
        (list, False),
        (lambda: [urllib.request.HTTPSHandler(context=ssl.create_default_context())], True),
        (lambda: [Foreign()], True),
    ],
    ids=["none", "a context", "code of its own"],
)
def test_which_handlers_may_add_a_credential_that_nobody_sees(make: Callable[[], list[Any]], hides: bool) -> None:
    nothing: Any = None
    ours = CacheHandler(nothing, IndexMissing)
    urllib.request.build_opener(ours, *make())
    assert ours._hides_credential("https") is hides
    assert not ours._hides_credential("http")


def test_a_default_context_that_was_replaced_may_have_a_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = None
    ours = CacheHandler(nothing, IndexMissing)
    urllib.request.build_opener(ours)
    monkeypatch.setattr(ssl, "_create_default_https_context", lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    assert ours._hides_credential("https")
    assert not ours._hides_credential("http")


def test_an_attempt_in_another_thread_sends_what_the_request_has() -> None:
    request = urllib.request.Request(INDEX, headers={"Accept": "text/html"})
    request.add_unredirected_header("Authorization", "Basic x")
    copied = opener._copy(request, {"If-None-Match": '"1"'})
    assert copied.headers == {"Accept": "text/html", "If-none-match": '"1"'}
    assert copied.unredirected_hdrs == {"Authorization": "Basic x"}, "which no redirect may carry elsewhere"
    copied.add_unredirected_header("Cookie", "x")
    assert not request.has_header("Cookie")
