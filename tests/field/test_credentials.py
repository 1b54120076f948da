"""Credentials as real indexes have them: new in each job, in the path, in links, in a bundle that moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests import index as faults
from tests.conftest import Ran
from tests.field.conftest import assert_hidden, below, installed, login, settings, with_token
from tests.index import Index, serving
from tests.sites import new_authority, trusting

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
CLOSED = faults.status(503)


def test_the_bundle_of_authorities_lies_elsewhere_in_each_job(
    pip_install: Callable[..., Ran], distributions: Path, tmp_path: Path
) -> None:
    # safe-chain#147, pip-tools#612: a temporary copy of the same bundle for each job.
    authority = new_authority()
    with serving(distributions, authority=authority) as index:
        for job in ("A", "B", "C"):
            authority.cert_pem.write_to_path(str(tmp_path / f"{job}.pem"))
            if job == "C":
                index.fault(CLOSED)
            index.seen.clear()
            there = {"PIP_INDEX_URL": index.url, **trusting(tmp_path / f"{job}.pem")}
            ran = pip_install(job, "alpha", **there, **(EXPIRED if job == "C" else {}))
            assert ran.code == 0, ran.err
            assert job != "B" or index.seen == []
    assert installed(tmp_path / "A") == installed(tmp_path / "C")


def test_the_token_is_new_in_each_job(pip_install: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    # uv#3009, uv#8563: GitLab, CodeArtifact, Artifact Registry.
    index.fault(login)
    own = settings(tmp_path, index, "share = user")
    assert pip_install("A", "alpha", PIP_INDEX_URL=with_token(index, "first"), **own).code == 0
    index.seen.clear()
    assert pip_install("B", "alpha", PIP_INDEX_URL=with_token(index, "second"), **own).code == 0
    assert index.seen == []
    index.faults.insert(0, (faults.re.compile(""), CLOSED))
    third = pip_install("C", "alpha", PIP_INDEX_URL=with_token(index, "third"), **own, **EXPIRED)
    assert third.code == 0, third.err
    assert installed(tmp_path / "A") == installed(tmp_path / "C")


def test_the_token_is_a_part_of_the_path(pip_install: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    # pip-tools#697, dependabot-core#4539: who knows the URL has the token.
    index.fault(below("s3cr3t"), "^/s3cr3t/")
    own = settings(tmp_path, index, "private = true", path="s3cr3t/")
    there = {"PIP_INDEX_URL": f"{index.origin}/s3cr3t/simple/", **own}
    assert pip_install("A", "alpha", **there).code == 0
    assert_hidden(tmp_path / "cache", "s3cr3t")
    index.refuse()
    second = pip_install("B", "alpha", **there, **EXPIRED)
    assert second.code == 0, second.err
    assert installed(tmp_path / "A") == installed(tmp_path / "B")
    assert "s3cr3t" not in "".join(second.ours)


def test_links_hold_credentials(pip_install: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    # gemfury#45: a page is its user's alone if its links hold what only he may have.
    index.speaks_json = False
    secret = f"http://user:s3cr3t@127.0.0.1:{index.port}/files/".encode()
    index.fault(faults.altered(lambda page: page.replace(b"../../files/", secret)), "^/simple/")
    assert pip_install("A", "alpha").code == 0
    index.seen.clear()
    second = pip_install("B", "alpha")
    assert second.code == 0, second.err
    assert index.seen == []
    assert_hidden(tmp_path / "cache", "s3cr3t")
    index.refuse()
    third = pip_install("C", "alpha", **EXPIRED)
    assert third.code == 0, third.err
    assert installed(tmp_path / "A") == installed(tmp_path / "C")
