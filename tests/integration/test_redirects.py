"""Redirects within an origin, by the adapter and by a bare session: both see the same, and so does upstream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import cachedindex
from tests import index as faults
from tests.index import Fault, Index


def moved(code: int, target: str, **headers: str) -> Fault:
    added = {name.replace("_", "-"): value for name, value in headers.items()}

    def fault(handler: faults.Handler) -> bool:
        location = target.replace("{port}", str(handler.server.server_address[1]))
        return faults.status(code, {"Location": location, **added}, b"moved")(handler)

    return fault


FAULTS: dict[str, list[tuple[Fault, str]]] = {
    **{str(code): [(moved(code, "/simple/alpha/"), "/old/")] for code in (301, 302, 303, 307, 308)},
    "two": [(moved(302, "/older/alpha/"), "/old/"), (moved(301, "../../simple/alpha/"), "/older/")],
    "a fragment": [(moved(302, "/simple/alpha/#part"), "/old/")],
    "a query": [(moved(302, "/simple/alpha/?token=1"), "/old/")],
    "no scheme": [(moved(302, "//127.0.0.1:{port}/simple/alpha/"), "/old/")],
    "cookies": [(moved(302, "/older/alpha/", Set_Cookie="a=1"), "/old/"),
                (moved(302, "/simple/alpha/", Set_Cookie="b=2"), "/older/")],
    "what is missing": [(moved(302, "/simple/nothing/"), "/old/")],
    "what breaks": [(moved(302, "/broken/"), "/old/"), (faults.reset, "/broken/")],
    "itself": [(moved(302, "/old/alpha/"), "/old/")],
    "no host": [(moved(302, "http://"), "/old/")],
    "a file": [(moved(302, "/files/alpha-1.0-py3-none-any.whl"), "/old/")],
    "no location": [(faults.status(302, {}, b""), "/old/")],
    "no redirect": [(faults.status(300, {}, b"choose"), "/old/")],
}  # fmt: skip
WAYS: dict[str, dict[str, Any]] = {
    "get": {},
    "get stopped": {"allow_redirects": False},
    "get streamed": {"stream": True},
    "head": {"method": "HEAD", "allow_redirects": True},
    "with a fragment": {"url": "#here"},
    "with a password": {"auth": ("user", "secret")},
    "with a cookie": {"cookies": {"c": "3"}},
}


@pytest.fixture
def bare() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture
def covered(tmp_path: Path) -> Iterator[requests.Session]:
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, cachedindex.CachedIndexAdapter(cache_dir=tmp_path / "cache", index_ttl=0))
        yield session


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    for name in ("CACHEDINDEX_RUN", "CACHEDINDEX_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def told(session: requests.Session, index: Index, **way: Any) -> list[object]:
    """Return all that a session tells of one request."""
    seen: list[str] = []
    hooks = {"response": lambda response, **_: seen.append(f"{response.status_code} {response.url}")}
    url = f"{index.origin}/old/alpha/{way.pop('url', '')}"
    session.cookies.clear()
    asked = len(index.seen)
    try:
        with session.request(way.pop("method", "GET"), url, hooks=hooks, timeout=20, **way) as response:
            hops = [*response.history, response]
            result: object = [
                (hop.status_code, hop.url, hop.request.method, hop.request.url, hop.content, hop.is_redirect,
                 hop.headers.get("Location"), [old.url for old in hop.history], dict(hop.cookies))
                for hop in hops
            ]  # fmt: skip
            following = response.next.url if response.next else None
    except requests.RequestException as error:
        result, following = type(error), error.response is not None and len(error.response.history)
    paths = [request.path for request in index.seen[asked:]]
    if way.get("allow_redirects") is False:
        paths = paths[:1]  # The adapter asks for the end, whether the session wants it or not.
    return [result, following, seen, session.cookies.get_dict(), paths]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_session_sees_what_it_would_see_without_us(
    bare: requests.Session, covered: requests.Session, index: Index, fault: str, way: str
) -> None:
    for answer, path in FAULTS[fault]:
        index.fault(answer, path)
    expected = told(bare, index, **WAYS[way])
    assert told(covered, index, **WAYS[way]) == expected, "without a copy"
    assert told(covered, index, **WAYS[way]) == expected, "with one that has expired"
