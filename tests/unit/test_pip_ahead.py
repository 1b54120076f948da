"""What pip's look-ups are expected to be, and when they are left one after the other."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pip
import pip._vendor
import pytest
from pip._internal.models.format_control import FormatControl
from pip._internal.models.search_scope import SearchScope
from pip._internal.models.target_python import TargetPython
from pip._vendor.packaging.specifiers import SpecifierSet

from cachedindex import sources
from cachedindex.clients.pip import ahead, sessions
from cachedindex.clients.pip.folders import Folders
from cachedindex.clients.pip.foresight import Foresight
from cachedindex.clients.pip.likely import Likely
from cachedindex.options import Settings
from cachedindex.process import join
from cachedindex.rules.promised import Listing


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


@pytest.mark.parametrize(
    ("number", "options", "expected"),
    [
        ("23.2", {}, True),
        ("26.3", {}, True),
        ("23.1.2", {}, False),
        ("26.3", {"ahead": 0}, False),
        ("26.3", {"offline": True}, False),
        ("26.3", {"disable": True}, False),
    ],
)
def test_which_pips_have_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: str, options: dict[str, Any], expected: bool
) -> None:
    monkeypatch.setattr(pip, "__version__", number)
    process = join((number, *options), sources.Loaded(Settings(cache_dir=str(tmp_path / "cache"), **options)))
    monkeypatch.setattr(sessions, "join", lambda _client: process)
    assert sessions.looks_ahead() is expected


def test_what_is_to_be_refreshed_is_not_expected_and_nothing_when_pip_has_decided() -> None:
    expected: list[str] = []
    scope = SearchScope.create([], ["https://index.example/simple"], no_index=False)
    collector = SimpleNamespace(session=SimpleNamespace(refresh_package={"docopt"}))
    finder = SimpleNamespace(
        search_scope=scope, target_python=TargetPython(), format_control=FormatControl(), _link_collector=collector
    )
    preparer = SimpleNamespace(require_hashes=False, download_dir=None)
    factory = SimpleNamespace(
        _finder=finder, force_reinstall=False, _installed_dists={}, preparer=preparer, _link_candidate_cache={},
        _editable_candidate_cache={},
    )  # fmt: skip
    resolver = SimpleNamespace(factory=factory, upgrade_strategy="to-satisfy-only", ignore_dependencies=False)
    looks = SimpleNamespace(expect_page=lambda url, _then: expected.append(url))
    foresight = Foresight(resolver, cast("Any", looks))
    foresight.requires("star", ["six", "docopt", "absent; python_version < '3'"])
    assert expected == ["https://index.example/simple/six/"]
    foresight.end()
    foresight.requires("six", ["flask"])
    assert len(expected) == 1


@pytest.mark.parametrize(
    ("newest", "guessed"),
    [("star-1.1", "star-1.1"), ("star-1.0%2Blocal", None), ("star-1%210.1", None), ("star-1!0.1", "star-1%210.1")],
)
def test_a_link_that_encodes_its_version_may_be_newer(newest: str, guessed: str | None) -> None:
    text = "".join(f'<a href="{name}-py3-none-any.whl">it</a>' for name in ("star-1.0", newest))
    scope = SimpleNamespace(find_links=[])
    finder = SimpleNamespace(target_python=TargetPython(), format_control=FormatControl(), search_scope=scope)
    listing = Listing(text, "https://index.example/star/", is_json=False)
    link = Likely(finder).link([listing], "star", SpecifierSet())
    assert (link and link.url) == (guessed and f"https://index.example/star/{guessed}-py3-none-any.whl")


def test_the_files_of_folders_are_those_of_a_project(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two of them"
    for folder in (one, two):
        folder.mkdir()
    ours = ("star_light-2.0-py3-none-any.whl", "Star_Light-1.0-1-py3-none-any.whl", "star-light-3.0.tar.gz")
    others = ("star-9.0-py3-none-any.whl", "star_light_more-9.0-py3-none-any.whl", "star_light-odd.zip")
    for name in (*ours, *others):
        (one / name).touch()
    (two / "star.light-2.0-py2-none-any.whl").touch()
    places = [str(one), two.as_uri(), str(tmp_path / "nowhere"), "https://index.example/links/"]
    folders = Folders(places)
    found = folders.files("star-light")
    names = {str(version): [path.name for path in paths] for version, paths in found.items()}
    assert names == {
        "3.0": ["star-light-3.0.tar.gz"],
        "2.0": ["star_light-2.0-py3-none-any.whl", "star.light-2.0-py2-none-any.whl"],
        "1.0": ["Star_Light-1.0-1-py3-none-any.whl"],
    }
    assert {folders.url(path) for paths in found.values() for path in paths} == {
        path.as_uri() for folder in (one, two) for path in folder.glob("[sS]tar?[lL]ight-[123]*")
    }
    assert not Folders([f"https://index.example/{'links/' * 100}"]).files("star-light")
