"""What the witness in urllib's opener sees of a request as it leaves, and when it was answered."""

from __future__ import annotations

import urllib.request

import pytest

from cachedindex.clients.urllib import opener
from cachedindex.clients.urllib.opener import PrivacyWitness

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
