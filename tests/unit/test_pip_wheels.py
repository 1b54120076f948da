"""When a pip asks for the sdists that it left out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cachedindex.clients.pip import sessions, wheels
from cachedindex.model import Ended, Outcome
from cachedindex.options import Settings
from cachedindex.run.report import Report

SDIST = "https://files.example/six-1.0.tar.gz#sha256=" + "a" * 64


@pytest.mark.parametrize(
    ("ended", "asks"),
    [("hit", True), ("miss", True), ("stale", False), ("absent", False), ("late", False), ("refused", False),
     ("failed", False)],
)  # fmt: skip
def test_a_pip_that_has_seen_an_index_fail_asks_for_nothing_more(
    monkeypatch: pytest.MonkeyPatch, ended: Ended, asks: bool
) -> None:
    wanted: list[list[str]] = []
    session = SimpleNamespace(auth=SimpleNamespace(prompting=True))
    monkeypatch.setattr(sessions, "latest", [session])
    monkeypatch.setattr(wheels, "_fetch_all", lambda _session, urls, _timeout: wanted.append(urls))
    report = Report(lambda _: None)
    report.add(Outcome(ended, "page", "https://index.example/simple/six/", "https://index.example", ""))
    process: Any = SimpleNamespace(report=report, settings=Settings(), cache=None)
    wheels._ask(process, [SDIST])
    assert wanted == ([[SDIST]] if asks else [])
    assert session.auth.prompting is not asks, "no person is asked for a password"
