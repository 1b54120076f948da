"""`cachedindex purge`: after it, no byte is served any more, and the next build stores all anew."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from cachedindex.model import Record, Request
from cachedindex.rules import privacy
from cachedindex.store.store import Store
from tests.conftest import Ran, Run
from tests.index import Index
from tests.stored import file, page, put, put_file, put_page
from tests.values import replace

Command = Callable[..., Ran]
SIX = b"six's own bytes"
USER = 12345


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def purge(run: Run) -> Command:
    return lambda *words, **variables: run(sys.executable, "-m", "cachedindex", "purge", *words, **variables)


def links(*names: str) -> bytes:
    """Return a page with these files of files.example, in HTML."""
    anchors = "".join(f'<a href="https://files.example/{name}#sha256={digest(name)}">{name}</a>' for name in names)
    return f"<html><title>Links for six</title>{anchors}</html>".encode()


def put_links(store: Store, request: Request, *names: str) -> None:
    """Store a page that lists these files, as an index sends it."""
    put(store, request, links(*names))
    found = store.get(request)
    assert found
    store.put(request, replace(found, headers={"content-type": "text/html"}))


def absence_of(asked: float) -> Record:
    return Record(page("six").url, "", {}, asked, asked, 0.1, 0, sha256().hexdigest(), b"")


def digest(name: str) -> str:
    return file(name, name.encode()).sha256 or ""


def put_named(store: Store, *names: str) -> None:
    for name in names:
        put_file(store, name, name.encode())


def holds(store: Store, *names: str) -> list[bool]:
    """Return of each file whether its record is served, and its bytes lie anywhere."""
    found = []
    for name in names:
        blob = store._shared.blob_path(digest(name))
        assert (store.get(file(name, name.encode())) is not None) == blob.exists()
        found.append(blob.exists())
    return found


def test_a_project_goes_in_every_form_and_another_one_stays(purge: Command, store: Store) -> None:
    put_links(store, page("six"), "six-1.0.tar.gz")
    json = Request("GET", page("six").url, "page", {"accept": "application/vnd.pypi.simple.v1+json"})
    found = store.get(page("six"))
    assert found
    store.put(json, replace(found, form="json"))
    put_named(store, "six-1.0.tar.gz", "six-1.0-py3-none-any.whl", "six-2more-1.0.tar.gz", "sixth-1.0.tar.gz")
    put_page(store, "sixth")
    ran = purge("Six")
    assert (ran.code, ran.err) == (0, "")
    assert "removed six: 2 pages, 2 files" in ran.out
    assert (store.get(page("six")), store.get(json)) == (None, None)
    assert holds(store, "six-1.0.tar.gz", "six-1.0-py3-none-any.whl") == [False, False]
    assert holds(store, "six-2more-1.0.tar.gz", "sixth-1.0.tar.gz") == [True, True]
    assert store.get(page("sixth"))
    assert "nothing of six is stored" in purge("six").out


def test_a_dry_run_changes_nothing(purge: Command, store: Store) -> None:
    put_links(store, page("six"), "six-1.0.tar.gz")
    put_named(store, "six-1.0.tar.gz")
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*")}
    ran = purge("six", "--dry-run")
    assert "would remove six: 1 pages, 1 files" in ran.out
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*")} == before


def test_of_one_version_the_files_go_and_the_page_is_asked_for(purge: Command, store: Store) -> None:
    put_links(store, page("six"), "six-1.0.tar.gz", "six-1.1.tar.gz")
    put_named(store, "six-1.0.tar.gz", "six-1.1.tar.gz")
    ran = purge("six==1.1.0")
    assert "https://index.example/simple/six/ lists it, as its index did" in ran.out
    assert holds(store, "six-1.0.tar.gz", "six-1.1.tar.gz") == [True, False]
    found = store.get(page("six"))
    assert found
    assert found.expired


def test_bytes_that_two_projects_share_stay_for_the_other(purge: Command, store: Store) -> None:
    put_file(store, "six-1.0.tar.gz", SIX)
    _, blob = put_file(store, "other-1.0.tar.gz", SIX)
    assert "1 files stay" in purge("six").out
    assert store.get(file("six-1.0.tar.gz", SIX)) is None
    assert store.get(file("other-1.0.tar.gz", SIX))
    assert blob.exists()
    purge(f"sha256:{file('x', SIX).sha256}")
    assert store.get(file("other-1.0.tar.gz", SIX)) is None
    assert not blob.exists()


def test_a_file_whose_name_does_not_show_its_project_goes_with_the_page_that_lists_it(
    purge: Command, store: Store
) -> None:
    put_links(store, page("six"), "renamed-archive.zip")
    put_named(store, "renamed-archive.zip")
    purge("six")
    assert holds(store, "renamed-archive.zip") == [False]


def test_one_address_goes(purge: Command, store: Store) -> None:
    put_links(store, page("six"), "six-1.0.tar.gz", "six-1.1.tar.gz")
    put_named(store, "six-1.0.tar.gz", "six-1.1.tar.gz")
    purge("https://files.example/six-1.0.tar.gz")
    assert holds(store, "six-1.0.tar.gz", "six-1.1.tar.gz") == [False, True]
    assert store.get(page("six"))
    purge("https://index.example/simple/six")
    assert store.get(page("six")) is None
    assert holds(store, "six-1.1.tar.gz") == [True]


def test_an_index_goes_with_the_files_that_its_pages_list(purge: Command, store: Store) -> None:
    put_links(store, page("six"), "six-1.0.tar.gz")
    other = Request("GET", "https://other.example/simple/seven/", "page", {})
    put(store, other)
    put_named(store, "six-1.0.tar.gz", "seven-1.0.tar.gz")
    purge("--index", "https://user:secret@INDEX.example:443/simple")
    assert (store.get(page("six")), bool(store.get(other))) == (None, True)
    assert holds(store, "six-1.0.tar.gz", "seven-1.0.tar.gz") == [False, True]


def test_what_a_flat_page_lists_goes_and_the_page_stays(purge: Command, store: Store) -> None:
    flat = Request("GET", "https://files.example/links.html", "page", {})
    put_links(store, flat, "six-1.0.tar.gz", "seven-1.0.tar.gz")
    put_named(store, "six-1.0.tar.gz", "seven-1.0.tar.gz")
    ran = purge("six")
    assert "https://files.example/links.html lists it" in ran.out
    assert holds(store, "six-1.0.tar.gz", "seven-1.0.tar.gz") == [False, True]
    assert store.get(flat)


def test_every_scope_of_this_user_goes(purge: Command, store: Store) -> None:
    requests = [page("six").within(scope) for scope in ("", privacy.USER, "0" * 32, f"{'1' * 32}-anybody")]
    for request in requests:
        put(store, request)
    purge("six")
    assert [store.get(request) for request in requests] == [None] * 4
    assert store.scopes(page("six")) == set()


def test_an_absence_goes(purge: Command, store: Store) -> None:
    store.put_absence(page("six"), absence_of(time.time()))
    assert store.absence(page("six"))
    purge("six")
    assert store.absence(page("six")) is None


def test_what_was_asked_for_before_is_not_stored_and_what_is_asked_for_later_is(purge: Command, store: Store) -> None:
    put_page(store, "six")
    put_file(store, "six-1.0.tar.gz", SIX)
    early = time.time()
    old = store.get(page("six")), store.get(file("six-1.0.tar.gz", SIX))
    purge("six")
    for request, found in zip((page("six"), file("six-1.0.tar.gz", SIX)), old, strict=True):
        assert found
        json = Request("GET", request.url, request.kind, {"accept": "application/vnd.pypi.simple.v1+json"})
        assert not store.put(request, replace(found, asked=early))
        if request.kind == "page":
            assert not store.put(json, replace(found, asked=early, form="json"))
        assert store.get(request) is None
        assert store.put(request, replace(found, asked=time.time()))
        assert store.get(request)


def test_that_the_index_has_it_no_more_is_stored_afterwards(purge: Command, store: Store) -> None:
    put_page(store, "six")
    early = time.time()
    purge("six")
    store.put_absence(page("six"), absence_of(early))
    assert store.absence(page("six")) is None
    store.put_absence(page("six"), absence_of(time.time()))
    assert store.absence(page("six"))


def test_what_a_process_is_writing_goes(purge: Command, store: Store) -> None:
    put_links(store, page("six"), "six-1.0.tar.gz")
    blob = store.new_blob(file("six-1.0.tar.gz", b"six-1.0.tar.gz"))
    blob.write(b"six-1.0")
    purge("six")
    assert not [path for path in (store.root / "blobs-v1").rglob("*") if path.is_file()]
    blob.abandon()


def test_bytes_without_a_record_go_by_their_digest(purge: Command, store: Store) -> None:
    record, blob = put_file(store, "six-1.0.tar.gz", SIX)
    record.unlink()
    assert "removed sha256:" in purge(f"sha256:{blob.name}").out
    assert not blob.exists()


def test_what_lies_in_the_quarantine_goes(purge: Command, store: Store) -> None:
    put_named(store, "six-1.0.tar.gz")
    blob = store._shared.blob_path(digest("six-1.0.tar.gz"))
    blob.write_bytes(b"damaged")
    found = store.get(file("six-1.0.tar.gz", b"six-1.0.tar.gz"))
    assert found
    assert store.open_blob(file("six-1.0.tar.gz", b"six-1.0.tar.gz"), found) is None
    assert list((store.root / "quarantine-v1").iterdir())
    purge("six")
    assert not list((store.root / "quarantine-v1").iterdir())


@pytest.mark.parametrize(
    "words",
    [(), ("six", "--index", "https://index.example/"), ("sha256:12",), ("six==",), ("-x",), ("ftp://x/",), ("a b",)],
)
def test_what_names_nothing_is_refused(purge: Command, store: Store, words: tuple[str, ...]) -> None:
    put_page(store, "six")
    assert purge(*words).code == 2
    assert store.get(page("six"))


def test_nothing_is_removed_from_a_folder_that_is_not_to_be_changed(purge: Command, store: Store) -> None:
    put_page(store, "six")
    assert purge("six", CACHEDINDEX_READ_ONLY="true").code == 2
    assert store.get(page("six"))


def test_other_caches_are_named(purge: Command, store: Store, tmp_path: Path) -> None:
    put_page(store, "six")
    for program in ("pip-cache", "uv"):
        (tmp_path / program / "x").mkdir(parents=True)
    out = purge("six", UV_CACHE_DIR=str(tmp_path / "uv")).out
    assert f"pip's own cache {tmp_path / 'pip-cache'} may have it: `pip cache purge`" in out
    assert f"uv's own cache {tmp_path / 'uv'} may have it: `uv cache clean six`" in out


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="SKIPPED FOR WANT OF ROOT")
def test_root_purges_what_another_user_got_with_credentials(purge: Command) -> None:
    place = Path(tempfile.mkdtemp(prefix="cachedindex-purge-"))
    try:
        place.chmod(0o755)
        store = Store(place / "cache")
        put(store, page("six").within("0" * 32))
        foreign = store.root / "private-v1" / str(USER)
        store.private.folder.rename(foreign)
        for path in (foreign, *foreign.rglob("*")):
            os.chown(path, USER, USER)
        ran = purge("six", CACHEDINDEX_CACHE_DIR=str(store.root))
        assert f"for user {USER}, with credentials" in ran.out
        assert not [path for path in foreign.rglob("page.*") if b"<a href" in path.read_bytes()]
        assert {path.stat().st_uid for path in foreign.rglob("page.*")} == {USER}
    finally:
        shutil.rmtree(place)


def test_a_real_pip_gets_it_anew_and_not_in_an_outage(purge: Command, run: Run, index: Index, tmp_path: Path) -> None:
    def install(folder: str) -> Ran:
        pip = (sys.executable, "-m", "pip", "install", "-q", "--no-cache-dir", "--target", tmp_path / folder, "epsilon")
        return run(sys.executable, "-m", "cachedindex", "run", "--", *pip, PIP_INDEX_URL=index.url, PIP_RETRIES="0")

    assert install("first").code == 0
    assert purge("epsilon").code == 0
    index.refuse()
    assert install("dead").code == 1
    index.heal()
    index.seen.clear()
    assert install("anew").code == 0
    assert [seen.path for seen in index.seen if seen.path.endswith(".whl")] == ["/files/epsilon-1.0-py3-none-any.whl"]
    index.refuse()
    assert install("again").code == 0
