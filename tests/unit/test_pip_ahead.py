"""When pip's look-ups are left one after the other."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pip._vendor
import pytest

from cachedindex.clients.pip import ahead


class Bare:
    """A TLS context of truststore before 0.10.1."""

    def __init__(self) -> None:
        self._ctx = object()


class Locked:
    """One since then."""

    def __init__(self) -> None:
        self._ctx_lock = object()


@pytest.mark.parametrize(
    ("platform", "context", "expected"),
    [("darwin", Bare, True), ("win32", Bare, True), ("linux", Bare, False), ("darwin", Locked, False)],
)
def test_no_threads_change_a_tls_context_at_once(
    monkeypatch: pytest.MonkeyPatch, platform: str, context: type, expected: bool
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setitem(sys.modules, f"{pip._vendor.__name__}.truststore", SimpleNamespace(SSLContext=context))
    assert ahead._may_lose_trust() is expected
