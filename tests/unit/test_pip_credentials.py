"""As whom pip would ask for a URL that it has not asked for yet, by pip's own session."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pip._internal.network.session import PipSession
from pip._vendor.requests import Request

from cachedindex.clients.pip import credentials

HOST = "https://index.example"
FIRST, SECOND = f"{HOST}/p/1/simple/", f"{HOST}/p/2/simple/"


@pytest.fixture(autouse=True)
def nobody_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def opened(*indexes: str, passwords: Mapping[str, tuple[str, str]] | None = None) -> Any:
    """Return pip's session for these indexes; it fails if it asks a person or a keyring."""
    session = PipSession(index_urls=list(indexes))
    session.auth.passwords.update(passwords or {})
    session.auth._prompt_for_password = session.auth._get_keyring_auth = None  # type: ignore[assignment, method-assign]
    return session


def of(user: str, path: str) -> str:
    return f"{HOST}{path}".replace("://", f"://{user}@")


def as_whom(session: Any, url: str) -> str | None:
    """Return the credential that is foreseen; LookupError if none is known."""
    found = credentials.signed(session, Request("GET", url).prepare())  # type: ignore[arg-type]
    if found is None:
        raise LookupError(url)
    assert "@" not in str(found.url)
    return found.headers.get("authorization")


def by_pip(session: Any, url: str) -> str | None:
    """Return the credential that pip does send."""
    sent: str | None = session.prepare_request(Request("GET", url)).headers.get("authorization")
    return sent


@pytest.mark.parametrize("path", ["/p/1/simple/six/", "/p/2/simple/six/", "/p/2/files/six-1.0.whl", "/six-1.0.whl"])
@pytest.mark.parametrize("before", [(), (f"{FIRST}star/",), (f"{FIRST}star/", f"{SECOND}star/")])
def test_each_index_of_a_host_has_its_own(path: str, before: tuple[str, ...]) -> None:
    session = opened(of("a:A", "/p/1/simple/"), of("b:B", "/p/2/simple/"))
    for url in before:
        by_pip(session, url)
    remembered = dict(session.auth.passwords)
    found = as_whom(session, HOST + path)
    assert session.auth.passwords == remembered
    assert found == by_pip(session, HOST + path)


def test_a_url_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine index.example login n password N\n")
    session = opened(FIRST)
    assert as_whom(session, of("a:A", "/p/1/simple/six/")) == by_pip(session, of("a:A", "/p/1/simple/six/"))
    assert as_whom(session, f"{FIRST}six/") == by_pip(session, f"{FIRST}six/")


def test_what_a_person_or_a_keyring_has_said_counts() -> None:
    for index in (FIRST, of("a", "/p/1/simple/")):
        session = opened(index, passwords={"index.example": ("a", "A")})
        assert as_whom(session, f"{FIRST}six/") == by_pip(session, f"{FIRST}six/")


def test_what_depends_on_what_pip_asks_for_before_is_not_known() -> None:
    session = opened(FIRST, of("b:B", "/p/2/simple/"))
    with pytest.raises(LookupError):
        as_whom(session, f"{FIRST}six/")
    by_pip(session, f"{SECOND}six/")
    assert as_whom(session, f"{FIRST}six/") == by_pip(session, f"{FIRST}six/")
    users = opened(of("a", "/p/1/simple/"), of("b", "/p/2/simple/"), passwords={"index.example": ("a", "A")})
    with pytest.raises(LookupError):
        as_whom(users, f"{FIRST}six/")


def test_nobody_has_none() -> None:
    assert as_whom(opened(FIRST), f"{FIRST}six/") is None


def test_cookies_are_those_of_the_url() -> None:
    session = opened(FIRST)
    session.cookies.set("one", "1", domain="index.example", path="/p/1/")
    session.cookies.set("two", "2", domain="index.example", path="/p/2/")
    found = credentials.signed(session, Request("GET", f"{SECOND}six/").prepare())  # type: ignore[arg-type]
    assert found is not None
    assert found.headers["Cookie"] == "two=2"


def test_a_session_that_chooses_in_another_way_is_left_alone() -> None:
    session = opened(FIRST)
    session.auth = lambda request: request
    with pytest.raises(LookupError):
        as_whom(session, f"{FIRST}six/")
