"""The keyring of pdm, which has what pip's has by other names."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from cachedindex.clients import pdm


class Auth:
    """As pdm's auth looks for credentials."""

    def __init__(self, password: str | None) -> None:
        self._password = password
        self.asked: list[Any] = []

    def _get_new_credentials(self, url: str, **sources: bool) -> tuple[str, str | None]:
        self.asked.append((url, sources))
        return "me", self._password


def request(**headers: str) -> Any:
    return SimpleNamespace(headers=headers)


@pytest.mark.parametrize("password", ["secret", None])
def test_it_is_asked_as_pdm_would_ask_it_after_a_401(password: str | None) -> None:
    auth = Auth(password)
    keyring = pdm._keyring_for(SimpleNamespace(auth=auth), request())
    assert keyring is not None
    assert keyring.has("https://index.example/simple/six/") is bool(password)
    asked = [("https://index.example/simple/six/", {"allow_netrc": False, "allow_keyring": True})]
    assert auth.asked == asked


def test_a_request_that_has_a_credential_needs_none() -> None:
    assert pdm._keyring_for(SimpleNamespace(auth=Auth("x")), request(authorization="Basic x")) is None
    assert pdm._keyring_for(SimpleNamespace(auth=None), request()) is None


@pytest.mark.parametrize("provider", [None, object()])
def test_whether_there_is_one_is_what_pdm_says(provider: object, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("unearth.auth")
    module.get_keyring_provider = lambda: provider
    monkeypatch.setitem(sys.modules, "unearth.auth", module)
    keyring = pdm._keyring_for(SimpleNamespace(auth=Auth(None)), request())
    assert keyring is not None
    assert keyring.is_there() is (provider is not None)


def test_a_client_of_something_else_is_left_alone() -> None:
    class Client:
        """No copy of httpx is loaded that has it."""

    Client.__module__ = "nowhere.loaded"
    assert pdm._library_of(Client) is None
    assert pdm._library_of(None) is None
