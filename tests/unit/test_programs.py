"""What a program on urllib reads below a run, and for how long a copy stands in."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from cachedindex.clients.urllib.program import Readings
from cachedindex.model import Answer, Request
from cachedindex.rules.decide import Pass

TEXT = Request("GET", "https://index.example/constraints.txt", "other", {})


class Outage:
    """A cache that serves a copy until upstream is back."""

    status = "cachedindex; hit; ttl=-5"

    def answer(self, request: Request, *_: object) -> Answer:
        return Answer(200, "OK", request.url, {"cache-status": self.status}, BytesIO())


def test_a_copy_is_served_again_for_a_while_and_upstreams_own_answer_once() -> None:
    now = [0.0]
    cache: Any = Outage()
    readings = Readings(cache, lambda: now[0])

    def is_ours() -> bool:
        return not isinstance(readings.answer(TEXT, lambda *_, **__: None), Pass)  # type: ignore[arg-type,return-value]

    assert is_ours()
    now[0] = 9.0
    assert is_ours()
    now[0] = 10.0
    assert not is_ours(), "it may wait for the server to end"
    assert not is_ours()

    readings = Readings(cache, lambda: now[0])
    assert is_ours()
    cache.status = "cachedindex; fwd=stale"
    assert is_ours()
    assert not is_ours(), "it may wait for a change"
