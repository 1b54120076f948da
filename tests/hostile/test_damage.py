"""What rots in the folder: never served, healed by the next run that has an index, and said clearly without one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

import cachedindex
from tests.conftest import Run
from tests.index import Index

Fetch = Callable[[str], bytes]


@pytest.fixture
def fetch(tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fetch]:
    """Give a function that fetches a path as a script on requests does, from a copy that is fresh for an hour."""
    for name in ("CACHEDINDEX_RUN", "CACHEDINDEX_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir=tmp_path / "cache", index_ttl="1 h"))
    with session:

        def fetch(url: str) -> bytes:
            response = session.get(url)
            response.raise_for_status()
            return response.content

        yield fetch


def stored(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".tmp"))


def damages(whole: bytes) -> Iterator[bytes]:
    """Yield it cut at every length, with every byte flipped in turn, and with one too many."""
    for position in range(len(whole)):
        yield whole[:position]
        yield whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :]
    yield whole + b"\0"
    yield bytes(len(whole))


PAGE, FILE = "/simple/alpha/", "/files/alpha-1.0-py3-none-any.whl"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "kept"),
    [(PAGE, "records-v1/*/simple/alpha/page.*"), (FILE, "records-v1/*/files/*"), (FILE, "blobs-v1/*/*")],
    ids=["page", "record", "blob"],
)
def test_no_damaged_byte_is_served_and_all_heal(
    fetch: Fetch, index: Index, tmp_path: Path, path: str, kept: str
) -> None:
    fetch(index.origin + PAGE)  # It vouches for the file.
    right = fetch(index.origin + path)
    (file,) = (tmp_path / "cache").glob(kept)
    whole = file.read_bytes()
    index.seen.clear()
    for asked, damaged in enumerate(damages(whole), 1):
        file.write_bytes(damaged)
        assert fetch(index.origin + path) == right, "served damaged"
        assert len(index.seen) == asked, f"served without asking, from {damaged!r}"
        assert fetch(index.origin + path) == right
        assert len(index.seen) == asked, f"not healed from {damaged!r}"


Replace = Callable[[Path, Path], None]


def by_another(path: Path, other: Path) -> None:
    shutil.copy(other, path)


def by_nothing(path: Path, _: Path) -> None:
    path.write_bytes(b"")


def by_a_link_to_nowhere(path: Path, _: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def by_a_link_to_another(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to(other)


def by_a_folder(path: Path, _: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("tree", ["records-v1", "blobs-v1"])
@pytest.mark.parametrize(
    "replace",
    [by_another, by_nothing, by_a_link_to_nowhere, by_a_link_to_another],
    ids=lambda replace: replace.__name__,
)
def test_a_replaced_record_or_blob_is_not_served_and_heals(
    fetch: Fetch, index: Index, tmp_path: Path, tree: str, replace: Replace
) -> None:
    right = {}
    for name in ("alpha", "beta"):
        for url in (f"{index.url}{name}/", f"{index.origin}/files/{name}-1.0-py3-none-any.whl"):
            right[url] = fetch(url)
    kept = stored(tmp_path / "cache" / tree)
    for path, other in zip(kept[::2], kept[1::2], strict=True):
        replace(path, other)
    for _ in range(2):  # Healing one may write through the link that another one became.
        assert {url: fetch(url) for url in right} == right
    index.seen.clear()
    assert {url: fetch(url) for url in right} == right
    assert index.seen == []


@pytest.mark.parametrize("tree", ["records-v1", "blobs-v1"])
def test_a_folder_in_the_place_of_a_file_is_not_served_and_breaks_nothing(
    fetch: Fetch, index: Index, tmp_path: Path, tree: str
) -> None:
    urls = (index.origin + PAGE, index.origin + FILE)
    right = [fetch(url) for url in urls]
    for path in stored(tmp_path / "cache" / tree):
        by_a_folder(path, path)
    assert [fetch(url) for url in urls] == right


@pytest.mark.parametrize("tree", ["records-v1", "blobs-v1"])
def test_offline_pip_is_told_clearly(
    run: Run, python_with: Callable[..., Path], index: Index, tmp_path: Path, tree: str
) -> None:
    pip = (python_with("pip==26.3"), "-m", "pip", "install", "-q", "epsilon", "--target")

    def install(folder: str, **variables: str) -> tuple[int, list[str]]:
        ran = run(sys.executable, "-m", "cachedindex", "run", "--", *pip, tmp_path / folder, PIP_INDEX_URL=index.url,
                  PIP_NO_CACHE_DIR="1", **variables)  # fmt: skip
        assert "Traceback" not in ran.err
        return ran.code, ran.ours

    assert install("A") == (0, [])
    assert install("B", CACHEDINDEX_OFFLINE="true")[0] == 0
    for path in stored(tmp_path / "cache" / tree):
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
    index.seen.clear()
    code, said = install("C", CACHEDINDEX_OFFLINE="true")
    assert code != 0
    assert index.seen == []
    assert "of which nothing is stored" in said[-1]
    assert install("D")[0] == 0
    assert install("E", CACHEDINDEX_OFFLINE="true")[0] == 0
    assert (tmp_path / "E/epsilon.py").read_bytes() == (tmp_path / "A/epsilon.py").read_bytes()
