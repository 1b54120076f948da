"""What distinguishes a job from others, for its remote."""

from __future__ import annotations

from pathlib import Path

import pytest

from cachedindex.options import Settings
from cachedindex.remote import around
from cachedindex.rules import kept


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kept, "job", lambda _environ: ("", ""))
    monkeypatch.chdir(tmp_path)


def job(*command: str) -> str:
    return around.job(Settings(), command)


def test_the_name_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert around.job(Settings(job="nightly"), ["pip"]) == "nightly"
    monkeypatch.setattr(kept, "job", lambda _environ: ("as the server says", "7"))
    assert job("pip") == "as the server says"


def test_then_the_content_of_files() -> None:
    Path("one.txt").write_text("six")
    Path("two.txt").write_text("six")
    assert job("pip", "install", "-r", "one.txt") == job("pip", "download", "-r", "two.txt")
    Path("two.txt").write_text("flask")
    assert job("pip", "install", "-r", "one.txt") != job("pip", "install", "-r", "two.txt")
    Path("buildout.cfg").write_text("[buildout]")
    assert job("bin/buildout").startswith("files ")


def test_of_a_long_file_the_beginning_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the input of any program, and longer than there is memory."""
    monkeypatch.setattr(around, "_MOST_OF_A_FILE", 3)
    Path("one.txt").write_text("six and more")
    Path("two.txt").write_text("six")
    assert job("load", "one.txt") == job("load", "two.txt")


def test_then_the_command_without_what_may_be_secret() -> None:
    assert job("pip", "install", "six", "https://ci:s3cret@index.example/x.whl") == "pip install six ..."
    assert job("bin/buildout") == "buildout"
