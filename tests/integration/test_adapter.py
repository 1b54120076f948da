"""The adapter on plain requests, as a build script mounts it."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

import cachedindex
from cachedindex.clients import bodies
from tests import index as faults, packages
from tests.index import JSON, Index


class Watched(HTTPAdapter):
    """A ready adapter that records the arguments of send, and can fail."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.failure: Exception | None = None
        super().__init__(max_retries=2)

    def send(self, request: Any, **options: Any) -> Any:
        self.sent.append({**options, "url": request.url, "retries": self.max_retries.total})
        if self.failure:
            raise self.failure
        return super().send(request, **options)


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    for name in ("CACHEDINDEX_RUN", "CACHEDINDEX_CONFIG", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def open_session(tmp_path: Path) -> Iterator[Callable[..., requests.Session]]:
    """Give a function that opens a session like that of another process: only the folder is shared."""
    opened: list[requests.Session] = []

    def open_session(inner: HTTPAdapter | None = None, **options: object) -> requests.Session:
        session = requests.Session()
        adapter = cachedindex.CachedIndexAdapter(inner, **{"cache_dir": tmp_path / "cache", **options})
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        opened.append(session)
        return session

    yield open_session
    for session in opened:
        session.close()


Open = Callable[..., requests.Session]


def test_pages_and_files_survive_the_index(open_session: Open, index: Index) -> None:
    session = open_session()
    page = session.get(f"{index.url}alpha/", headers={"Accept": JSON})
    (entry,) = page.json()["files"]
    wheel = session.get(f"{index.origin}{entry['url']}", stream=True)
    content = b"".join(wheel.iter_content(100))
    assert hashlib.sha256(content).hexdigest() == entry["hashes"]["sha256"]
    index.close()

    session = open_session(index_ttl=0)
    again = session.get(f"{index.url}alpha/", headers={"Accept": JSON})
    assert again.json() == page.json()
    assert again.url == page.url
    assert again.headers["Cache-Status"].startswith("cachedindex; hit; ttl=-")
    assert session.get(f"{index.origin}{entry['url']}").content == content


def test_html_and_json_are_two_records(open_session: Open, index: Index) -> None:
    session = open_session()
    assert session.get(f"{index.url}alpha/").text.startswith("<!DOCTYPE")
    assert session.get(f"{index.url}alpha/", headers={"Accept": JSON}).json()["name"] == "alpha"
    assert len(index.seen) == 2
    assert session.get(f"{index.url}alpha/").text.startswith("<!DOCTYPE")
    assert len(index.seen) == 2


@pytest.mark.parametrize("accept", [f"{JSON}, text/html", f"text/html, {JSON};q=0.5"])
def test_json_that_came_to_who_reads_both_is_html_for_who_reads_that_alone(
    open_session: Open, index: Index, accept: str
) -> None:
    session = open_session()
    assert session.get(index.url + "alpha/", headers={"Accept": accept}).headers["Content-Type"] == JSON
    html = session.get(index.url + "alpha/", headers={"Accept": "text/html"})
    assert html.headers["Content-Type"] == "text/html; charset=utf-8"
    assert html.text.startswith("<!DOCTYPE")
    assert len(index.seen) == 1


def test_every_argument_reaches_the_ready_adapter(open_session: Open, index: Index) -> None:
    inner = Watched()
    session = open_session(inner)
    arguments = {"timeout": (3, 4), "stream": True, "proxies": {"ftp": "http://proxy.example"}}
    session.get(f"{index.url}alpha/", **arguments)
    (sent,) = inner.sent
    assert {name: sent[name] for name in ("timeout", "stream")} == {"timeout": (3, 4), "stream": True}
    assert sent["proxies"]["ftp"] == "http://proxy.example"
    assert sent["verify"] is True
    assert sent["retries"] == 2


def test_an_attempt_with_a_copy_has_no_retries_and_its_own_connections(open_session: Open, index: Index) -> None:
    open_session(Watched()).get(f"{index.url}alpha/")
    inner = Watched()
    session = open_session(inner, index_ttl=0)
    session.get(f"{index.url}alpha/")
    (sent,) = inner.sent
    assert sent["retries"] == 0
    assert not inner.poolmanager.pools


class Caching(HTTPAdapter):
    """Answers from a cache of its own, as CacheControl's adapter does, which pip uses."""

    cacheable_methods = ("GET",)

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        super().__init__()

    def send(self, request: Any, **options: Any) -> Any:
        if request.method in self.cacheable_methods and request.url in self.kept:
            return self.kept[request.url]
        response = super().send(request, **options)
        self.kept[request.url] = response
        return response


def test_the_clients_own_cache_does_not_answer_for_upstream(open_session: Open, index: Index) -> None:
    session = open_session(Caching(), index_ttl=0)
    for _ in range(2):
        assert session.get(f"{index.url}alpha/").ok
    assert len(index.seen) == 2


class Pooled(HTTPAdapter):
    """Records where its connections come from."""

    def __init__(self) -> None:
        self.sources: list[object] = []
        super().__init__()

    def send(self, request: Any, **options: Any) -> Any:
        self.sources.append(self.poolmanager.connection_pool_kw.get("source_address"))
        return super().send(request, **options)


def test_an_attempt_has_what_the_script_has_given_to_the_connections_by_hand(open_session: Open, index: Index) -> None:
    inner = Pooled()
    inner.init_poolmanager(1, 1, source_address=("127.0.0.1", 0))
    session = open_session(inner, index_ttl=0)
    for _ in range(2):
        assert session.get(f"{index.url}alpha/").ok
    assert inner.sources == [("127.0.0.1", 0)] * 2


def test_a_cold_failure_is_the_same_object(open_session: Open, index: Index) -> None:
    inner = Watched()
    inner.failure = requests.ConnectionError("the client's own")
    with pytest.raises(requests.ConnectionError) as caught:
        open_session(inner).get(f"{index.url}alpha/")
    assert caught.value is inner.failure
    assert caught.value.__context__ is None


def test_a_body_that_breaks_off_fails_as_for_the_bare_client(open_session: Open, index: Index) -> None:
    index.fault(faults.cut, "/files/")
    url = f"{index.origin}/files/alpha-1.0-py3-none-any.whl"
    bare = requests.Session()
    with pytest.raises(requests.exceptions.RequestException) as expected:
        bare.get(url)
    bare.close()
    with pytest.raises(type(expected.value)):
        open_session().get(url)


def test_a_redirected_page_is_one_look_up_with_the_links_of_its_end(
    open_session: Open, index: Index, tmp_path: Path
) -> None:
    index.fault(faults.redirect("/simple/alpha/"), "/old/alpha/")
    url = f"{index.origin}/old/alpha/"
    first = open_session().get(url)
    assert first.url == f"{index.url}alpha/"
    assert [hop.status_code for hop in first.history] == [302]
    index.close()
    again = open_session(index_ttl=0).get(url)
    assert (again.url, again.content) == (first.url, first.content)


def test_a_redirect_to_a_login_leaves_the_copy(open_session: Open, index: Index) -> None:
    first = open_session().get(f"{index.url}alpha/")
    index.fault(faults.redirect("/login"), "/simple/")
    index.fault(faults.body(faults.PORTAL), "/login")
    assert open_session(index_ttl=0).get(f"{index.url}alpha/").content == first.content


def test_redirects_without_end_are_requests_own_error(open_session: Open, index: Index) -> None:
    index.fault(faults.redirect("/simple/alpha/"))
    with pytest.raises(requests.TooManyRedirects):
        open_session().get(f"{index.url}alpha/")


def test_gzipped_pages_are_stored_decoded(open_session: Open, index: Index) -> None:
    import gzip

    page = faults.html_page("alpha", index.distributions("alpha"))
    encoded = gzip.compress(page)
    reply = faults.status(200, {"Content-Type": "text/html", "Content-Encoding": "gzip"}, encoded)
    index.fault(reply)
    first = open_session().get(f"{index.url}alpha/")
    assert first.content == page
    index.close()
    again = open_session().get(f"{index.url}alpha/")
    assert again.content == page
    assert "Content-Encoding" not in again.headers


def test_unverified_tls_never_answers_for_verified(tmp_path: Path) -> None:
    from cachedindex.clients.requests.vendored import trust_of

    bundle = tmp_path / "ca.pem"
    bundle.touch()
    url = "https://index.example/"
    kinds = [trust_of(HTTPAdapter(), url, verify) for verify in (True, False, str(bundle), str(tmp_path / "none"))]
    digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert kinds == ["tls", "unverified", f"ca {digest}", "unknown"]
    assert trust_of(HTTPAdapter(), "http://index.example/", True) == "http"


@pytest.mark.parametrize(
    "arguments",
    [{"headers": {"Authorization": "Digest nonce=1"}}, {"headers": {"Private-Token": "secret"}},
     {"cookies": {"session": "secret"}}, {"params": {"token": "secret"}}],
)  # fmt: skip
def test_what_is_private_is_asked_each_time_and_leaves_no_trace(
    open_session: Open, index: Index, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    for _ in range(2):
        assert open_session().get(f"{index.url}alpha/", **arguments).ok
    assert len(index.seen) == 2
    assert not (tmp_path / "cache").exists()


def test_what_turned_private_on_the_way_is_not_stored(open_session: Open, index: Index, own_home: Path) -> None:
    netrc = own_home / ".netrc"
    netrc.write_text("machine localhost login user password secret")
    netrc.chmod(0o600)
    index.fault(faults.redirect(index.url.replace("127.0.0.1", "localhost") + "alpha/"), "/old/")
    assert open_session().get(f"{index.origin}/old/alpha/").ok
    assert "authorization" in index.seen[-1].headers
    assert not list((own_home / "cache").rglob("page.*"))


def test_a_session_that_does_not_trust_its_environment_sends_nothing_of_it(
    open_session: Open, index: Index, own_home: Path
) -> None:
    netrc = own_home / ".netrc"
    netrc.write_text("machine localhost login user password secret")
    netrc.chmod(0o600)
    index.fault(faults.redirect(index.url.replace("127.0.0.1", "localhost") + "alpha/"), "/old/")
    assert open_session(trust_env=False).get(f"{index.origin}/old/alpha/").ok
    assert "authorization" not in index.seen[-1].headers


class Scripted(HTTPAdapter):
    """Answers a redirect from a.example to b.example, whose certificate it does not verify if asked to."""

    def __init__(self, trusting: bool) -> None:
        self.trusting = trusting
        super().__init__()

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify and not (self.trusting and "b.example" in url), cert)

    def send(self, request: Any, **_: Any) -> Any:
        from urllib3 import HTTPResponse

        page = faults.html_page("six", [])
        headers = {"Content-Type": "text/html", "Content-Length": str(len(page))}
        if "a.example" in request.url:
            raw = HTTPResponse(BytesIO(), {"Location": "https://b.example/six/"}, 302, preload_content=False)
        else:
            raw = HTTPResponse(BytesIO(page), headers, 200, preload_content=False)
        return self.build_response(request, raw)


@pytest.mark.parametrize("trusting", [True, False])
def test_a_hop_that_is_trusted_less_is_not_stored(open_session: Open, tmp_path: Path, trusting: bool) -> None:
    assert open_session(Scripted(trusting)).get("https://a.example/six/").ok
    assert len(list((tmp_path / "cache").rglob("page.*"))) == (not trusting)


def test_what_is_verified_in_a_way_that_is_not_known_is_not_stored(open_session: Open, tmp_path: Path) -> None:
    assert open_session(Scripted(False)).get("https://b.example/six/", verify=str(tmp_path / "none.pem")).ok
    assert not list((tmp_path / "cache").rglob("page.*"))


def test_a_request_with_a_body_is_the_clients_own(open_session: Open, index: Index, tmp_path: Path) -> None:
    open_session().get(f"{index.url}alpha/", data="x")
    assert index.seen[0].headers["content-length"] == "1"
    assert not (tmp_path / "cache").exists()


def test_a_login_keeps_its_cookies_and_its_history(open_session: Open, index: Index) -> None:
    index.fault(faults.redirect("/welcome/"), "/login/")
    reply = {"Content-Type": "text/html", "Set-Cookie": "session=1"}
    index.fault(faults.status(200, reply, faults.PORTAL), "/welcome/")
    session = open_session()
    response = session.get(f"{index.origin}/login/")
    assert [hop.status_code for hop in response.history] == [302]
    assert session.cookies.get_dict() == {"session": "1"}


def test_a_cookie_that_anybody_gets_does_not_make_the_next_page_private(open_session: Open, index: Index) -> None:
    index.headers["Set-Cookie"] = "network=1"
    index.fault(faults.redirect("/simple/gamma/"), "/old/")
    session = open_session()
    for _ in range(2):
        assert session.get(f"{index.url}nothing/").status_code == 404
        session.get(f"{index.url}alpha/")
        session.get(f"{index.url}beta/")
        session.get(f"{index.origin}/old/gamma/")
    assert session.cookies.get_dict() == {"network": "1"}
    asked = [seen.path for seen in index.seen]
    assert asked.count("/simple/nothing/") == 2
    assert len(asked) == 6


def test_a_cookie_of_somebody_who_was_told_makes_every_page_private(open_session: Open, index: Index) -> None:
    index.headers["Set-Cookie"] = "session=1"
    session = open_session()
    session.get(f"{index.url}alpha/")
    session.get(f"{index.url}beta/", auth=("user", "secret"))
    for _ in range(2):
        session.get(f"{index.url}gamma/")
    assert index.pages_seen().count("/simple/gamma/") == 2


def test_a_query_may_have_told_who_asks(open_session: Open, index: Index) -> None:
    index.headers["Set-Cookie"] = "session=1"
    session = open_session()
    session.get(f"{index.url}alpha/")
    session.get(f"{index.url}beta/", params={"token": "secret"})
    for _ in range(2):
        session.get(f"{index.url}gamma/")
    assert index.pages_seen().count("/simple/gamma/") == 2


def test_an_adapter_that_is_none_of_requests_is_left_alone(
    open_session: Open, caplog: pytest.LogCaptureFixture
) -> None:
    class Own:
        def send(self, *_: Any, **__: Any) -> requests.Response:
            response = requests.Response()
            response.status_code = 200
            response.raw = BytesIO(b"own")
            return response

        def close(self) -> None:
            """Nothing to close."""

    adapter: Any = Own()
    assert open_session(adapter).get("http://index.example/").content == b"own"
    assert "the build continues without the cache" in caplog.text


class WithoutDefaults(HTTPAdapter):
    """An adapter that is made as HTTPAdapter makes itself, and not otherwise."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool) -> None:  # type: ignore[override]
        super().init_poolmanager(connections, maxsize, block)


class WithOneArgument(HTTPAdapter):
    """An adapter whose pools are made in another way."""

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.pop("_pool_block")


class WithSlots(HTTPAdapter):
    """An adapter that keeps what it needs beside its attributes."""

    __slots__ = ("session_of",)

    def __init__(self) -> None:
        self.session_of = "a script"
        super().__init__()

    def send(self, request: Any, **options: Any) -> Any:
        assert self.session_of == "a script"
        return super().send(request, **options)


class Deep(WithSlots):
    """A subclass of a subclass, with a place of its own for what it needs."""

    __slots__ = ("depth",)


class OfOneThread(HTTPAdapter):
    """An adapter that works in one thread only."""

    def __init__(self) -> None:
        super().__init__()
        self.of = threading.local()
        self.of.name = "the caller's"

    def send(self, request: Any, **options: Any) -> Any:
        assert self.of.name
        return super().send(request, **options)


@pytest.mark.parametrize(
    ("adapter", "said"), [(WithoutDefaults, 0), (WithOneArgument, 1), (WithSlots, 1), (Deep, 1), (OfOneThread, 1)]
)
def test_an_adapter_that_we_cannot_use_twice_asks_by_itself(
    open_session: Open,
    index: Index,
    distributions: Path,
    caplog: pytest.LogCaptureFixture,
    adapter: type[HTTPAdapter],
    said: int,
) -> None:
    session = open_session(adapter(), index_ttl=0)
    for project in ("alpha", "beta"):
        session.get(f"{index.url}{project}/")
    packages.add_wheel(distributions, "alpha", "2.0")
    for project in ("alpha", "beta"):
        response = session.get(f"{index.url}{project}/")
        assert "hit" not in response.headers.get("Cache-Status", "")
        assert ("alpha-2.0" in response.text) == (project == "alpha")
    assert len(index.pages_seen()) == 4
    session.close()
    assert len(caplog.records) == said, caplog.text


BROKEN = [faults.cut, faults.chunked_without_end, faults.reset, faults.half_a_status_line, faults.no_http,
          faults.status(503)]  # fmt: skip


def retrying() -> HTTPAdapter:
    """Return an adapter that raises if it is answered 503, as pip's does."""
    return HTTPAdapter(max_retries=Retry(1, status_forcelist=[503], backoff_factor=0))


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_page_leaves_the_next_one_alone(open_session: Open, index: Index, fault: faults.Fault) -> None:
    session = open_session(retrying(), negative="1 min")
    index.fault(fault, "alpha")
    with pytest.raises(requests.RequestException):
        session.get(f"{index.url}alpha/")
    assert session.get(f"{index.url}beta/").ok
    with pytest.raises(requests.RequestException):
        session.get(f"{index.url}alpha/")
    assert session.get(f"{index.url}gamma/").ok


@pytest.mark.parametrize("fault", BROKEN[2:])
def test_of_several_broken_pages_the_next_one_is_refused(open_session: Open, index: Index, fault: faults.Fault) -> None:
    session = open_session(retrying(), negative="1 min")
    index.fault(fault, "alpha|beta")
    with pytest.raises(requests.RequestException):
        session.get(f"{index.url}alpha/")
    assert session.get(f"{index.url}beta/").status_code in (503, 504)
    assert session.get(f"{index.url}gamma/").status_code == 504
    assert "/simple/gamma/" not in index.pages_seen()


def chunked(go: threading.Event, headers: dict[str, str], before: bytes, after: bytes) -> faults.Fault:
    """Send the rest of a body only after its beginning has arrived."""

    def fault(handler: faults.Handler) -> bool:
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(before), before))
        if go.wait(20):
            handler.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(after), after))
        handler.close_connection = True
        return False

    return fault


@pytest.mark.parametrize(
    ("headers", "begin"),
    [
        ({"Content-Type": "application/octet-stream"}, b"PK\3\4"),
        ({}, b"<html>"),
        ({"Content-Type": "text/html"}, b"PK\3\4\0"),
        ({"Content-Type": "application/json"}, b"PK\3\4"),
        ({"Content-Type": "text/html"}, b"<html>"),
        ({"Content-Type": "application/json"}, b"{"),
        ({"Content-Type": "text/html", "Content-Encoding": "gzip"}, b""),
    ],
)
@pytest.mark.parametrize("has_copy", [False, True])
def test_a_chunked_download_below_a_slash_arrives_as_it_comes(
    open_session: Open, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str],
    begin: bytes, has_copy: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(bodies, "_LONGEST_PAGE", 1 << 18)
    session = open_session(index_ttl=0)
    if has_copy:
        assert session.get(f"{index.url}alpha/").ok
    content = begin + b"".join(hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(20_000))
    sent = gzip.compress(content, mtime=0) if "Content-Encoding" in headers else content
    go = threading.Event()
    index.fault(chunked(go, headers, sent[:600_000], sent[600_000:]), "alpha" if has_copy else "/export/")
    if has_copy:
        assert b"alpha-1.0" in session.get(f"{index.url}alpha/").content, "the copy"
        return
    with session.get(f"{index.origin}/export/", stream=True) as response:
        pieces = response.iter_content(1 << 14)
        first = next(pieces)
        go.set()
        assert first + b"".join(pieces) == content
    assert not list((tmp_path / "cache").rglob("page.*"))
    assert not list((tmp_path / "cache/blobs-v1").rglob("*"))


def test_a_kept_connection_that_is_closed_as_the_next_request_arrives_is_no_outage(
    open_session: Open, index: Index
) -> None:
    session = open_session(index_ttl=0)
    for _ in range(2):  # The second time on a connection of ours.
        session.get(f"{index.url}alpha/")
    closed: list[str] = []

    def close_once(handler: faults.Handler) -> bool:
        if handler.requestline in closed:
            return True
        closed.append(handler.requestline)
        handler.close_connection = True
        return False

    index.fault(close_once)
    assert "hit" not in session.get(f"{index.url}alpha/").headers.get("Cache-Status", "")
    assert len(index.pages_seen()) == 4


def test_a_new_connection_that_is_reset_is_tried_once(open_session: Open, index: Index) -> None:
    session = open_session(index_ttl=0)
    session.get(f"{index.url}alpha/")
    index.fault(faults.reset)
    assert "hit" in session.get(f"{index.url}alpha/").headers["Cache-Status"]
    assert len(index.pages_seen()) == 2


def test_a_request_that_cannot_be_copied_is_the_clients_own(
    open_session: Open, index: Index, caplog: pytest.LogCaptureFixture
) -> None:
    class Uncopied(requests.PreparedRequest):
        def copy(self) -> requests.PreparedRequest:
            raise RecursionError("this request has a hook that holds it")

    session = open_session()
    for project in ("alpha", "beta"):
        request = Uncopied()
        request.prepare("GET", f"{index.url}{project}/")
        assert session.send(request).ok
    assert len(index.pages_seen()) == 2
    assert len(caplog.records) == 1


@pytest.mark.linux("/proc/self/fd")
def test_a_script_without_descriptors_blames_no_index(index: Index, tmp_path: Path) -> None:
    script = """
import os, resource, sys, requests, cachedindex
url, cache = sys.argv[1:]
session = requests.Session()
session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir=cache, index_ttl=0))
session.get(url)  # Its connection stays open, and so the client itself needs no other one.
os.listdir("/proc/self/fd")
low = len(os.listdir("/proc/self/fd")) - 1
resource.setrlimit(resource.RLIMIT_NOFILE, (low, low))
for _ in range(3):
    response = session.get(url)
    print(response.status_code, response.headers.get("Cache-Status"))
"""
    command = [sys.executable, "-c", script, f"{index.url}alpha/", str(tmp_path / "cache")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "hit" not in ran.stdout, ran.stdout
    assert "did not" not in ran.stderr, ran.stderr
    assert len(index.pages_seen()) == 4


def test_a_redirect_to_a_port_out_of_range_is_the_clients_own_error(
    open_session: Open, index: Index, caplog: pytest.LogCaptureFixture
) -> None:
    index.fault(faults.redirect("http://127.0.0.1:99999/simple/alpha/"), "^/simple/alpha/")
    with pytest.raises(requests.exceptions.InvalidURL):
        open_session().get(f"{index.url}alpha/")
    assert caplog.text == ""


def test_adapters_of_one_script_share_what_pages_promise(open_session: Open, index: Index) -> None:
    """Pages and files often come from two hosts, and each gets an adapter."""
    pages, files = open_session(), open_session()
    for _ in range(2):
        pages.get(f"{index.url}alpha/")
        files.get(f"{index.origin}/files/alpha-1.0-py3-none-any.whl")
    assert len(index.seen) == 2
    again = files.get(f"{index.origin}/files/alpha-1.0-py3-none-any.whl")
    assert again.headers["Cache-Status"] == "cachedindex; hit"


def test_a_machine_that_forbids_everything_is_no_error_of_the_scripts(
    open_session: Open, index: Index, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Not by modes: they do not bind root, and CI runs as root.
    def forbidden(*_: object) -> None:
        raise PermissionError("Permission denied")

    monkeypatch.setattr("cachedindex.sources.cache_folder", forbidden)
    assert open_session(timeout=7).get(f"{index.url}alpha/").ok
    assert "Permission denied; the build continues without the cache" in caplog.text


def test_options_may_be_lists_and_none(open_session: Open, index: Index) -> None:
    session = open_session(refresh=["alpha"], timeout=None)
    for _ in range(2):
        session.get(f"{index.url}alpha/")
        session.get(f"{index.url}beta/")
    assert index.pages_seen() == ["/simple/alpha/", "/simple/beta/", "/simple/alpha/"]


def test_a_wrong_option_is_the_scripts_error(open_session: Open) -> None:
    with pytest.raises(cachedindex.SettingsError, match=r"CachedIndexAdapter: ttl: .* did you mean index-ttl"):
        open_session(ttl=3)


def test_a_bug_of_ours_is_said_once_and_breaks_nothing(
    open_session: Open, index: Index, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from cachedindex.store.store import Store

    def get(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Store, "forms", get)
    session = open_session()
    with caplog.at_level(logging.WARNING, "cachedindex"):
        assert session.get(f"{index.url}alpha/").ok
        assert session.get(f"{index.url}beta/").ok
    assert [record.message for record in caplog.records] == [
        "cachedindex: internal error, ZeroDivisionError: a bug; the build continues without the cache"
    ]


def test_posts_pass(open_session: Open, index: Index) -> None:
    assert open_session().post(f"{index.url}alpha/").status_code == 501


def test_a_large_file_passes_in_little_memory(open_session: Open, index: Index, distributions: Path) -> None:
    big = distributions / "big-1.0.tar.gz"
    with big.open("wb") as file:
        file.truncate(64 << 20)
    page = open_session()
    page.get(f"{index.url}big/", headers={"Accept": JSON})
    response = page.get(f"{index.origin}/files/{big.name}", stream=True)
    size = sum(len(chunk) for chunk in response.iter_content(1 << 16))
    assert size == 64 << 20
    index.close()
    again = page.get(f"{index.origin}/files/{big.name}", stream=True)
    assert sum(len(chunk) for chunk in again.iter_content(1 << 16)) == size


def test_the_line_at_a_scripts_end(index: Index, tmp_path: Path) -> None:
    script = f"""
import requests, cachedindex
for ttl in ("60", "0"):
    session = requests.Session()
    session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir={str(tmp_path / "cache")!r}, index_ttl=ttl,
                                                            offline=ttl == "0"))
    session.get("{index.url}alpha/")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == f"cachedindex: served 1 page stale, up to 0 s old ({index.origin}: offline = true)"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="SKIPPED: THIS SYSTEM DOES NOT FORK")
def test_a_forked_child_does_not_repeat_the_line(index: Index, tmp_path: Path) -> None:
    script = f"""
import os, requests, sys
from cachedindex import CachedIndexAdapter
session = requests.Session()
session.mount("http://", CachedIndexAdapter(cache_dir={str(tmp_path / "cache")!r}, index_ttl=0))
session.get({index.url!r} + "alpha/", timeout=5)
if len(sys.argv) > 1 and os.fork():
    os.wait()
"""
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""
    index.close()
    ran = subprocess.run([*command, "fork"], capture_output=True, text=True, check=True)
    assert ran.stderr.count("served 1 page stale") == 1


@pytest.mark.skipif(sys.version_info < (3, 15), reason="SKIPPED: this Python has no lazy imports (PEP 810)")
def test_a_script_that_imports_lazily(index: Index, tmp_path: Path) -> None:
    """Of requests and urllib3, only the modules are loaded whose names were used."""
    script = f"""
import requests, cachedindex
with requests.Session() as session:
    session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir={str(tmp_path / "cache")!r}, index_ttl=0))
    print(session.get("{index.url}alpha/", timeout=5).status_code)
"""
    command = [sys.executable, "-X", "lazy_imports=all", "-c", script]
    for _ in range(2):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stdout) == (0, "200\n"), ran.stderr
        index.refuse()
    assert ran.stderr.count("served 1 page stale") == 1


def test_importing_the_package_imports_no_requests() -> None:
    code = "import cachedindex, sys; print('requests' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_a_page_that_is_cut_short_is_not_stored(open_session: Open, index: Index) -> None:
    index.fault(faults.cut, "/simple/")
    with pytest.raises(requests.exceptions.RequestException):
        open_session().get(f"{index.url}alpha/")
    index.heal()
    assert open_session().get(f"{index.url}alpha/").ok
    assert len(index.seen) == 2


def test_a_newer_file_under_an_old_url_follows_the_page(open_session: Open, index: Index, distributions: Path) -> None:
    url = f"{index.origin}/files/alpha-1.0-py3-none-any.whl"
    contents = []
    for requires in ((), ("beta",)):
        packages.add_wheel(distributions, "alpha", "1.0", requires)
        session = open_session(index_ttl=0)
        session.get(f"{index.url}alpha/")
        contents.append(session.get(url).content)
    assert contents[0] != contents[1]


def zipped(length: int | None, *, sized: bool = False) -> faults.Fault:
    """Answer with the page in gzip, of which that many bytes come, ended by the connection alone unless sized."""

    def fault(handler: faults.Handler) -> bool:
        content = gzip.compress(faults.html_page("alpha", handler.index.distributions("alpha")))[:length]
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Encoding", "gzip")
        if sized:
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True
        return False

    return fault


@pytest.mark.parametrize("sized", [True, False])
def test_gzip_is_whole_when_it_has_its_end(open_session: Open, index: Index, sized: bool) -> None:
    index.fault(zipped(None, sized=sized), "/simple/")
    assert open_session().get(f"{index.url}alpha/").text.endswith("</html>")
    again = open_session().get(f"{index.url}alpha/")
    assert again.text.endswith("</html>")
    assert again.headers["Cache-Status"].startswith("cachedindex; hit")


@pytest.mark.parametrize("sized", [True, False])
def test_gzip_that_is_cut_replaces_nothing_and_reaches_a_client_without_a_copy(
    open_session: Open, index: Index, sized: bool
) -> None:
    index.fault(zipped(-9, sized=sized), "/simple/")
    bare = requests.get(f"{index.url}alpha/", timeout=60)
    assert open_session().get(f"{index.url}alpha/").content == bare.content
    index.heal()
    good = open_session().get(f"{index.url}alpha/").text
    index.fault(zipped(-9, sized=sized), "/simple/")
    again = open_session(index_ttl=0).get(f"{index.url}alpha/")
    assert again.text == good
    assert "ttl=-" in again.headers["Cache-Status"]


def test_what_is_no_gzip_is_the_clients_own_error(open_session: Open, index: Index) -> None:
    index.fault(faults.status(200, {"Content-Encoding": "gzip", "Content-Type": "text/html"}, b"plain"), "/simple/")
    with pytest.raises(requests.exceptions.ContentDecodingError):
        open_session().get(f"{index.url}alpha/")


def test_an_upload_that_a_script_waits_for_is_seen_at_once(
    open_session: Open, index: Index, distributions: Path
) -> None:
    session = open_session()
    assert session.get(f"{index.url}newcomer/").status_code == 404
    packages.add_wheel(distributions, "newcomer", "1.0", ())
    assert session.get(f"{index.url}newcomer/").status_code == 200


def test_an_index_that_a_script_waits_for_is_asked_each_time(open_session: Open, index: Index) -> None:
    session = open_session()
    index.fault(faults.reset)
    for _ in range(2):
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(f"{index.url}alpha/")
    index.heal()
    assert session.get(f"{index.url}alpha/").ok


def test_a_missing_index_is_an_exception_that_says_so(open_session: Open, index: Index) -> None:
    index.fault(faults.status(503))
    with pytest.raises(cachedindex.CachedIndexError, match=r"alpha/: it answered 503 .*missing-index = fail"):
        open_session(missing_index="fail").get(f"{index.url}alpha/")


def test_heads_and_parts_come_from_a_whole_copy(open_session: Open, index: Index) -> None:
    """As pip's fast-deps and its resumed downloads ask (pip 26.3, network/lazy_wheel.py, download.py)."""
    session = open_session()
    session.get(f"{index.url}alpha/", headers={"Accept": JSON})
    url = f"{index.origin}/files/alpha-1.0-py3-none-any.whl"
    assert "Accept-Ranges" not in session.head(url).headers  # Upstream's own, since nothing is stored.
    session.get(url, headers={"Range": "bytes=0-9"})
    assert [seen.headers.get("range") for seen in index.seen[1:]] == [None, "bytes=0-9"]
    content = session.get(url).content
    index.close()

    head = session.head(url, headers={"Accept-Encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    assert (head.headers["Accept-Ranges"], head.headers["Content-Length"]) == ("bytes", str(len(content)))
    part = session.get(url, headers={"Range": "bytes=10-19", "Cache-Control": "no-cache"}, stream=True)
    assert (part.status_code, part.headers["Content-Range"]) == (206, f"bytes 10-19/{len(content)}")
    assert b"".join(part.iter_content(4)) == content[10:20]
    beyond = session.get(url, headers={"Range": f"bytes={len(content)}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(content)}")
    whole = session.get(url, headers={"Range": "bytes=10-", "If-Range": '"another"'})
    assert (whole.status_code, whole.content) == (200, content)
    page = session.head(f"{index.url}alpha/", headers={"Accept": JSON})
    assert (page.status_code, page.content) == (200, b"")


def test_part_of_a_damaged_copy_is_not_served(open_session: Open, index: Index, tmp_path: Path) -> None:
    session = open_session()
    session.get(f"{index.url}alpha/", headers={"Accept": JSON})
    url = f"{index.origin}/files/alpha-1.0-py3-none-any.whl"
    content = session.get(url).content
    (blob,) = (path for path in (tmp_path / "cache/blobs-v1").rglob("*") if path.is_file())
    blob.write_bytes(content[:-1] + b"!")
    session.get(url, headers={"Range": "bytes=0-9"})
    assert index.seen[-1].headers["range"] == "bytes=0-9"


def test_a_session_can_be_pickled(open_session: Open, index: Index) -> None:
    session = open_session(index_ttl="10 min")
    assert session.get(f"{index.url}epsilon/").status_code == 200
    again = pickle.loads(pickle.dumps(session))
    assert again.get(f"{index.url}epsilon/").headers["Cache-Status"].startswith("cachedindex; hit")
    assert len(index.seen) == 1


def test_a_fragment_stays_on_the_url_of_an_answer(open_session: Open, index: Index) -> None:
    index.fault(faults.redirect("/simple/epsilon/"), "/moved/")
    for _ in range(2):
        for path in ("simple", "moved"):
            response = open_session().get(f"{index.origin}/{path}/epsilon/#part")
            assert response.url == f"{index.url}epsilon/#part"


def test_it_passes_for_the_adapter_that_it_wraps(open_session: Open) -> None:
    adapter = open_session(Watched()).get_adapter("https://")
    assert isinstance(adapter, Watched)
    assert isinstance(adapter, cachedindex.CachedIndexAdapter)


def test_redirects_are_the_sessions_own(open_session: Open, index: Index) -> None:
    index.fault(faults.redirect("/moved/alpha/"), "/old/")
    index.fault(faults.redirect("/simple/alpha/"), "/moved/")
    url = f"{index.origin}/old/alpha/"
    seen: list[str] = []
    hooks = {"response": lambda response, **_: seen.append(response.url)}
    session = open_session()
    whole = session.get(url, hooks=hooks)
    assert [hop.url for hop in whole.history] == [url, f"{index.origin}/moved/alpha/"]
    assert [hop.status_code for hop in whole.history] == [302, 302]
    assert whole.request.url == whole.url == seen[-1] == f"{index.url}alpha/"
    assert len(seen) == 3
    assert len(index.seen) == 3, "the session was given what the adapter had already asked for"

    assert open_session().get(url, allow_redirects=False).headers["Location"] == f"{index.url}alpha/"
    assert open_session().head(url).status_code == 302
    session = open_session(index_ttl=0)
    session.max_redirects = 1
    with pytest.raises(requests.TooManyRedirects) as caught:
        session.get(url)
    assert caught.value.response.url == f"{index.origin}/moved/alpha/"


def test_a_copy_of_a_redirected_page_is_behind_a_redirect_too(open_session: Open, index: Index) -> None:
    index.fault(faults.redirect("/simple/alpha/"), "/old/")
    url = f"{index.origin}/old/alpha/"
    first = open_session().get(url)
    index.close()
    session = open_session(index_ttl=0)
    again = session.get(url)
    assert (again.url, again.content) == (first.url, first.content)
    assert [hop.url for hop in again.history] == [url]
    stopped = session.get(url, allow_redirects=False)
    assert (stopped.status_code, stopped.headers["Location"]) == (302, first.url)
    assert stopped.next.url == first.url


def test_the_rest_of_a_way_is_for_the_next_request_only(open_session: Open, index: Index) -> None:
    index.fault(faults.redirect("/simple/alpha/"), "/old/")
    session = open_session(index_ttl=0)
    url = f"{index.origin}/old/alpha/"
    for elsewhere in ({"url": f"{index.url}beta/"}, {"url": f"{index.url}alpha/", "headers": {"Accept": JSON}}):
        session.get(url, allow_redirects=False)
        session.get(**elsewhere)
        asked = len(index.seen)
        session.get(f"{index.url}alpha/")
        assert len(index.seen) == asked + 1


def test_a_redirect_to_what_fails_is_a_redirect_all_the_same(open_session: Open, index: Index) -> None:
    index.fault(faults.redirect("/gone/"), "/old/")
    index.fault(faults.reset, "/gone/")
    inner = Watched()
    session = open_session(inner)
    assert session.get(f"{index.origin}/old/", allow_redirects=False).headers["Location"] == "/gone/"
    inner.sent.clear()
    with pytest.raises(requests.ConnectionError):
        session.get(f"{index.origin}/old/")
    assert [sent["url"] for sent in inner.sent] == [f"{index.origin}/old/", f"{index.origin}/gone/"]


def test_what_another_origin_redirects_to_is_covered_where_the_adapter_is_not(index: Index, tmp_path: Path) -> None:
    elsewhere = index.url.replace("127.0.0.1", "localhost")
    index.fault(faults.redirect(f"{elsewhere}alpha/"), "/old/")
    for _ in range(2):
        with requests.Session() as session:
            session.mount(index.origin, cachedindex.CachedIndexAdapter(cache_dir=tmp_path / "cache", index_ttl=0))
            assert session.get(f"{index.origin}/old/alpha/").url == f"{elsewhere}alpha/"
        index.close()


def test_what_is_set_on_it_is_set_on_the_adapter_that_it_wraps(open_session: Open, index: Index) -> None:
    inner = Watched()
    session = open_session(inner)
    session.get_adapter("https://").max_retries = requests.adapters.Retry(5)
    session.get(f"{index.url}alpha/")
    assert inner.sent[-1]["retries"] == 5


def test_a_page_that_has_not_changed_takes_no_new_connection(
    open_session: Open, index: Index, caplog: pytest.LogCaptureFixture
) -> None:
    index.validators = True
    caplog.set_level(logging.DEBUG, "urllib3")
    for _ in range(2):
        session = open_session(index_ttl=0)
        caplog.clear()
        for name in ("alpha", "beta", "gamma"):
            assert session.get(f"{index.url}{name}/").ok
        assert caplog.text.count("Starting new HTTP connection") == 1
