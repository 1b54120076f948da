"""Programs on urllib below `cachedindex run` that read configuration by URL, as mxdev does; and all others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests import index as faults
from tests.conftest import Ran, Run
from tests.index import Index
from tests.outages import DEAD, outage

CACHEDINDEX = (sys.executable, "-m", "cachedindex", "run", "--")
READ = """
import sys
from urllib.request import urlopen
for url in sys.argv[1:]:
    try:
        print(urlopen(url, timeout=10).read().decode(), end="")
    except Exception as error:
        print(type(error).__name__, getattr(error, "code", ""))
"""
SHORT = {"CACHEDINDEX_TIMEOUT": "0.5"}


@pytest.fixture
def read(run: Run, tmp_path: Path) -> Callable[..., Ran]:
    (tmp_path / "read.py").write_text(READ)

    def read(*urls: str, covered: bool = True, **variables: str) -> Ran:
        return run(*(CACHEDINDEX if covered else ()), sys.executable, "read.py", *urls, **variables)

    return read


Read = Callable[..., Ran]


@pytest.fixture
def text(index: Index) -> str:
    index.fault(faults.body(b"alpha==1.0\n", "text/plain"), "/constraints.txt")
    return f"{index.origin}/constraints.txt"


def test_a_configuration_survives_an_outage(read: Read, index: Index, text: str) -> None:
    for _ in range(2):
        first = read(text)
        assert (first.out, first.err) == ("alpha==1.0\n", "")
    assert len(index.seen) == 2, "each time it is asked for"
    index.faults.clear()
    index.fault(faults.status(503))
    assert read(text, covered=False).out == "HTTPError 503\n"
    second = read(text, text, **SHORT)
    assert second.out == "alpha==1.0\n" * 2, "several files may name it"
    assert len(second.ours) == 1


def test_a_page_of_an_index_survives_and_is_asked_for_each_time(read: Read, index: Index) -> None:
    page = read(f"{index.url}alpha/").out
    assert read(f"{index.url}alpha/").out == page
    assert len(index.seen) == 2
    index.close()
    assert read(f"{index.url}alpha/").out == page


def test_what_a_program_asks_again_is_its_own(read: Read, index: Index, text: str) -> None:
    index.faults.clear()
    index.fault(faults.becoming(faults.body(b"up\n", "text/plain"), faults.status(503)), "/constraints.txt")
    assert read(text, text).out == "up\nHTTPError 503\n", "it waits for a change"


@pytest.mark.parametrize("path", ["/health", "/status/", "/index.html", "/"])
def test_anything_else_is_the_programs_own(read: Read, index: Index, path: str) -> None:
    index.fault(faults.body(b"up\n", "text/html"))
    assert read(f"{index.origin}{path}").out == "up\n"
    index.faults.clear()
    index.fault(faults.status(503))
    assert read(f"{index.origin}{path}", **SHORT).out == "HTTPError 503\n"


def test_a_program_that_asks_nothing_loads_nothing(run: Run) -> None:
    code = "import urllib.request, sys; print(sorted(name for name in sys.modules if 'cachedindex' in name))"
    assert run(*CACHEDINDEX, sys.executable, "-c", code).out == "['_cachedindex_hook']\n"


def test_without_a_run_urllib_is_as_it_was(run: Run) -> None:
    code = "import urllib.request; print(urllib.request._opener)"
    hook = str(Path(__file__).parents[2] / "src/cachedindex/hook")
    assert run(sys.executable, "-c", code, PYTHONPATH=hook).out == "None\n"


def test_an_opener_of_the_programs_own_is_used(run: Run, index: Index, text: str) -> None:
    code = f"""
import urllib.request
class Mine(urllib.request.BaseHandler):
    def http_request(self, request):
        request.add_header("X-Mine", "1")
        return request
urllib.request.install_opener(urllib.request.build_opener(Mine))
urllib.request.urlretrieve({text!r}, "constraints.txt")
"""
    assert run(*CACHEDINDEX, sys.executable, "-c", code).code == 0
    assert "x-mine" in index.seen[0].headers


def test_an_error_is_the_one_that_urllib_raises(read: Read, index: Index) -> None:
    index.close()
    assert read(f"{index.origin}/constraints.txt").out == read(f"{index.origin}/constraints.txt", covered=False).out


@pytest.mark.parametrize("words", [("-c", "{text}", "alpha"), ("-r", "{text}")], ids=["-c URL", "-r URL"])
def test_pip_reads_a_file_by_url(run: Run, index: Index, text: str, tmp_path: Path, words: tuple[str, ...]) -> None:
    pip = (*CACHEDINDEX, sys.executable, "-m", "pip", "install", *(word.format(text=text) for word in words))
    variables = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1"}
    assert run(*pip, "--target", "A", **variables).code == 0
    for name in DEAD:
        with outage(index, name, tmp_path / "cache", tmp_path / "nodes") as dead:
            ran = run(*pip, "--target", name, **variables, **dead)
        assert ran.code == 0, f"{name}: {ran.err}"
        assert len(ran.ours) == 1
        assert (tmp_path / name / "alpha-1.0.dist-info").is_dir()


MX = """
[settings]
requirements-in = requirements.txt
include = {origin}/base.ini
"""


@pytest.mark.slow
def test_mxdev_reads_all_that_it_names_by_url(
    run: Run, python_with: Callable[..., Path], index: Index, text: str, tmp_path: Path
) -> None:
    """Its include, requirements, and constraints that are named twice."""
    index.fault(faults.body(b"[settings]\nversion-overrides =\n    beta==1.0\n", "text/plain"), "/base.ini")
    index.fault(faults.body(f"-c {text}\nbeta\n".encode(), "text/plain"), "/more.txt")
    (tmp_path / "mx.ini").write_text(MX.format(origin=index.origin))
    (tmp_path / "requirements.txt").write_text(f"-c {text}\n-r {index.origin}/more.txt\nalpha\n")
    mxdev = python_with("mxdev").with_name("mxdev")

    def written(command: Sequence[object], **variables: str) -> tuple[Ran, list[str]]:
        ran = run(*command, "-c", "mx.ini", **variables)
        found = [tmp_path / f"{name}-mxdev.txt" for name in ("requirements", "constraints")]
        texts = [path.read_text() for path in found if path.exists()]
        for path in found:
            path.unlink(missing_ok=True)
        return ran, texts

    bare, texts = written([mxdev])
    assert (bare.code, len(texts)) == (0, 2), bare.err
    assert "alpha==1.0" in texts[1]
    healthy, same = written([*CACHEDINDEX, mxdev])
    assert (healthy.code, healthy.ours, same) == (0, [], texts), healthy.err
    for name in DEAD:
        with outage(index, name, tmp_path / "cache", tmp_path / "nodes") as variables:
            ran, same = written([*CACHEDINDEX, mxdev], **variables)
        assert (ran.code, same) == (0, texts), f"{name}: {ran.err}"
        assert len(ran.ours) == 1, ran.err
