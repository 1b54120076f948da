"""`cachedindex explain`: it says what the next look-up then does."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cachedindex.store.store import Store
from tests import ageing, packages
from tests.conftest import Ran, Run
from tests.index import Index, altered, status
from tests.stored import page, put, put_page

Explain = Callable[..., Ran]


@pytest.fixture
def explain(run: Run, index: Index) -> Explain:
    return lambda *words, **variables: run(
        sys.executable, "-m", "cachedindex", "explain", *words, **{"PIP_INDEX_URL": index.url, **variables}
    )


@pytest.fixture
def cache(run: Run, index: Index, tmp_path: Path) -> Path:
    """Give a cache that a real pip has filled with what it asked for."""
    pip = (sys.executable, "-m", "pip", "install", "-q", "--no-cache-dir", "--target", tmp_path / "a", "epsilon")
    assert run(sys.executable, "-m", "cachedindex", "run", "--", *pip, PIP_INDEX_URL=index.url).code == 0
    return tmp_path / "cache"


def snapshot(cache: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in cache.rglob("*")}


def test_a_fresh_page_and_its_versions(explain: Explain, cache: Path, index: Index) -> None:
    before = snapshot(cache)
    index.seen.clear()
    ran = explain("Epsilon")
    assert (ran.code, ran.err, index.seen) == (0, "", [])
    assert f"{index.url}epsilon/  (known from pip's configuration)" in ran.out
    assert re.search(r"stored: json, checked \d+ s ago, for everybody, fresh for \d+ s, serves an outage for", ran.out)
    assert "versions: 1.0\n" in ran.out
    assert "files stored: 1.0\n" in ran.out
    assert "now: the copy is served without asking: fresh" in ran.out
    assert "if the index is down: the copy is served\n" in ran.out
    assert snapshot(cache) == before


def test_an_expired_page_and_a_failing_index(explain: Explain, cache: Path, index: Index) -> None:
    ageing.age(cache, 3600)
    assert (
        "now: upstream is asked, for 3 s in all; without a sound answer the copy is served stale"
        in explain("epsilon").out
    )
    ran = explain("epsilon", CACHEDINDEX_STALE_IF_ERROR="never")
    assert ran.code == 1
    assert "now: the client asks in its own way, with its own retries: the copy is too old to stand in" in ran.out
    assert "if the index is down: the client fails: the copy is too old to stand in" in ran.out


def test_an_index_that_has_failed(explain: Explain, cache: Path, index: Index, run: Run, tmp_path: Path) -> None:
    ageing.age(cache, 3600)
    index.refuse()
    pip = (sys.executable, "-m", "pip", "download", "-q", "--no-cache-dir", "-d", tmp_path / "b", "epsilon")
    assert run(sys.executable, "-m", "cachedindex", "run", "--", *pip, PIP_INDEX_URL=index.url).code == 0
    out = explain("epsilon").out
    assert "now: upstream is not asked: it refused the connection" in out
    assert "without a sound answer the copy is served stale" in out


def test_why_not_the_newer_version(explain: Explain, cache: Path, index: Index, distributions: Path) -> None:
    packages.add_wheel(distributions, "epsilon", "1.3")
    ran = explain("epsilon==1.3.0", "--ask")
    assert "1.3.0: not on the stored page" in ran.out
    assert "the index says now: it has 1.3, too" in ran.out
    assert ran.code == 1
    assert "1.0: on the stored page; of its 1 files there, 1 are stored" in explain("epsilon==1.0").out
    index.fault(status(503))
    assert "the index says now: it answered 503" in explain("epsilon", "--ask").out


def test_a_version_that_most_clients_leave_out(explain: Explain, run: Run, index: Index, tmp_path: Path) -> None:
    yanked = b'"yanked": "it deletes files", "url"'
    index.fault(altered(lambda page: page.replace(b'"url"', yanked)), "/simple/epsilon/")
    pip = (sys.executable, "-m", "pip", "install", "-q", "--no-cache-dir", "--target", tmp_path / "a", "epsilon==1.0")
    assert run(sys.executable, "-m", "cachedindex", "run", "--", *pip, PIP_INDEX_URL=index.url).code == 0
    said = explain("epsilon==1.0").out
    assert "yanked, so that only a client that asks for exactly this version takes it: it deletes files" in said


def test_which_version_a_build_was_given(run: Run, explain: Explain, index: Index, tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "install", "-q", "--no-cache-dir", "--target", tmp_path / "a", "epsilon")
    command = (sys.executable, "-m", "cachedindex", "run", "--", *pip)
    assert run(*command, PIP_INDEX_URL=index.url, JOB_NAME="nightly").code == 0
    assert re.search(r"^builds were given: 1\.0 \d+ s ago \(nightly\)$", explain("epsilon").out, re.MULTILINE)
    assert json.loads(explain("epsilon", "--json").out)["given"]["1.0"]["job"] == "nightly"


def test_what_is_not_stored(explain: Explain, cache: Path) -> None:
    ran = explain("alpha")
    assert ran.code == 1
    assert "stored: nothing\n" in ran.out
    assert "if the index is down: the client fails: nothing is stored" in ran.out


def test_a_file(explain: Explain, cache: Path, index: Index) -> None:
    wheel = f"{index.origin}/files/epsilon-1.0-py3-none-any.whl"
    ran = explain(wheel)
    assert ran.code == 0
    assert "now: the copy is served without asking: immutable" in ran.out
    assert explain(f"{index.origin}/files/alpha-1.0-py3-none-any.whl").code == 1


def test_json_and_pages_of_other_clients_and_credentials(explain: Explain, tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    put_page(store, "six")
    put(store, page("secret").within("0" * 32))
    (place,) = [each for each in json.loads(explain("six", "--json").out)["places"] if each["stored"]]
    assert (place["url"], place["decision"], place["survives"]) == ("https://index.example/simple/six/", "Fetch", False)
    assert place["stored"]["for"] == "everybody"
    (place,) = [each for each in json.loads(explain("secret", "--json").out)["places"] if each["stored"]]
    assert place["stored"]["for"] == "this user, with credentials"
