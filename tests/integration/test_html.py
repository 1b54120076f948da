"""`cachedindex report --html` and the option `report = FILE.html`: the files that they write."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from cachedindex.commands.line import main
from cachedindex.store import private, runs
from cachedindex.store.store import Store
from tests.conftest import Ran, Run
from tests.documents import Document
from tests.index import Index
from tests.integration.test_report import RUN
from tests.stored import put_file, put_page

CACHEDINDEX = (sys.executable, "-m", "cachedindex")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CACHEDINDEX_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def read(path: Path) -> Document:
    document = Document(path.read_text("utf-8"))
    document.check()
    ((_, link),) = document.named("link")
    assert (path.parent / unquote(link["href"])).read_bytes().startswith(b"/* The stylesheet of a report")
    return document


def test_a_page_lies_beside_its_stylesheet(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs.write(cache, RUN)
    assert main(["report", "--html", "report.html"]) == 0
    out = "report.html, with report.css: 4 look-ups, 50% from the cache, 1 stale, 1 could not be had\n"
    assert capsys.readouterr().out == out
    assert sorted(path.name for path in cache.parent.iterdir()) == ["cache", "report.css", "report.html"]
    text = read(Path("report.html")).text
    assert "nightly #7" in text
    assert "<b>it</b> *refused*" in text
    assert "Nothing is stored yet." in text


@pytest.mark.parametrize(
    "name", ["a b.html", "c:d#e?f%20.html", "ä&<b>.html", "page", "-.htm", "quo\"te'.html", "\udcff.html"]
)
def test_the_name_of_the_file_may_have_any_letters(cache: Path, name: str) -> None:
    runs.write(cache, RUN)
    assert main(["report", f"--html={name}"]) == 0
    document = Document(Path(name).read_text("utf-8"))
    ((_, link),) = document.named("link")
    assert Path(unquote(link["href"], errors="surrogateescape")) == Path(name).with_suffix(".css")
    assert Path(name).with_suffix(".css").exists()
    assert ":" not in link["href"]


def test_the_page_of_some_days_has_the_runs_the_growth_and_the_job(cache: Path) -> None:
    store = Store(cache)
    put_page(store, "six", b"<a href='x'>x</a>")
    put_file(store, "six-1.9.tar.gz", b"older")
    put_file(store, "again-1.9.tar.gz", b"older")
    for build in ("1", "2"):
        runs.write(cache, RUN._replace(build=build))
    assert main(["report", "--since", "40000 d", "--job", "nightly", "--html", "days.html"]) == 0
    text = read(Path("days.html")).text
    assert "2 runs of nightly" in text
    assert "1 files of 5 bytes, and 1 pages of" in text
    assert "From 50% to 50%; last 50%." in text


def test_a_cache_without_runs_has_a_page_that_says_so(cache: Path) -> None:
    cache.rmdir()
    assert main(["report", "--job", "weekly", "--html", "report.html"]) == 1
    assert "There is no record of such a run." in read(Path("report.html")).text
    assert main(["report", "--since", "7 d", "--html", "report.html"]) == 0
    assert "0 runs" in read(Path("report.html")).text


def test_the_page_of_private_look_ups_is_for_their_user(cache: Path) -> None:
    private.folder_of_user(cache).mkdir(mode=0o700, parents=True)
    outcomes = [each._replace(seen_by="user") for each in RUN.outcomes]
    runs.write(cache, RUN._replace(outcomes=outcomes))
    assert main(["report", "--html", "report.html"]) == 0
    assert "flask" in read(Path("report.html")).text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("-", "a page needs a file"),
        ("", "a page needs a file"),
        ("nowhere/report.html", "No such file"),
        ("cache", "a page needs a file"),
        ("report.css", "a page needs a file"),
        ("/dev/null", "a page needs a file"),
        ("other.html", "another one"),
        ("folder.html", "another one"),
    ],
)
def test_a_page_that_cannot_be_written_is_a_wrong_option(
    cache: Path, name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.write(cache, RUN)
    Path("other.css").write_text("p {}")
    Path("folder.css").mkdir()
    assert main(["report", "--html", name]) == 2
    assert f"cachedindex: command line: --html {Path(name)}: " in (err := capsys.readouterr().err)
    assert says in err
    assert sorted(path.name for path in cache.parent.iterdir()) == ["cache", "folder.css", "other.css"]
    assert Path("other.css").read_text() == "p {}"
    assert Path("/dev/null").is_char_device()


def test_a_page_is_replaced_whole_and_a_link_stays_one(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.write(cache, RUN)
    Path("there.html").write_text("before")
    Path("report.html").symlink_to("there.html")
    assert main(["report", "--html", "report.html"]) == 0
    assert Path("report.html").is_symlink()
    whole = Path("there.html").read_text("utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert main(["report", "--html", "report.html"]) == 2
    assert Path("there.html").read_text("utf-8") == whole
    assert not list(cache.parent.glob("*.tmp")) + list(cache.parent.glob(".*.tmp"))


def test_a_page_has_the_mode_that_the_umask_says(cache: Path) -> None:
    before = os.umask(0o027)
    try:
        assert main(["report", "--html", "report.html"]) == 1
    finally:
        os.umask(before)
    assert [Path(name).stat().st_mode & 0o777 for name in ("report.html", "report.css")] == [0o640, 0o640]


def test_the_stylesheet_is_installed(our_wheel: Path) -> None:
    assert "cachedindex/run/page.css" in zipfile.ZipFile(our_wheel).namelist()


@pytest.fixture
def pip(run: Run, index: Index, tmp_path: Path) -> Callable[..., Ran]:
    def pip(*options: str, through: tuple[str, ...] = (*CACHEDINDEX, "run"), **variables: str) -> Ran:
        command = (
            *through,
            *options,
            *(["--"] if through else []),
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "-d",
        )
        return run(*command, "here", "alpha", **{"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", **variables})

    return pip


def test_a_run_writes_its_page_with_the_runs_before_it(pip: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    options = ("--report", "report.html")
    assert pip(*options).code == 0
    index.refuse()
    ran = pip(*options, CACHEDINDEX_INDEX_TTL="0", JOB_NAME="nightly", BUILD_NUMBER="8")
    assert (ran.code, len(ran.ours)) == (0, 1)
    text = read(tmp_path / "report.html").text
    assert "nightly #8" in text
    assert "Copies stood in for an index." in text
    assert "it refused the connection" in text
    ran = pip(*options, CACHEDINDEX_INDEX_TTL="0")
    assert "Share of look-ups from the cache in the last 3 runs" in read(tmp_path / "report.html").text


def test_a_page_of_a_run_that_cannot_be_written_is_one_line(pip: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "other.css").write_text("p {}")
    for name, says in (("nowhere/report.html", "No such file"), ("other.html", "another one")):
        ran = pip("--report", name)
        assert (ran.code, len(ran.ours)) == (0, 1)
        assert f"cannot write {name}: " in ran.ours[0]
        assert says in ran.ours[0]
