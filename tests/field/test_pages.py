"""Pages as real indexes make them, and what became of a build that was given one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Ran
from tests.field.conftest import installed
from tests.index import Index, serving

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}


@pytest.mark.parametrize("speaks_json", [True, False], ids=["json", "html"])
@pytest.mark.parametrize("projects", [("alpha",), ("alpha", "beta", "gamma")], ids=["one", "three"])
def test_a_nightly_index_lists_its_newest_file_only(
    pip_install: Callable[..., Ran], index: Index, distributions: Path, tmp_path: Path, projects: tuple[str, ...],
    speaks_json: bool,
) -> None:  # fmt: skip
    # vllm#17804, vllm#44515: each night a new version, and the one before is gone.
    index.speaks_json = speaks_json
    assert pip_install("A", "--no-deps", *projects).code == 0
    for project in projects:
        (distributions / f"{project}-1.0-py3-none-any.whl").unlink()
        packages.add_wheel(distributions, project, "2.0")
    wanted = [f"{project}==2.0" for project in projects]
    second = pip_install("B", "--no-deps", *wanted, **EXPIRED)
    assert second.code == 0, second.err
    assert installed(tmp_path / "B") == [f"{project}-2.0.dist-info" for project in projects]
    assert second.ours == []


def test_a_private_upload_hides_the_public_releases_of_its_name(
    pip_install: Callable[..., Ran], index: Index, distributions: Path, tmp_path: Path
) -> None:
    # devpi#436, devpi#441: one upload, and all the public releases are gone from the page.
    for version in ("1.1", "1.2", "1.3"):
        packages.add_wheel(distributions, "alpha", version)
    assert pip_install("A", "--no-deps", "alpha").code == 0
    for wheel in distributions.glob("alpha-*"):
        wheel.unlink()
    packages.add_wheel(distributions, "alpha", "1.2.post1")
    second = pip_install("B", "--no-deps", "alpha", **EXPIRED)
    assert second.code == 0, second.err
    assert installed(tmp_path / "B") == ["alpha-1.2.post1.dist-info"]


@pytest.mark.parametrize(
    "page",
    [
        (
            b"<html><head><title>Index of /dist</title></head><body><h1>Index of /dist</h1>"
            b"<a href='/'>Parent Directory</a><a href='README.txt'>README.txt</a></body></html>"
        ),
        b"<body></body>",
    ],
    ids=["a folder", "nothing"],
)
def test_find_links_without_distributions_end_no_build(
    pip_install: Callable[..., Ran], index: Index, tmp_path: Path, page: bytes
) -> None:
    # EasyNewsletter#4, pypicloud#101: a page that lists nothing is no index that is down.
    index.fault(faults.body(page), "^/dist/")
    links = ("--find-links", f"{index.origin}/dist/", "--trusted-host", "127.0.0.1")
    for folder in ("A", "B"):
        ran = pip_install(folder, "--no-deps", *links, "alpha", CACHEDINDEX_MISSING_INDEX="fail")
        assert ran.code == 0, ran.err
        assert ran.ours == []
    assert [seen.path for seen in index.seen].count("/dist/") == 1, "it is stored like any other page"


def test_a_project_that_is_emptied_is_believed_when_it_stays_so(pip_install: Callable[..., Ran], index: Index) -> None:
    # devpi#569: the page of an emptied project has no title.
    assert pip_install("A", "--no-deps", "alpha").code == 0
    index.fault(faults.body(b"<!DOCTYPE html><html><head></head><body></body></html>"), "^/simple/alpha/")
    second = pip_install("B", "--no-deps", "alpha", **EXPIRED)
    assert second.code == 0, second.err
    assert "lists none of the files" in second.ours[-1]


def test_a_firewall_that_dislikes_pip_is_an_outage(
    pip_install: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    # tuna#2603, tuna#2605: 403 to everybody who comes as pip.
    assert pip_install("A", "alpha").code == 0
    index.fault(faults.status(403))
    assert pip_install("bare", "alpha", bare=True).code == 1
    second = pip_install("B", "alpha", **EXPIRED)
    assert second.code == 0, second.err
    assert installed(tmp_path / "A") == installed(tmp_path / "B")
    assert "it answered 403" in second.ours[-1]


def test_a_login_that_an_index_asks_for_is_no_outage(pip_install: Callable[..., Ran], index: Index) -> None:
    # It was public, and is no more: what is stored of that time is not for strangers, in no later outage either.
    assert pip_install("A", "--no-deps", "alpha").code == 0
    index.fault(faults.status(401, {"WWW-Authenticate": "Basic"}))
    assert pip_install("B", "--no-deps", "--no-input", "alpha", **EXPIRED).code == 1
    index.refuse()
    assert pip_install("C", "--no-deps", "--no-input", "--retries", "0", "alpha", **EXPIRED).code == 1


def test_a_direct_url_is_asked_for_as_often_as_its_answer_says(
    pip_install: Callable[..., Ran], distributions: Path, tmp_path: Path
) -> None:
    # pip#13876, uv#20393: locked installs name each wheel by its URL.
    with serving(distributions) as files:
        files.fault(_immutable, "^/files/")
        url = f"{files.origin}/files/alpha-1.0-py3-none-any.whl"
        for folder in ("A", "B"):
            ran = pip_install(folder, "--no-deps", url)
            assert ran.code == 0, ran.err
        assert len(files.seen) == 1
    third = pip_install("C", "--no-deps", url)
    assert third.code == 0, third.err
    assert installed(tmp_path / "C") == ["alpha-1.0.dist-info"]


def _immutable(handler: faults.Handler) -> bool:
    status, headers, content = handler.answer()
    handler.reply(status, {**headers, "Cache-Control": "max-age=365000000, immutable, public"}, content)
    return True
