"""`cachedindex ls` and `cachedindex refresh`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cachedindex.model import Request
from cachedindex.rules import privacy
from cachedindex.store.store import Store
from tests import packages
from tests.conftest import Ran, Run
from tests.index import Index, status
from tests.stored import page, put, put_file, put_page

Command = Callable[..., Ran]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def cachedindex(run: Run) -> Command:
    return lambda *words, **variables: run(sys.executable, "-m", "cachedindex", *words, **variables)


def fill(store: Store) -> None:
    _, blob = put_file(store, "six-1.10.tar.gz", b"six")
    link = f'<a href="https://files.example/six-1.10.tar.gz#sha256={blob.name}">six-1.10.tar.gz</a>'
    put_page(store, "Six", link.encode())
    put_file(store, "six-1.9.tar.gz", b"older")
    put(store, page("secret").within("0" * 32))
    put(store, Request("GET", "https://token.example/t0ken/simple/own/", "page").within(privacy.USER))


def test_projects_by_index_and_users(cachedindex: Command, store: Store) -> None:
    fill(store)
    ran = cachedindex("ls")
    assert (ran.code, ran.err) == (0, "")
    rows = [re.split(r"  +", line) for line in ran.out.splitlines()]
    assert rows[0] == ["project", "versions", "files", "size", "page", "index", "for"]
    assert [(row[0], row[1], row[-2], row[-1]) for row in rows[1:-1]] == [
        ("own", "0", rows[1][-2], "this user"),
        ("secret", "0", "https://index.example/simple/", "this user, with credentials"),
        ("six", "1.9", "https://files.example/", "everybody"),
        ("six", "1.10", "https://index.example/simple/", "everybody"),
    ]
    assert "t0ken" not in ran.out
    assert rows[-1][0].startswith("3 projects, 2 files")


def test_one_project_with_its_files_as_json(cachedindex: Command, store: Store) -> None:
    fill(store)
    assert re.search(r"six-1\.10\.tar\.gz +file +3 bytes", cachedindex("ls", "SIX", "--files").out)
    document = json.loads(cachedindex("ls", "six", "--json").out)
    assert [(each["project"], each["versions"], each["for"]) for each in document["projects"]] == [
        ("six", ["1.9"], "everybody"),
        ("six", ["1.10"], "everybody"),
    ]
    assert document["projects"][1]["files"][0]["url"] == "https://files.example/six-1.10.tar.gz"
    assert document["projects"][1]["pages"][0]["form"] == "html"


def test_of_a_project_nothing_is_stored(cachedindex: Command, store: Store) -> None:
    assert cachedindex("ls").out.startswith("nothing is stored yet")
    assert json.loads(cachedindex("ls", "--json").out)["projects"] == []
    put_page(store, "six")
    assert cachedindex("ls", "seven").code == 1


def install(run: Run, index: Index, target: Path) -> Ran:
    pip = (sys.executable, "-m", "pip", "install", "-q", "--no-cache-dir", "--target", target, "epsilon")
    return run(sys.executable, "-m", "cachedindex", "run", "--", *pip, PIP_INDEX_URL=index.url)


def test_a_page_is_asked_for_now(
    cachedindex: Command, run: Run, index: Index, tmp_path: Path, distributions: Path
) -> None:
    index.validators = True
    assert install(run, index, tmp_path / "a").code == 0
    assert "epsilon/ (json): unchanged" in cachedindex("refresh", "epsilon").out
    packages.add_wheel(distributions, "epsilon", "1.1")
    ran = cachedindex("refresh", "--all")
    assert (ran.code, ran.err) == (0, "")
    assert "epsilon/ (json): new" in ran.out
    index.refuse()
    ran = cachedindex("refresh", "epsilon")
    assert ran.code == 1
    assert "it refused the connection; the copy stays" in ran.out
    index.heal()
    index.fault(status(404))
    assert "the copy stays" in cachedindex("refresh", "epsilon").out


def test_what_takes_credentials_is_asked_for_by_the_next_look_up(cachedindex: Command, store: Store) -> None:
    private = page("secret").within("0" * 32)
    put(store, private)
    ran = cachedindex("refresh", "secret")
    assert (ran.code, "the next look-up asks for it, with its own credentials" in ran.out) == (0, True)
    found = store.get(private)
    assert found
    assert found.expired


@pytest.mark.parametrize("words", [(), ("six", "--all"), ("six", "--timeout", "soon")])
def test_what_names_nothing_is_refused(cachedindex: Command, store: Store, words: tuple[str, ...]) -> None:
    assert cachedindex("refresh", *words).code == 2


def test_offline_nothing_is_asked(cachedindex: Command, store: Store) -> None:
    put_page(store, "six")
    assert cachedindex("refresh", "six", CACHEDINDEX_OFFLINE="true").code == 2
