"""The real buildout against an index that behaves as a real one does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran
from tests.index import Index
from tests.integration.conftest import eggs

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}


@pytest.mark.parametrize("outage", [True, False], ids=["outage", "fresh"])
def test_a_buildout_is_served_what_a_pip_has_stored(
    buildout: Callable[..., Ran], pip_install: Callable[..., Ran], index: Index, tmp_path: Path, outage: bool
) -> None:
    # buildout#573: pip asks for JSON, buildout reads HTML only; one node's builds have one copy of each page.
    kept = {} if outage else {"CACHEDINDEX_INDEX_TTL": "1 h"}
    assert buildout("A", "py:eggs=epsilon", **kept).code == 0
    assert pip_install("target", "alpha", "source", **kept).code == 0
    index.seen.clear()
    if outage:
        index.close()
    second = buildout("B", **(EXPIRED if outage else kept))
    assert second.code == 0, second.err
    assert len(eggs(tmp_path / "B")) == 7
    assert index.seen == []
