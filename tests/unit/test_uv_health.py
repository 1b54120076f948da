"""When an index of a uv counts as down."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from cachedindex.clients.uv import health
from cachedindex.errors import NotAsked
from cachedindex.lookup.upstream import Upstream
from cachedindex.options import Settings
from cachedindex.store import health_log
from cachedindex.store.store import Store
from tests.index import taken_port


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(Store(tmp_path), health_log.of_host(tmp_path, None), health_log.of_run(None), time.time)


def address(port: socket.socket) -> str:
    return f"http://127.0.0.1:{port.getsockname()[1]}"


def test_one_that_refuses_the_connection_is_down(upstream: Upstream) -> None:
    with taken_port() as port:
        down = health.why_down(upstream, f"{address(port)}/simple/", Settings(timeout=30.0))
    assert down is not None
    assert down.why == "it refused the connection"


@pytest.mark.parametrize("path", ["b\u00fcro", "a b"])
def test_an_address_that_only_uv_can_write_says_nothing_of_its_index(upstream: Upstream, path: str) -> None:
    with taken_port() as port:
        assert health.why_down(upstream, f"{address(port)}/{path}/", Settings(timeout=30.0)) is None


@pytest.mark.posix("signals that a thread blocks")
def test_who_asks_takes_no_signal_for_which_a_run_waits(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = set[int]()

    def ask(*_: object, **__: object) -> None:
        blocked.update(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        raise NotAsked("seen")

    monkeypatch.setattr(upstream, "ask", ask)
    assert health.why_down(upstream, "https://index.example/simple/", Settings()) is None
    assert {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT} <= blocked
