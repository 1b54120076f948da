from __future__ import annotations

import pytest

from cachedindex.rules import urls


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@index.example/simple/?token=1#x", "https://index.example/simple/"),
        ("https://index.example:8443/a", "https://index.example:8443/a"),
        ("https://a@b@index.example/", "https://index.example/"),
    ],
)
def test_what_may_be_shown(url: str, shown: str) -> None:
    assert urls.public(url) == shown


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Index.Example/simple/", "https://index.example"),
        ("https://index.example:443/", "https://index.example"),
        ("http://index.example:8080/", "http://index.example:8080"),
        ("http://[::1]:80/", "http://::1"),
    ],
)
def test_origins(url: str, origin: str) -> None:
    assert urls.origin(url) == origin
