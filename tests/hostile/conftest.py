"""What the hostile tests have in common."""

from __future__ import annotations

import pytest

from tests.conftest import MEASURED


@pytest.fixture(autouse=True)
def _unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no child process measure its coverage: that takes memory and time, and a kill would leave half a file."""
    monkeypatch.delenv(MEASURED, raising=False)
