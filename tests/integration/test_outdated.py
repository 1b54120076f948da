"""A file that a fresh page lists is gone or has changed: the build ends as it would without us."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from hashlib import md5, sha256
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Ran, Run
from tests.index import Index
from tests.integration.conftest import eggs

FRESH = {"CACHEDINDEX_INDEX_TTL": "600"}
OUTDATED = "cachedindex: a file is gone or has changed since its page was stored; the page is read again"

Pip = Callable[..., Ran]


@pytest.fixture(params=["pip==23.2.1", "pip==26.3"])
def pip(
    request: pytest.FixtureRequest, run: Run, python_with: Callable[..., Path], index: Index, tmp_path: Path
) -> Pip:
    """Give a function that runs a command of pip, whose files lie in the folder `got` afterwards."""
    python = python_with(request.param)

    def pip(command: str, *words: str, **variables: str) -> Ran:
        into = {"install": ("--target", tmp_path / "got"), "download": ("--dest", tmp_path / "got")}.get(command, ())
        ours = (sys.executable, "-m", "cachedindex", "run", "--", python, "-m", "pip", command, "-q", *into, *words)
        return run(*ours, PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1", **{**FRESH, **variables})

    return pip


def got(tmp_path: Path, name: str) -> list[str]:
    """Return the names and versions of what a pip has installed or downloaded of a project."""
    paths = [*(tmp_path / "got").glob(f"{name}-*.dist-info"), *(tmp_path / "got").glob(f"{name}-*.whl")]
    return sorted("-".join(path.name.removesuffix(".dist-info").split("-")[:2]) for path in paths)


def add_nightly(folder: Path, name: str, version: str, requires: tuple[str, ...] = (), code: str = "") -> Path:
    filename, content = packages.wheel(name, version, requires, code)
    for old in folder.glob(f"{name}-*"):
        old.unlink()
    (folder / filename).write_bytes(content)
    return folder / filename


@pytest.mark.parametrize("command", ["install", "download"])
@pytest.mark.parametrize("status", [404, 410, 403])
def test_a_nightly_is_replaced_by_the_next_one(
    pip: Pip, index: Index, distributions: Path, tmp_path: Path, command: str, status: int
) -> None:
    index.fault(faults.status(status), "nightly-1[.]0")
    add_nightly(distributions, "nightly", "1.0")
    assert pip("index", "versions", "nightly").code == 0
    add_nightly(distributions, "nightly", "1.1")
    index.seen.clear()

    ran = pip(command, "nightly")

    assert ran.code == 0, ran.err
    assert got(tmp_path, "nightly") == ["nightly-1.1"]
    assert ran.ours == [OUTDATED]
    assert index.pages_seen() == ["/simple/nightly/"]


def test_several_nightlies_are_replaced(pip: Pip, distributions: Path, tmp_path: Path) -> None:
    for name in ("nightly", "weekly"):
        add_nightly(distributions, name, "1.0")
        assert pip("index", "versions", name).code == 0
        add_nightly(distributions, name, "1.1")
    ran = pip("install", "nightly", "alpha", "weekly")
    assert ran.code == 0, ran.err
    assert [*got(tmp_path, "nightly"), *got(tmp_path, "weekly")] == ["nightly-1.1", "weekly-1.1"]
    assert got(tmp_path, "alpha") == ["alpha-1.0"]


@pytest.mark.parametrize("command", ["install", "download"])
@pytest.mark.parametrize("requires", [(), ("epsilon",)], ids=["the wheel alone", "its metadata, too"])
def test_a_file_that_was_published_anew_is_had_as_it_is_now(
    pip: Pip, distributions: Path, tmp_path: Path, command: str, requires: tuple[str, ...]
) -> None:
    before = add_nightly(distributions, "nightly", "1.0").read_bytes()
    assert pip("index", "versions", "nightly").code == 0
    wheel = add_nightly(distributions, "nightly", "1.0", requires, "more = True\n")

    ran = pip(command, "nightly")

    assert ran.code == 0, ran.err
    assert got(tmp_path, "nightly") == ["nightly-1.0"]
    assert ran.ours == [OUTDATED]
    stored = [path.read_bytes() for path in (tmp_path / "cache/blobs-v1").rglob("*") if path.is_file()]
    assert wheel.read_bytes() in stored
    assert before not in stored


@pytest.mark.parametrize("digests", [True, False], ids=["md5", "none"])
def test_a_listing_without_a_sha256(pip: Pip, index: Index, distributions: Path, tmp_path: Path, digests: bool) -> None:
    def page(handler: faults.Handler) -> bool:
        code, headers, _ = handler.answer()
        found = [(path, md5(path.read_bytes()).hexdigest()) for path in index.distributions("nightly")]
        links = "".join(
            f'<a href="/files/{path.name}{f"#md5={digest}" if digests else ""}">{path.name}</a>'
            for path, digest in found
        )
        handler.reply(code, headers, f"<title>Links for nightly</title>{links}".encode())
        return False

    index.speaks_json = False
    add_nightly(distributions, "nightly", "1.0")
    index.fault(page, "/simple/nightly/")
    assert pip("index", "versions", "nightly").code == 0
    wheel = add_nightly(distributions, "nightly", "1.0" if digests else "1.1", (), "more = True\n")
    ran = pip("download", "nightly")
    assert ran.code == 0, ran.err
    assert (tmp_path / "got" / wheel.name).read_bytes() == wheel.read_bytes()


def test_a_page_of_find_links_is_asked_for_again(pip: Pip, index: Index, distributions: Path, tmp_path: Path) -> None:
    def page(handler: faults.Handler) -> bool:
        links = "".join(f'<a href="/files/{path.name}">{path.name}</a>' for path in sorted(distributions.iterdir()))
        handler.reply(200, {"Content-Type": "text/html"}, f"<title>Links</title>{links}".encode())
        return False

    index.fault(page, "/links/")
    there = ("--no-index", "--find-links", f"{index.origin}/links/")
    add_nightly(distributions, "nightly", "1.0")
    assert pip("download", *there, "epsilon").code == 0
    add_nightly(distributions, "nightly", "1.1")
    index.seen.clear()
    ran = pip("download", *there, "nightly")
    assert ran.code == 0, ran.err
    assert got(tmp_path, "nightly") == ["nightly-1.1"]
    assert [seen.path for seen in index.seen].count("/links/") == 1


@pytest.mark.parametrize("command", ["install", "download"])
def test_a_locked_wheel_that_was_uploaded_later_is_found(
    pip: Pip, distributions: Path, tmp_path: Path, command: str
) -> None:
    packages.add_sdist(distributions, "locked", "1.0")
    assert pip("index", "versions", "locked").code == 0
    wheel = packages.add_wheel(distributions, "locked", "1.0")
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"locked==1.0 --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}\n")
    ran = pip(command, "--require-hashes", "-r", str(lock))
    assert ran.code == 0, ran.err
    assert got(tmp_path, "locked") == ["locked-1.0"]
    assert ran.ours == [OUTDATED]


def test_a_wrong_hash_is_refused_as_it_is_without_us(pip: Pip, index: Index, tmp_path: Path) -> None:
    assert pip("install", "epsilon").code == 0
    index.seen.clear()
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"epsilon==1.0 --hash=sha256:{'0' * 64}\n")
    ran = pip("install", "--require-hashes", "-r", str(lock))
    assert ran.code == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in ran.err
    assert index.pages_seen() == ["/simple/epsilon/"], "once"
    assert ran.ours == [], "the page was right, and the lock is wrong"


def test_a_file_that_its_index_still_lists_is_asked_for_twice(pip: Pip, index: Index) -> None:
    assert pip("index", "versions", "epsilon").code == 0
    index.fault(faults.status(404), "/files/epsilon")
    index.seen.clear()
    ran = pip("install", "epsilon")
    assert ran.code == 1
    assert index.pages_seen() == ["/simple/epsilon/"]
    assert len(index.seen) == 3
    ran = pip("install", "epsilon")
    assert ran.code == 1


def test_it_is_asked_for_anew_by_the_next_run_too(pip: Pip, index: Index, distributions: Path, tmp_path: Path) -> None:
    """The first pip is of an old way of resolving, which nothing of ours surrounds."""
    add_nightly(distributions, "nightly", "1.0")
    assert pip("index", "versions", "nightly").code == 0
    add_nightly(distributions, "nightly", "1.1")
    old = pip("install", "--use-deprecated", "legacy-resolver", "nightly")
    index.seen.clear()
    ran = pip("install", "nightly")
    assert (old.code, ran.code) == (1, 0), ran.err
    assert ran.ours == []
    assert index.pages_seen() == ["/simple/nightly/"]


@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "changed"])
@pytest.mark.usefixtures("measured_environments")
def test_buildout_searches_again(
    buildout: Callable[..., Ran], index: Index, distributions: Path, tmp_path: Path, is_gone: bool
) -> None:
    add_nightly(distributions, "nightly", "1.0")
    first = buildout("A", "py:eggs=nightly", "buildout:allow-picked-versions=true", **FRESH)
    assert first.code == 0, first.err
    shutil.rmtree(tmp_path / "cache/blobs-v1")
    add_nightly(distributions, "nightly", "1.1" if is_gone else "1.0", (), "more = True\n")
    index.seen.clear()

    second = buildout("B", "py:eggs=nightly", "buildout:allow-picked-versions=true", **FRESH)

    assert second.code == 0, second.err
    (egg,) = [name for name in eggs(tmp_path / "B") if name.startswith("nightly")]
    assert egg.startswith("nightly-1.1" if is_gone else "nightly-1.0")
    (module,) = (tmp_path / "B/eggs").rglob("nightly.py")
    assert "more = True" in module.read_text()
    assert second.ours == [OUTDATED]
    assert index.pages_seen() == ["/simple/nightly/"]
