"""The transport on plain httpx, and on httpx2, as a build script uses it."""

from __future__ import annotations

import gzip
import hashlib
import logging
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import requests

import cachedindex
from tests import index as faults, packages
from tests.index import JSON, Index, serving
from tests.sites import new_authority

if TYPE_CHECKING:
    import trustme

pytestmark = pytest.mark.usefixtures("nobodys_environment")
Open = Callable[..., Any]


@pytest.fixture
def nobodys_environment(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    for name in ("CACHEDINDEX_RUN", "CACHEDINDEX_CONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(params=["httpx", "httpx2"])
def httpx(request: pytest.FixtureRequest) -> ModuleType:
    try:
        return import_module(request.param)
    except ImportError:
        pytest.skip(f"{request.param} is not installed")


@pytest.fixture
def open_client(tmp_path: Path, httpx: ModuleType) -> Iterator[Open]:
    """Give a function that opens a client like that of another process: only the folder is shared."""
    opened: list[Any] = []

    def open_client(inner: Any = None, client: dict[str, Any] | None = None, **options: Any) -> Any:
        inner = httpx.HTTPTransport() if inner is None else inner
        transport = cachedindex.CachedIndexTransport(inner, **{"cache_dir": tmp_path / "cache", **options})
        opened.append(httpx.Client(transport=transport, **(client or {})))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


def test_pages_and_files_survive_the_index(open_client: Open, index: Index) -> None:
    client = open_client()
    page = client.get(f"{index.url}alpha/", headers={"Accept": JSON})
    (entry,) = page.json()["files"]
    with client.stream("GET", f"{index.origin}{entry['url']}") as wheel:
        content = b"".join(wheel.iter_bytes(100))
    assert hashlib.sha256(content).hexdigest() == entry["hashes"]["sha256"]
    index.close()

    client = open_client(index_ttl=0)
    again = client.get(f"{index.url}alpha/", headers={"Accept": JSON})
    assert again.json() == page.json()
    assert again.url == page.url
    assert again.headers["Cache-Status"].startswith("cachedindex; hit; ttl=-")
    assert again.reason_phrase == "OK"
    assert client.get(f"{index.origin}{entry['url']}").content == content


def test_a_copy_of_requests_serves_httpx(open_client: Open, index: Index, tmp_path: Path) -> None:
    session = requests.Session()
    session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir=tmp_path / "cache"))
    page = session.get(f"{index.url}alpha/", headers={"Accept": JSON})
    session.close()
    index.close()
    assert open_client(index_ttl=0).get(f"{index.url}alpha/", headers={"Accept": JSON}).content == page.content


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (faults.reset, "it reset the connection"),
        (faults.status(503), "it answered 503"),
        (faults.hang, "no answer within 0.5 s"),
        (faults.body(b"<html><form>Log in"), "it answered with HTML, but no index page"),
    ],
    ids=["reset", "503", "hang", "login"],
)
def test_an_expired_page_is_served_stale(
    open_client: Open, index: Index, fault: faults.Fault, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    page = open_client().get(f"{index.url}alpha/")
    index.fault(fault)
    client = open_client(index_ttl=0, timeout=0.5)
    assert client.get(f"{index.url}alpha/").text == page.text
    client.close()
    assert why in caplog.text


def test_a_refused_connection_is_the_origins(open_client: Open, index: Index, caplog: pytest.LogCaptureFixture) -> None:
    open_client().get(f"{index.url}alpha/")
    index.close()
    client = open_client(index_ttl=0)
    client.get(f"{index.url}alpha/")
    client.close()
    assert "it refused the connection" in caplog.text


def test_without_a_copy_the_client_gets_its_own_error(open_client: Open, index: Index, httpx: ModuleType) -> None:
    index.fault(faults.reset)
    client = open_client()
    with pytest.raises(httpx.TransportError) as raised:
        client.get(f"{index.url}alpha/")
    assert str(raised.value.request.url) == f"{index.url}alpha/"
    assert len(index.seen) == 1


def test_the_retries_are_the_clients_without_a_copy_only(open_client: Open, index: Index, httpx: ModuleType) -> None:
    inner = httpx.HTTPTransport(retries=2)
    client = open_client(inner, index_ttl=0)
    client.get(f"{index.url}alpha/")
    transport = client._transport
    assert transport._twin(f"{index.url}alpha/")._pool._retries == 0
    assert inner._pool._retries == 2
    client.get(f"{index.url}alpha/")
    assert index.pages_seen() == ["/simple/alpha/"] * 2


def test_an_expired_page_is_revalidated(open_client: Open, index: Index) -> None:
    index.validators = True
    open_client().get(f"{index.url}alpha/")
    assert open_client(index_ttl=0).get(f"{index.url}alpha/").status_code == 200
    assert "if-none-match" in index.seen[-1].headers


@pytest.mark.parametrize("follows", [True, False])
def test_redirects(open_client: Open, index: Index, httpx: ModuleType, follows: bool) -> None:
    bare = httpx.get(f"{index.url}Alpha/", follow_redirects=follows)
    for _ in range(2):
        client = open_client(client={"follow_redirects": follows})
        found = client.get(f"{index.url}Alpha/")
        assert (found.url, found.content) == (bare.url, bare.content)
        assert len(found.history) == len(bare.history)
        if not follows:
            assert found.headers["Location"] in ("/simple/alpha/", f"{index.url}alpha/")
            assert client.send(found.next_request).text.startswith("<!DOCTYPE")
        client.close()
    index.close()
    again = open_client(client={"follow_redirects": follows}, index_ttl=0).get(f"{index.url}Alpha/")
    assert (again.url, again.status_code) == (bare.url, 200 if follows else 302)


def test_redirects_without_end_are_the_clients_own_error(open_client: Open, index: Index, httpx: ModuleType) -> None:
    index.fault(faults.looping, "/simple/alpha/")
    with pytest.raises(httpx.TooManyRedirects):
        open_client(client={"follow_redirects": True}).get(f"{index.url}alpha/")


def test_a_credential_is_its_owners(open_client: Open, index: Index, httpx: ModuleType) -> None:
    mine = open_client(client={"auth": ("me", "secret")})
    assert mine.get(f"{index.url}alpha/").status_code == 200
    index.fault(faults.status(503))
    assert open_client(client={"auth": ("me", "secret")}, index_ttl=0).get(f"{index.url}alpha/").status_code == 200
    assert open_client(client={"auth": ("me", "other")}).get(f"{index.url}alpha/").status_code == 503
    assert open_client().get(f"{index.url}alpha/").status_code == 503
    inside = index.url.replace("http://", "http://me:secret@")
    assert open_client(index_ttl=0).get(f"{inside}alpha/").status_code == 200, "it is the same credential"


def test_an_authorization_does_not_follow_a_redirect_elsewhere(open_client: Open, index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    packages.add_wheel(folder, "alpha", "1.0")
    with serving(folder) as other:
        index.fault(faults.redirect(other.url.replace("127.0.0.1", "localhost") + "alpha/"), "/simple/alpha/")
        client = open_client(client={"follow_redirects": True, "auth": ("me", "secret")})
        assert client.get(f"{index.url}alpha/").status_code == 200
        assert all("authorization" not in seen.headers for seen in other.seen)


def test_a_cookie_of_somebody_is_not_stored_for_all(open_client: Open, index: Index) -> None:
    client = open_client()
    client.get(f"{index.url}alpha/", headers={"Cookie": "session=mine"})
    client.get(f"{index.url}alpha/", headers={"Cookie": "session=mine"})
    assert len(index.seen) == 2


def test_what_is_no_get_is_the_clients(open_client: Open, index: Index) -> None:
    client = open_client()
    client.post(f"{index.url}alpha/", content=b"body")
    assert client.head(f"{index.url}alpha/").status_code == 200


def test_a_body_in_an_encoding_that_httpx_decodes(open_client: Open, index: Index) -> None:
    packed: list[bytes] = []

    def zipped(handler: Any) -> bool:
        code, headers, content = handler.answer()
        packed.append(content)
        handler.reply(code, {**headers, "Content-Encoding": "gzip"}, gzip.compress(content))
        return False

    index.fault(zipped)
    first = open_client().get(f"{index.url}alpha/")
    assert first.content == packed[0]
    index.close()
    assert open_client(index_ttl=0).get(f"{index.url}alpha/").content == packed[0]


def test_many_threads_use_one_client(open_client: Open, index: Index) -> None:
    client = open_client()
    names = ["alpha", "beta", "gamma", "delta", "epsilon"] * 3
    found: list[int] = []

    def ask(name: str) -> None:
        found.append(client.get(f"{index.url}{name}/").status_code)

    threads = [threading.Thread(target=ask, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * len(names)


def test_the_clients_own_cache_does_not_answer_for_upstream(open_client: Open, index: Index, httpx: ModuleType) -> None:
    class Caching(httpx.BaseTransport):
        """Answers from a cache of its own, as hishel's transports do."""

        def __init__(self) -> None:
            self.next_transport = httpx.HTTPTransport()
            self.asked = 0

        def handle_request(self, request: Any) -> Any:
            self.asked += 1
            return self.next_transport.handle_request(request)

        def close(self) -> None:
            self.next_transport.close()

    Caching.__module__ = "hishel.httpx"
    caching = Caching()
    client = open_client(caching, index_ttl=0)
    assert client.get(f"{index.url}alpha/").status_code == 200
    assert caching.asked == 1
    assert client.get(f"{index.url}alpha/").status_code == 200
    assert (caching.asked, len(index.seen)) == (1, 2)


def test_nothing_is_logged_twice(open_client: Open, index: Index, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        open_client().get(f"{index.url}alpha/")
    assert len([line for line in caplog.messages if "HTTP Request" in line]) == 1


def test_a_wrong_option_is_a_mistake() -> None:
    with pytest.raises(cachedindex.SettingsError, match="CachedIndexTransport: index-tll"):
        cachedindex.CachedIndexTransport(index_tll="1 min")


def test_a_transport_of_something_else_passes_all(
    tmp_path: Path, httpx: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    class Else:
        def handle_request(self, request: Any) -> Any:
            return httpx.Response(200, text="mine")

        def close(self) -> None:
            """Nothing is open."""

    transport: Any = cachedindex.CachedIndexTransport(Else(), cache_dir=tmp_path / "cache")  # type: ignore[arg-type]
    client = httpx.Client(transport=transport)
    assert client.get("http://index.example/").text == "mine"
    assert "Else is no transport of httpx" in caplog.text
    client.close()


def test_a_transport_without_another_asks_the_proxy_of_the_environment(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", index.origin)
    transport = cachedindex.CachedIndexTransport(cache_dir=tmp_path / "cache")
    client = import_module("httpx").Client(transport=transport)
    assert client.get("http://index.example/simple/alpha/").status_code == 200
    assert [seen.path for seen in index.seen] == ["/simple/alpha/"]
    client.close()


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    authority = new_authority()
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return authority, path


def test_how_the_peer_is_verified(
    open_client: Open, distributions: Path, authority: tuple[trustme.CA, Path], httpx: ModuleType
) -> None:
    """What was fetched without verifying the peer is not served to a client that verifies it."""
    trusting = ssl.create_default_context(cafile=str(authority[1]))
    with serving(distributions, authority=authority[0]) as index:
        assert open_client(httpx.HTTPTransport(verify=False)).get(f"{index.url}alpha/").status_code == 200
        with pytest.raises(httpx.ConnectError):
            open_client(httpx.HTTPTransport()).get(f"{index.url}alpha/")
        assert open_client(httpx.HTTPTransport(verify=trusting)).get(f"{index.url}alpha/").status_code == 200
        asked = len(index.seen)
        assert asked == 2
        index.fault(faults.status(503))
        assert open_client(httpx.HTTPTransport(verify=trusting)).get(f"{index.url}alpha/").status_code == 200
        assert len(index.seen) > asked, "it may hold a certificate that nobody sees"


@pytest.fixture
def mirror(distributions: Path, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Give an index with the same files, which is declared as a mirror that may give pages."""
    with serving(Path(shutil.copytree(distributions, tmp_path / "mirrored"))) as mirror:
        path = tmp_path / "mirrored.cfg"
        path.write_text(f"[cachedindex:own]\nurl = {index.url}\nmirrors = {mirror.url}\nmirror-pages = yes\n")
        monkeypatch.setenv("CACHEDINDEX_CONFIG", str(path))
        yield mirror


def test_a_mirror_has_the_page_and_the_file(open_client: Open, index: Index, mirror: Index, tmp_path: Path) -> None:
    following = {"follow_redirects": True, "auth": ("me", "secret")}
    client = open_client(client=following)
    page = client.get(f"{index.url}epsilon/", headers={"Accept": JSON}).json()
    url = f"{index.origin}{page['files'][0]['url']}"
    wheel = client.get(url).content
    assert mirror.seen == []
    index.fault(faults.status(503))
    for blobs in (tmp_path / "cache").rglob("blobs-v1"):
        shutil.rmtree(blobs)
    assert client.get(url).content == wheel

    cold = client.get(f"{index.url}alpha/", headers={"Accept": JSON})
    assert (cold.status_code, cold.url) == (200, f"{mirror.url}alpha/")
    assert mirror.seen
    assert not any("authorization" in seen.headers for seen in mirror.seen)
    assert {seen.headers["host"] for seen in mirror.seen} == {mirror.origin.removeprefix("http://")}


def test_no_mirror_is_asked_by_a_transport_that_may_show_a_credential(
    open_client: Open, index: Index, mirror: Index, httpx: ModuleType
) -> None:
    class Signing(httpx.HTTPTransport):
        """What it adds to a request, nobody sees."""

    index.close()
    with pytest.raises(httpx.ConnectError):
        open_client(Signing()).get(f"{index.url}alpha/")
    assert mirror.seen == []
