"""What is left of a look-up's redirects, on plain responses and without a network."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from cachedindex.clients.redirects import Redirects
from cachedindex.errors import UpstreamFailed

OPTIONS: dict[str, Any] = {"verify": True, "cert": None}


class Clock:
    """Seconds, as a test sets them."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def asked(path: str, **headers: str) -> requests.PreparedRequest:
    return requests.Request("GET", f"https://index.example{path}", headers=headers).prepare()


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


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def last() -> requests.Response:
    return response(asked("/new/#part", **{"if-none-match": "ours"}))


@pytest.fixture
def redirects(clock: Clock, last: requests.Response) -> Redirects:
    """Return what is left after a session was shown the first of two hops."""
    redirects = Redirects(clock)
    first = response(asked("/old/"))
    assert redirects.begun([first, last], asked("/old/#part"), OPTIONS) is first
    return redirects


def test_the_next_request_gets_the_rest_once(redirects: Redirects, last: requests.Response) -> None:
    request = asked("/new/#part")
    assert redirects.onward(request, OPTIONS) is last
    assert (last.url, last.request, last.history) == (request.url, request, [])
    assert redirects.onward(request, OPTIONS) is None


@pytest.mark.parametrize(
    ("request_", "options"),
    [
        (asked("/other/"), OPTIONS),
        (asked("/new/#part", Authorization="Basic x"), OPTIONS),
        (asked("/new/#part", Cookie="session=1"), OPTIONS),
        (asked("/new/#part"), {**OPTIONS, "verify": False}),
        (asked("/new/#part"), {**OPTIONS, "cert": "another"}),
    ],
)
def test_what_is_asked_in_another_way_is_asked_anew(
    redirects: Redirects, request_: requests.PreparedRequest, options: dict[str, Any]
) -> None:
    assert redirects.onward(request_, options) is None
    assert redirects.onward(asked("/new/#part"), OPTIONS) is None, "the rest is gone"


@pytest.mark.parametrize(("later", "known"), [(0.9, True), (1.1, False)])
def test_what_is_asked_later_is_asked_anew(redirects: Redirects, clock: Clock, later: float, known: bool) -> None:
    clock.now = later
    assert (redirects.onward(asked("/new/#part"), OPTIONS) is not None) == known


def test_what_nobody_went_on_to_is_closed(redirects: Redirects, last: requests.Response) -> None:
    redirects.onward(asked("/other/"), OPTIONS)
    assert last.raw.closed


def test_a_failure_is_where_the_redirects_led_to() -> None:
    redirects = Redirects()
    failure = UpstreamFailed("reset", requests.ConnectionError(request=asked("/new/")))
    first = response(asked("/old/"))
    assert redirects.begun([first, failure], asked("/old/"), OPTIONS) is first
    with pytest.raises(UpstreamFailed):
        redirects.onward(asked("/new/"), OPTIONS)


def test_another_origin_is_reached_at_once() -> None:
    last = response(requests.Request("GET", "https://files.example/new/").prepare())
    assert Redirects().begun([response(asked("/old/")), last], asked("/old/"), OPTIONS) is last
