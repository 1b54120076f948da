"""Each command once on Windows, on what a pip has stored: none of them asks for what only POSIX has."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Ran
from tests.index import Index

DOWNLOAD = (sys.executable, "-m", "pip", "download", "-q", "epsilon", "-d")


def test_the_commands_work(
    command: Callable[..., Ran], environment: dict[str, str], index: Index, tmp_path: Path
) -> None:
    environment.update(PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1")
    page, bundle = str(tmp_path / "page.html"), str(tmp_path / "bundle.tar")
    commands = [
        ("run", "--report", page, "--", *DOWNLOAD, str(tmp_path / "A")),
        ("run", "--", sys.executable, "-I", *DOWNLOAD[1:], str(tmp_path / "B")),
        ("ls",),
        ("explain", "epsilon"),
        ("status",),
        ("report",),
        ("report", "--html", str(tmp_path / "more.html")),
        ("export", bundle),
        ("import", bundle),
        ("warm", "epsilon"),
        ("rehearse", "--", sys.executable, "-m", "pip", "install", "-q", "epsilon"),
        ("get", f"{index.url}epsilon/", "-o", str(tmp_path / "got.html")),
        ("purge", "epsilon"),
        ("gc",),
        ("doctor",),
    ]
    ended = [(words[0], command(*words)) for words in commands]
    assert [(name, ran.code, ran.out, ran.err) for name, ran in ended if "Traceback" in ran.err + ran.out] == []
    assert [(name, ran.code, ran.out, ran.err) for name, ran in ended if ran.code] == []
    assert "epsilon" in (tmp_path / "page.html").read_text("utf-8")
    assert "epsilon" in (tmp_path / "got.html").read_text("utf-8")
