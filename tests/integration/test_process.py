"""How a client joins a run: with what, how often, and which process ends it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cachedindex import process, sources
from cachedindex.options import Settings
from cachedindex.process import Process, join
from cachedindex.run.folder import RunFolder
from tests.conftest import Ran, Run
from tests.index import Index
from tests.stored import page, put_page
from tests.values import replace

SIXTH_CLIENT = """
from cachedindex.clients.urllib import opener
from cachedindex.process import join

def attach():
    sixth = join("sixth", begin=True)
    if sixth.cache:
        opener.install(sixth.cache)
"""
"""All that a client takes which asks through urllib; one on requests puts an IndexAdapter around each adapter."""

USE = """
import os, sys, urllib.request
attach()
def get(project):
    with urllib.request.urlopen(os.environ["INDEX"] + project + "/", timeout=5) as response:
        return response.read()
"""
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}


@pytest.fixture
def sixth(run: Run, index: Index, tmp_path: Path) -> Callable[..., Ran]:
    """Give a function that runs code in the sixth client."""

    def sixth(code: str, **variables: str) -> Ran:
        return run(sys.executable, "-c", SIXTH_CLIENT + USE + code, INDEX=index.url, TMPDIR=str(tmp_path), **variables)

    return sixth


@pytest.fixture
def joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Process, list[str]]]:
    """Give a function that joins with settings, and returns what is printed as well."""
    monkeypatch.setattr(process, "_joined", {})
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("CACHEDINDEX_RUN", raising=False)
    said: list[str] = []

    def joined(client: str = "test", *, begin: bool = True, **settings: object) -> tuple[Process, list[str]]:
        loaded = sources.Loaded(Settings(cache_dir=str(tmp_path / "cache"), **settings))  # type: ignore[arg-type]
        return join(client, loaded, begin=begin, say=said.append), said

    return joined


def runs(folder: Path) -> list[Path]:
    return list(folder.glob("cachedindex-run-*"))


def test_a_sixth_client_takes_ten_lines(sixth: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    assert len(SIXTH_CLIENT.strip().splitlines()) <= 10
    assert sixth("get('alpha')").code == 0
    index.close()
    second = sixth("get('alpha')", **EXPIRED)
    assert second.code == 0, second.err
    (line,) = second.ours
    assert "served 1 page stale" in line
    assert runs(tmp_path) == []


def test_a_client_below_a_run_leaves_the_end_to_it(sixth: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    assert sixth("get('alpha')").code == 0
    index.close()
    (tmp_path / "run").mkdir(mode=0o700)
    second = sixth("get('alpha')", CACHEDINDEX_RUN=str(tmp_path / "run"), **EXPIRED)
    assert (second.code, second.ours) == (0, [])
    assert [outcome.ended for outcome in RunFolder(tmp_path / "run").outcomes()] == ["stale"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="SKIPPED FOR WANT OF FORK, which Windows has not")
def test_a_forked_child_does_not_end_the_run(sixth: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    assert sixth("get('alpha')").code == 0
    index.close()
    code = """
get("alpha")
if (child := os.fork()) == 0:
    get("alpha")
    sys.exit()
os.waitpid(child, 0)
print(os.path.isdir(join("sixth").run.folder))
"""
    second = sixth(code, **EXPIRED)
    assert (second.code, second.out) == (0, "True\n"), second.err
    (line,) = second.ours
    assert "served 2 pages stale" in line
    assert runs(tmp_path) == []


def test_a_client_that_joins_again_gets_the_same(joined: Callable[..., tuple[Process, list[str]]]) -> None:
    first, _ = joined()
    cache = first.cache
    assert cache is not None
    assert (joined()[0], join("test"), first.cache) == (first, first, cache)
    assert joined("another")[0] is not first


def test_other_settings_are_used_in_the_same_run(joined: Callable[..., tuple[Process, list[str]]]) -> None:
    first, _ = joined()
    cache, run = first.cache, first.run
    again, _ = joined(timeout=7.0)
    assert (again, again.run, again.settings.timeout) == (first, run, 7.0)
    assert again.cache not in (None, cache)
    assert joined(disable=True)[0].cache is None
    first.finish()


def test_a_disabled_client_leaves_no_trace_until_it_is_enabled(
    joined: Callable[..., tuple[Process, list[str]]], tmp_path: Path
) -> None:
    first, said = joined(disable=True)
    assert (first.cache, first.run, runs(tmp_path), said) == (None, None, [], [])
    again, _ = joined()
    assert again is first
    assert again.cache is not None
    assert [again.run and again.run.folder] == runs(tmp_path)
    again.finish()


def test_a_run_ends_once_and_the_next_is_another(
    joined: Callable[..., tuple[Process, list[str]]], tmp_path: Path
) -> None:
    first, _ = joined()
    first.finish()
    assert runs(tmp_path) == []
    second, _ = joined()
    assert second is not first
    first.finish()
    assert runs(tmp_path) == [second.run and second.run.folder]
    second.finish()


@pytest.mark.parametrize("failed", [True, False])
def test_only_a_run_that_failed_has_its_pages_asked_for_again(
    joined: Callable[..., tuple[Process, list[str]]], failed: bool
) -> None:
    first, _ = joined()
    store, run = first.store, first.run
    assert store
    assert run
    put_page(store, "six")
    stored = store.get(page("six"))
    assert stored
    run.add_page(store.record_name(page("six"), stored))
    first.failed = failed
    first.finish()
    assert store.get(page("six")) == replace(stored, expired=failed)


def test_a_store_that_cannot_be_opened_at_the_end_is_no_error(
    joined: Callable[..., tuple[Process, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pip 26.3 that has begun to install refuses every import."""
    first, said = joined()
    assert first.run
    first.run.add_page("six")
    first.failed = True
    monkeypatch.setitem(sys.modules, "cachedindex.upkeep.hourly", None)
    first.finish()
    why = "import of cachedindex.upkeep.hourly halted; None in sys.modules"
    assert said == [f"{why}; the next build will not revalidate the pages of this one"]


def test_a_record_that_cannot_be_made_is_said(
    joined: Callable[..., tuple[Process, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_root: Path) -> bool:
        raise RuntimeError("broken")

    first, said = joined()
    monkeypatch.setattr("cachedindex.store.folder.may_write", broken)
    assert first.root
    first.root.mkdir(exist_ok=True)
    first.finish()
    assert said == ["there is no record of this run: internal error, RuntimeError: broken"]


def test_a_temporary_folder_that_takes_nothing_leaves_the_client_alone(
    joined: Callable[..., tuple[Process, list[str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    for _ in range(2):
        first, said = joined()
        assert first.cache is None
    why = "cannot make a folder for temporary files: No such file or directory"
    assert said == [f"{why}; the build continues without the cache"]
    first.finish()


def test_a_bug_of_ours_is_said_once_and_leaves_the_client_alone(
    joined: Callable[..., tuple[Process, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cachedindex.lookup.opened.Cache", lambda *_, **__: 1 / 0)
    for _ in range(2):
        first, said = joined()
        assert first.cache is None
    assert said == ["internal error, ZeroDivisionError: division by zero; the build continues without the cache"]
    first.finish()


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"ended": "stale", "kind": "of later", "url": "", "origin": "", "why": "", "age": 1.0}),
        json.dumps({"ended": "stale", "kind": "page"}),
        '{"ended": "sta',
        "[]",
    ],
    ids=["another kind", "other fields", "cut", "no outcome"],
)
def test_what_another_release_wrote_does_not_end_a_run_badly(
    joined: Callable[..., tuple[Process, list[str]]], line: str
) -> None:
    first, said = joined()
    assert first.run is not None
    (first.run.folder / "1.jsonl").write_text(line)
    first.finish()
    assert len(said) == 1
    assert said[0].startswith("there is no summary of what was served stale")
    assert not first.run.folder.exists()
