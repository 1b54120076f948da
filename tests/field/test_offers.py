"""What one index of several has, and what a page says of its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran
from tests.field.conftest import installed
from tests.index import JSON, Handler, Index

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0", "CACHEDINDEX_TIMEOUT": "1"}


def test_a_project_is_quarantined(pip_install: Callable[..., Ran], index: Index, distributions: Path) -> None:
    # jcodemunch-mcp#308: nothing is found, and one line says why.
    def quarantine(handler: Handler) -> bool:
        page = {
            "meta": {"api-version": "1.4"},
            "name": "epsilon",
            "files": [],
            "project-status": {"status": "quarantined", "reason": "malware"},
        }
        handler.reply(200, {"Content-Type": JSON}, json.dumps(page).encode())
        return False

    assert pip_install("A", "epsilon").code == 0
    index.fault(quarantine, "^/simple/epsilon/")
    second = pip_install("B", "epsilon", **EXPIRED)
    assert second.code == 1
    assert len(second.ours) == 1, second.err
    assert "quarantined" in second.ours[0]


@pytest.mark.parametrize("stored", ["JSON", "HTML"])
def test_pip_wants_only_what_was_uploaded_before(
    pip_install: Callable[..., Ran], index: Index, tmp_path: Path, stored: str
) -> None:
    # cooldowns' README: upload times are in JSON only, and pip ends if a page has none.
    index.speaks_json = stored == "JSON"
    assert pip_install("A", "epsilon").code == 0
    index.refuse()
    before = ("--uploaded-prior-to", "2025-01-01T00:00:00Z", "--retries", "0")
    second = pip_install("B", *before, "epsilon", **EXPIRED)
    if stored == "JSON":
        assert second.code == 0, second.err
        assert installed(tmp_path / "B") == ["epsilon-1.0.dist-info"]
    else:
        assert second.code == 1
        assert "upload" in second.err
        assert "Traceback" not in second.err
