"""Options that name something that is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.conftest import Ran
from tests.index import Index


def test_a_name_that_nothing_matched_is_one_line(pip_install: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    file = tmp_path / "node.cfg"
    file.write_text(f"[cachedindex:x]\nurl = {index.origin}/simpel/\nindex-ttl = 5\n")
    first = pip_install("A", "--no-deps", "alpha", CACHEDINDEX_CONFIG=str(file), CACHEDINDEX_REFRESH="alpha beta")
    assert first.code == 0, first.err
    assert first.ours == [
        "cachedindex: nobody asked for beta, which refresh names",
        (
            f"cachedindex: the options for {index.origin}/simpel/ had no effect, as nothing was asked there; "
            f"did you mean {index.url}?"
        ),
    ]
    file.write_text(f"[cachedindex:x]\nurl = {index.url}\nindex-ttl = 5\n")
    assert pip_install("B", "--no-deps", "alpha", CACHEDINDEX_CONFIG=str(file), CACHEDINDEX_REFRESH="alpha").ours == []
