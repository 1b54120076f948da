"""What is private on real indexes without that pip says so: signed links, tokens in links, in paths and in jobs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests import index as faults
from tests.conftest import Ran
from tests.field.conftest import installed
from tests.index import Index

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}


@pytest.fixture
def secret_free(tmp_path: Path) -> Iterator[None]:
    """Check that no file which everybody can read holds the secret, nor any record of a file."""
    yield
    cache = tmp_path / "cache"
    assert cache.is_dir()
    for path in cache.rglob("*"):
        if path.is_file() and (b"telltale" in path.read_bytes() or "telltale" in str(path)):
            assert path.parent.parts[-1] != "files"
            assert cache / "private-v1" in path.parents, path
            assert path.stat().st_mode & 0o077 == 0


def linking(index: Index, change: Callable[[bytes, int], bytes]) -> None:
    """Have the links of all pages be others each time; without metadata, which no such index has."""
    numbers = count()

    def changed(page: bytes) -> bytes:
        page = re.sub(rb', "core-metadata": \{[^}]*\}| data-core-metadata="[^"]*"', b"", page)
        return change(page, next(numbers))

    index.fault(faults.altered(changed), "^/simple/.")


def outage(pip_install: Callable[..., Ran], index: Index, tmp_path: Path, **variables: str) -> None:
    """Install twice, the second time with the index down, and check that the result is the same."""
    first = pip_install("A", "alpha", **variables)
    assert (first.code, first.ours) == (0, []), first.err
    files = [seen for seen in index.seen if seen.path.startswith("/files/")]
    again = pip_install("B", "alpha", **variables, **EXPIRED)
    assert (again.code, again.ours) == (0, []), again.err
    assert [seen for seen in index.seen if seen.path.startswith("/files/")] == files, "no file is fetched again"
    index.refuse()
    third = pip_install("C", "alpha", "--retries", "0", **variables, **EXPIRED)
    assert third.code == 0, third.err
    assert "stale" in third.ours[-1]
    assert installed(tmp_path / "A") == installed(tmp_path / "B") == installed(tmp_path / "C")
    assert "telltale" not in " ".join(third.ours)


@pytest.mark.usefixtures("secret_free")
@pytest.mark.parametrize("speaks_json", [True, False])
def test_links_are_signed_anew_in_each_page(
    pip_install: Callable[..., Ran], index: Index, tmp_path: Path, speaks_json: bool
) -> None:
    # terraform-aws-serverless-pypi, pip#10790
    index.speaks_json = speaks_json
    linking(index, lambda page, number: page.replace(b".whl#", b".whl?sig=telltale%d#" % number)
            .replace(b'.whl", "hashes', b'.whl?sig=telltale%d", "hashes' % number))  # fmt: skip
    outage(pip_install, index, tmp_path)


@pytest.mark.usefixtures("secret_free")
def test_links_carry_a_token_that_is_new_in_each_page(
    pip_install: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    # gemfury#45
    host = index.origin.partition("//")[2].encode()
    linking(index, lambda page, number: page.replace(b'"/files/', b'"http://t:telltale%d@%s/files/' % (number, host)))
    outage(pip_install, index, tmp_path)


@pytest.mark.usefixtures("secret_free")
def test_rails_says_private_to_everybody(pip_install: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    index.headers["Cache-Control"] = "max-age=0, private, must-revalidate"
    outage(pip_install, index, tmp_path)
    cache = tmp_path / "cache"
    assert not (cache / "records-v1").exists()
    assert (cache / f"private-v1/{os.getuid()}/records-v1").is_dir()


@pytest.mark.usefixtures("secret_free")
def test_a_job_has_a_token_of_its_own(pip_install: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    # uv#3009, uv#8563: GitLab, CodeArtifact, Artifact Registry
    share = {"CACHEDINDEX_SHARE": "user"}
    urls = (index.url.replace("//", f"//job:telltale{number}@") for number in range(3))
    for folder, url in zip("AB", urls, strict=False):
        ran = pip_install(folder, "alpha", PIP_INDEX_URL=url, **share)
        assert ran.code == 0, ran.err
    assert len(index.pages_seen()) == 5
    index.refuse()
    third = pip_install("C", "alpha", "--retries", "0", PIP_INDEX_URL=next(urls), **share, **EXPIRED)
    assert third.code == 0, third.err


@pytest.mark.usefixtures("secret_free")
def test_the_token_is_part_of_the_path(pip_install: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    # pip-tools#697, dependabot-core#4539
    (tmp_path / "node.cfg").write_text(f"[cachedindex:x]\nurl = {index.origin}/telltale/simple/\nprivate = true\n")

    def below(handler: faults.Handler) -> bool:
        handler.path = handler.path.replace("/telltale", "")
        return True

    index.fault(below, "^/telltale/")
    variables = {"PIP_INDEX_URL": f"{index.origin}/telltale/simple/"}
    outage(pip_install, index, tmp_path, CACHEDINDEX_CONFIG=str(tmp_path / "node.cfg"), **variables)


def test_an_index_that_forbids_to_store_is_named_when_it_is_down(pip_install: Callable[..., Ran], index: Index) -> None:
    # uv#16959, uv#15480, pytorch/test-infra#8238
    index.headers["Cache-Control"] = "no-cache, no-store, must-revalidate"
    assert pip_install("A", "alpha").code == 0
    index.refuse()
    second = pip_install("B", "alpha", "--retries", "0")
    assert second.code == 1
    assert "store = always" in second.ours[-1]
