"""A credential that is added below our edge, and is no header of the request: nobody else is served what it got."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter

import cachedindex
from cachedindex import sources
from cachedindex.clients.requests.vendored import hides_credential
from cachedindex.clients.urllib.opener import CacheHandler, PrivacyWitness
from cachedindex.options import Settings
from cachedindex.process import join
from tests import index as faults
from tests.index import Index
from tests.sites import new_authority

if TYPE_CHECKING:
    import trustme

TOKEN = "Bearer telltale"


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    for name in ("CACHEDINDEX_RUN", "CACHEDINDEX_CONFIG", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def session(tmp_path: Path, inner: HTTPAdapter, **options: object) -> Iterator[requests.Session]:
    with requests.Session() as opened:
        adapter = cachedindex.CachedIndexAdapter(inner, cache_dir=tmp_path / "cache", **options)
        opened.mount("http://", adapter)
        opened.mount("https://", adapter)
        yield opened


def shared(tmp_path: Path) -> list[Path]:
    return [path for name in ("records-v1", "blobs-v1") for path in (tmp_path / "cache" / name).rglob("*")]


class AddsHeaders(HTTPAdapter):
    def add_headers(self, request: requests.PreparedRequest, **_: Any) -> None:
        request.headers["Authorization"] = TOKEN


class AddsAnotherHeader(HTTPAdapter):
    def add_headers(self, request: requests.PreparedRequest, **_: Any) -> None:
        request.headers["X-Token"] = TOKEN


class Sends(HTTPAdapter):
    def send(self, request: requests.PreparedRequest, *more: Any, **named: Any) -> requests.Response:
        request = request.copy()
        request.headers["Authorization"] = TOKEN
        return super().send(request, *more, **named)


class RewritesUrls(HTTPAdapter):
    def request_url(self, request: requests.PreparedRequest, *more: Any, **named: Any) -> str:
        return f"{super().request_url(request, *more, **named)}?token=telltale"


@pytest.mark.parametrize(
    ("adapter", "header", "kept"),
    [
        (AddsHeaders, "Authorization", True),
        (AddsAnotherHeader, "X-Token", False),
        (Sends, "Authorization", True),
        (RewritesUrls, "", True),
    ],
)
def test_what_an_adapter_adds(
    index: Index, tmp_path: Path, adapter: Callable[[], HTTPAdapter], header: str, kept: bool
) -> None:
    def refuse(handler: faults.Handler) -> bool:
        return "telltale" in handler.path or faults.unless(header or "X", TOKEN)(handler)

    index.fault(refuse)
    url = f"{index.url}alpha/"
    for _ in range(2):
        with session(tmp_path, adapter(), index_ttl="1 h") as knows:
            assert knows.get(url).status_code == 200
    assert len(index.seen) == 2, "each time, since only the index knows whether the credential still holds"
    assert not shared(tmp_path)
    with session(tmp_path, HTTPAdapter(), index_ttl="1 h") as stranger:
        assert stranger.get(url).status_code == 401
    index.close()
    with session(tmp_path, HTTPAdapter(), index_ttl=0) as stranger, pytest.raises(requests.ConnectionError):
        stranger.get(url)
    with session(tmp_path, adapter(), index_ttl=0) as knows:
        if kept:
            assert knows.get(url).status_code == 200
        else:
            with pytest.raises(requests.ConnectionError):
                knows.get(url)


class WithContext(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        super().__init__()

    def init_poolmanager(self, *more: Any, **named: Any) -> None:
        super().init_poolmanager(*more, ssl_context=self.context, **named)


def by_hand(context: ssl.SSLContext) -> HTTPAdapter:
    adapter = HTTPAdapter()
    adapter.init_poolmanager(4, 4, ssl_context=context)
    return adapter


@pytest.fixture
def authority() -> trustme.CA:
    return new_authority()


@pytest.fixture
def closed(distributions: Path, authority: trustme.CA) -> Iterator[Index]:
    """Give an index that wants a client certificate."""
    with faults.serving(distributions, "localhost", authority) as index:
        assert index.certificate
        index.certificate.maximum_version = ssl.TLSVersion.TLSv1_2
        index.certificate.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(index.certificate)
        yield index


def certified(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    authority.issue_cert("me@example.org").configure_cert(context)
    return context


@pytest.mark.parametrize("adapter", [WithContext, by_hand])
def test_a_certificate_in_a_context(
    closed: Index, authority: trustme.CA, tmp_path: Path, adapter: Callable[[ssl.SSLContext], HTTPAdapter]
) -> None:
    bundle, url = tmp_path / "authority.pem", f"{closed.url}alpha/"
    authority.cert_pem.write_to_path(str(bundle))
    context = certified(authority)
    for options in ({}, {"index_ttl": "1 h"}):
        with session(tmp_path, adapter(context), **options) as knows:
            assert knows.get(url, verify=str(bundle)).status_code == 200
            assert knows.get(f"{closed.origin}/files/alpha-1.0-py3-none-any.whl", verify=str(bundle)).ok
    assert not shared(tmp_path)
    closed.close()
    with session(tmp_path, HTTPAdapter()) as stranger, pytest.raises(requests.ConnectionError):
        stranger.get(url, verify=str(bundle))
    with session(tmp_path, adapter(context)) as knows:
        assert knows.get(url, verify=str(bundle)).status_code == 200


class Opens(urllib.request.HTTPSHandler):
    """A handler with code of its own, as recipes for client certificates have it."""

    def https_open(self, req: urllib.request.Request) -> Any:
        return super().https_open(req)


@pytest.mark.parametrize("handler", [urllib.request.HTTPSHandler, Opens])
def test_a_certificate_in_a_handlers_context(
    closed: Index, authority: trustme.CA, tmp_path: Path, handler: Callable[..., urllib.request.BaseHandler]
) -> None:
    loaded = sources.Loaded(Settings(cache_dir=str(tmp_path / "cache")))

    def get(context: ssl.SSLContext) -> int:
        cache = join(object(), loaded, say=lambda _: None).cache
        assert cache
        opener = urllib.request.build_opener(handler(context=context), CacheHandler(cache, Exception), PrivacyWitness())
        return int(opener.open(f"{closed.url}alpha/").status)

    strangers = ssl.create_default_context()
    authority.configure_trust(strangers)
    for _ in range(2):
        assert get(certified(authority)) == 200
    assert len(closed.seen) == 2
    assert not shared(tmp_path)


def test_what_adds_nothing() -> None:
    from pip._internal.network.session import PipSession
    from pip._vendor import requests as vendored

    with PipSession(cache="/nonexistent", ssl_context=ssl.create_default_context()) as pips:
        adapters = [HTTPAdapter(), vendored.adapters.HTTPAdapter(), *pips.adapters.values()]
        for adapter in (each for each in adapters if hasattr(each, "poolmanager")):
            assert not hides_credential(adapter, "https://index.example/"), type(adapter)


class SendsAsItIs(HTTPAdapter):
    def send(self, request: requests.PreparedRequest, *more: Any, **named: Any) -> requests.Response:
        return super().send(request, *more, **named)


def test_a_credential_beside_one_that_nobody_sees_is_a_scope_of_its_own(index: Index, tmp_path: Path) -> None:
    index.fault(faults.unless("Authorization", requests.auth._basic_auth_str("julia", "horse")))
    urls = f"{index.url}alpha/", f"{index.origin}/files/alpha-1.0-py3-none-any.whl"
    for _ in range(2):
        with session(tmp_path, SendsAsItIs(), index_ttl="1 h") as mine:
            assert all(mine.get(url, auth=("julia", "horse")).ok for url in urls)
    assert len(index.seen) == 3, "the page is asked for each time"
    assert not shared(tmp_path)
    with session(tmp_path, HTTPAdapter(), index_ttl="1 h") as another:
        assert another.get(urls[0], auth=("julia", "horse")).ok
    assert len(index.seen) == 4, "it may have no such certificate"
    index.close()
    with session(tmp_path, SendsAsItIs()) as mine:
        assert all(mine.get(url, auth=("julia", "horse")).ok for url in urls)
    with session(tmp_path, SendsAsItIs()) as mine, pytest.raises(requests.ConnectionError):
        mine.get(urls[0], auth=("julia", "wrong"))


def test_what_may_have_a_credential_is_shared_or_left_out_if_that_is_said(index: Index, tmp_path: Path) -> None:
    with session(tmp_path, SendsAsItIs(), private=False) as nobodys:
        assert nobodys.get(f"{index.url}alpha/").ok
    assert not shared(tmp_path)
    assert not (tmp_path / "cache/private-v1").exists()
    with session(tmp_path, SendsAsItIs(), share=True) as everybodys:
        assert everybodys.get(f"{index.url}alpha/").ok
    assert shared(tmp_path)
