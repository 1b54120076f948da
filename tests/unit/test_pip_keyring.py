"""When pip would get credentials after a 401 without asking a person."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from cachedindex.clients.pip import keyring
from cachedindex.run.report import Report

URL = "https://index.example/simple/six/"
NEW = {"use_keyring": True, "keyring_provider": SimpleNamespace(has_keyring=True)}


def session(password: str | None = "secret", **auth: Any) -> Any:
    def find(url: str, *, allow_netrc: bool, allow_keyring: bool) -> tuple[str | None, str | None]:
        assert (url, allow_netrc, allow_keyring) == (URL, False, True)
        return "julia", password

    return SimpleNamespace(auth=SimpleNamespace(_get_new_credentials=find, **auth))


def request(authorization: str | None = None) -> requests.PreparedRequest:
    headers = {"Authorization": authorization} if authorization else {}
    return requests.Request("GET", URL, headers=headers).prepare()


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("auth", "is_there"),
    [
        (NEW, True),
        ({**NEW, "use_keyring": False}, False),
        ({**NEW, "keyring_provider": SimpleNamespace(has_keyring=False)}, False),
        ({"prompting": True}, True),  # Before pip 23.1.
        ({"prompting": False}, False),
        ({}, False),
    ],
)
def test_whether_there_is_a_keyring(auth: dict[str, Any], is_there: bool) -> None:
    found = keyring.of(session(**auth), Report(), request())
    assert found
    assert found.is_there() is is_there


@pytest.mark.parametrize(("password", "has"), [("secret", True), ("", False), (None, False)])
def test_whether_it_has_credentials(password: str | None, has: bool) -> None:
    found = keyring.of(session(password, **NEW), Report(), request())
    assert found
    assert found.has(URL) is has


@pytest.mark.parametrize(
    ("authorization", "is_asked"),
    [(None, True), (basic("julia:"), True), (basic("julia:secret"), False), ("Bearer x", False), ("Basic %", False)],
)
def test_a_request_with_credentials_of_its_own_has_no_need_of_it(authorization: str | None, is_asked: bool) -> None:
    assert (keyring.of(session(**NEW), Report(), request(authorization)) is not None) is is_asked


def test_a_pip_that_asks_it_in_another_way_goes_without() -> None:
    said: list[str] = []
    found = keyring.of(SimpleNamespace(auth=SimpleNamespace(**NEW)), Report(said.append), request())
    assert found
    assert not found.has(URL)
    assert len(said) == 1
    assert keyring.of(SimpleNamespace(auth=None), Report(), request()) is None
