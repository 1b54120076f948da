from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable
from http.client import BadStatusLine, IncompleteRead
from urllib.request import urlopen

import pytest
import requests

from cachedindex.clients.common import cause, failure, request_of
from cachedindex.errors import Shortage, UpstreamFailed

PAGE = request_of("GET", "https://index.example/simple/six/", {}, trust="tls")
CERTIFIED = request_of("GET", PAGE.url, {}, trust="tls", certificate="x")


def test_credentials_and_fragments_stay_out_of_a_request() -> None:
    digest = "a" * 64
    url = f"https://user:secret@index.example/six.whl#sha256={digest}"
    request = request_of("GET", url, {"Accept": "x"}, trust="tls", proxy="http://user:secret@proxy.example:3128")
    assert request.url == "https://index.example/six.whl"
    assert (request.kind, request.sha256, request.route.proxy) == ("file", digest, "proxy.example:3128")
    assert request.identity.credential
    assert "secret" not in repr(request)
    assert request.identity.credential not in repr(request)
    assert "secret" not in repr(request._replace(headers={"authorization": "Basic secret"}))


class Wrapped(Exception):
    def __init__(self, reason: object) -> None:
        super().__init__("https://index.example/?signature=secret")
        self.reason = reason


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror("x"), "its name could not be looked up"),
        (Wrapped(ConnectionRefusedError("x")), "it refused the connection"),
        (Wrapped(Wrapped(ssl.SSLCertVerificationError("x"))), "its certificate could not be verified"),
        (Exception(ConnectionResetError("x")), "it reset the connection"),
        (TimeoutError("timed out"), "it did not answer in time"),
        (Wrapped(OSError(errno.ENETUNREACH, "x", "/a/file")), "network is unreachable"),
        (Wrapped("x"), "it could not be asked"),
        (Wrapped(Exception("too many 503 error responses")), "it answered 503 again and again"),
        (requests.TooManyRedirects("https://u:secret@x"), "it redirects too often"),
        (requests.exceptions.ChunkedEncodingError("x"), "its answer broke off"),
        (Wrapped(IncompleteRead(b"", 3)), "its answer broke off"),
        (requests.exceptions.ContentDecodingError("x"), "its answer could not be decoded"),
        (requests.exceptions.InvalidProxyURL("x"), "its address is not valid"),
        (requests.exceptions.ProxyError("x"), "its proxy failed"),
        (BadStatusLine("x"), "its answer is not HTTP"),
        (Wrapped(OSError("Tunnel connection failed: 407 No")), "its proxy answered 407 No"),
        (OSError("x: 'Tunnel connection failed: 503 Busy')) https://u:secret@x"), "its proxy answered 503 Busy"),
    ],
)
def test_causes_in_a_few_words_and_without_a_secret(error: Exception, words: str) -> None:
    assert cause(error) == words


@pytest.mark.parametrize(
    ("error", "is_ours"),
    [
        (Wrapped(OSError(errno.EMFILE, "Too many open files")), True),
        (Wrapped(FileNotFoundError(errno.ENOENT, "No such file", "/a/certificate")), True),
        (MemoryError(), True),
        (socket.gaierror(errno.ENOENT, "a number that means something else here"), False),
        (ssl.SSLError(errno.ENOENT, "so it does here"), False),
        (Wrapped(ConnectionRefusedError(errno.ECONNREFUSED, "x")), False),
    ],
)
def test_what_is_wanting_on_this_machine(error: Exception, is_ours: bool) -> None:
    failed = failure(error, PAGE)
    assert isinstance(failed, Shortage) == is_ours
    assert failed.original is error


def test_what_a_client_was_handling_when_it_asked_is_no_cause() -> None:
    error = ConnectionRefusedError(errno.ECONNREFUSED, "x")
    error.__context__ = FileNotFoundError(errno.ENOENT, "no netrc")
    assert isinstance(failure(error, PAGE), UpstreamFailed)


def test_a_chain_of_exceptions_that_bites_its_tail() -> None:
    one, other = Wrapped(None), Wrapped(None)
    one.reason, other.reason = other, one
    assert cause(one) == "it could not be asked"


PROXIED = request_of("GET", PAGE.url, {}, trust="tls", proxy="http://u:secret@proxy.example:3128")


@pytest.mark.parametrize(
    ("error", "url", "words"),
    [
        (ConnectionRefusedError("x"), "", "its proxy refused the connection"),
        (socket.gaierror("x"), PAGE.url, "its proxy's name could not be looked up"),
        (TimeoutError("timed out"), "", "its proxy did not answer in time"),
        (OSError("Tunnel connection failed: 502 Bad"), "", "its proxy answered 502 Bad"),
        (OSError(errno.EHOSTUNREACH, "x"), "", "no route to host"),
        # the index's own: its certificate, what a redirect led to, and all that comes after the connection
        (ssl.SSLCertVerificationError("x"), "", "its certificate could not be verified"),
        (ConnectionRefusedError("x"), "https://cdn.example/six/", "it refused the connection"),
    ],
)
def test_before_the_connection_stands_a_failure_is_the_proxys(error: Exception, url: str, words: str) -> None:
    with pytest.raises(type(error)) as caught:
        connect(error)
    assert failure(caught.value, PROXIED, url).cause == words
    assert failure(ConnectionResetError("x"), PROXIED).cause == "it reset the connection"


def connect(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror("x"),
        ConnectionRefusedError("x"),
        OSError(errno.EHOSTUNREACH, "x"),
        ssl.SSLError("x"),
        TimeoutError("x"),
        OSError("Tunnel connection failed: 502"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("wrap", [lambda error: error, Wrapped, Exception], ids=["bare", "reason", "argument"])
def test_what_failed_before_there_was_a_connection(error: Exception, wrap: Callable[[Exception], Exception]) -> None:
    with pytest.raises(type(error)):
        connect(error)
    assert not failure(wrap(error), PAGE).connected


def test_what_failed_on_a_connection() -> None:
    with pytest.raises(ConnectionResetError) as caught:
        raise ConnectionResetError
    found = failure(Wrapped(caught.value), PAGE, "https://cdn.example/six/", ["hop"])
    assert (found.connected, found.url, found.hops) == (True, "https://cdn.example/six/", ["hop"])


def alert(name: str) -> ssl.SSLError:
    error = ssl.SSLError("x")
    error.reason = name
    return error


@pytest.mark.parametrize(
    ("error", "personal", "final"),
    [
        (alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), True, True),
        (alert("SSLV3_ALERT_CERTIFICATE_REVOKED"), True, True),
        (alert("SSLV3_ALERT_BAD_CERTIFICATE"), True, True),
        (alert("TLSV1_ALERT_UNKNOWN_CA"), True, True),
        (alert("TLSV1_ALERT_ACCESS_DENIED"), True, True),
        (alert("SSLV3_ALERT_HANDSHAKE_FAILURE"), True, False),  # It may be for want of a certificate.
        (alert("TLSV1_ALERT_INTERNAL_ERROR"), False, False),
        (alert("CERTIFICATE_VERIFY_FAILED"), False, False),  # It is the server's.
        (OSError("Tunnel connection failed: 407 Proxy Authentication Required"), True, False),
        (OSError("Tunnel connection failed: 401 Unauthorized"), True, False),  # tinyproxy
        (OSError("Tunnel connection failed: 403 Forbidden"), True, False),
        (OSError("Tunnel connection failed: 503 Service Unavailable"), False, False),
        (OSError("Tunnel connection failed: 40"), False, False),
        (ConnectionRefusedError("x"), False, False),
    ],
    ids=repr,
)
def test_what_one_client_is_refused_is_not_the_failure_of_an_index(
    error: Exception, personal: bool, final: bool
) -> None:
    found = failure(Wrapped(error), PAGE)
    assert (found.personal, found.final) == (personal, final)
    if final:
        assert found.cause == "it refused the client's certificate, or that there is none"


@pytest.mark.parametrize("error", [ssl.SSLEOFError("x"), ConnectionResetError("x"), BrokenPipeError("x")], ids=repr)
def test_a_connection_that_breaks_may_have_refused_a_certificate(error: Exception) -> None:
    assert failure(Wrapped(error), CERTIFIED).personal
    assert not failure(Wrapped(error), PAGE).personal
    assert not failure(Wrapped(TimeoutError()), CERTIFIED).personal


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "https://127.0.0.1:{port}/", "http://no.invalid/"])
@pytest.mark.parametrize("ask", [requests.get, urlopen], ids=["requests", "urllib"])
def test_a_connection_that_nobody_accepts_is_none(ask: Callable[[str], object], url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Nobody listens there, and nobody else can.
        with pytest.raises(OSError) as caught:
            ask(url.format(port=taken.getsockname()[1]))
    assert not failure(caught.value, PAGE).connected
