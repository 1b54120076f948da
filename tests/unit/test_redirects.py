"""What is left of a look-up's redirects, on plain responses and without a network."""

from __future__ import annotations

import pytest
import requests

from cachedindex.clients.requests.redirects import Redirects
from cachedindex.errors import UpstreamFailed


class Clock:
    """Seconds, as a test sets them."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


FIRST = requests.Request("GET", "https://index.example/old/#part").prepare()


def asked(url: str, **headers: str) -> requests.PreparedRequest:
    """Return what a session sends after the first request."""
    request = FIRST.copy()
    request.prepare_url(url, {})
    request.headers.update(headers)
    return request


def response(request: requests.PreparedRequest) -> requests.Response:
    answer = requests.Response()
    answer.request = request
    answer.raw = Raw()
    return answer


class Raw:
    """A body that knows whether it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


NEW = "https://index.example/new/#part"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def last() -> requests.Response:
    return response(asked(NEW, **{"if-none-match": "ours"}))


@pytest.fixture
def redirects(clock: Clock, last: requests.Response) -> Redirects:
    """Return what is left after a session was shown the first of two hops."""
    redirects = Redirects(clock)
    first = response(FIRST)
    assert redirects.begun([first, last], FIRST) is first
    return redirects


def test_the_next_request_gets_the_rest_once(redirects: Redirects, last: requests.Response) -> None:
    request = asked(NEW)
    assert redirects.onward(request) is last
    assert (last.url, last.request, last.history) == (request.url, request, [])
    assert redirects.onward(request) is None


@pytest.mark.parametrize(
    "another",
    [
        asked("https://index.example/other/"),
        asked(NEW, Authorization="Basic x"),
        asked(NEW, Cookie="session=1"),
        requests.Request("GET", NEW).prepare(),
    ],
    ids=["address", "credential", "cookie", "request"],
)
def test_what_is_asked_in_another_way_is_asked_anew(
    redirects: Redirects, last: requests.Response, another: requests.PreparedRequest
) -> None:
    assert redirects.onward(another) is None
    assert last.raw.closed
    assert redirects.onward(asked(NEW)) is None, "the rest is gone"


@pytest.mark.parametrize(("later", "known"), [(0.9, True), (1.1, False)])
def test_what_is_asked_later_is_asked_anew(redirects: Redirects, clock: Clock, later: float, known: bool) -> None:
    clock.now = later
    assert (redirects.onward(asked(NEW)) is not None) == known


def test_a_failure_is_where_the_redirects_led_to() -> None:
    redirects = Redirects()
    first, failure = response(FIRST), UpstreamFailed("reset", requests.ConnectionError(request=asked(NEW)))
    assert redirects.begun([first, failure], FIRST) is first
    with pytest.raises(UpstreamFailed):
        redirects.onward(asked(NEW))


def test_another_origin_is_reached_at_once() -> None:
    last = response(asked("https://files.example/new/"))
    assert Redirects().begun([response(FIRST), last], FIRST) is last
