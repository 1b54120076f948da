"""Programs on urllib below `cachedindex run` that read configuration by URL, as mxdev does; and all others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import index as faults
from tests.conftest import Ran, Run
from tests.index import Index

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
    second = read(text, **SHORT)
    assert second.out == "alpha==1.0\n"
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


def test_pip_reads_constraints_by_url(run: Run, index: Index, text: str) -> None:
    install = (*CACHEDINDEX, sys.executable, "-m", "pip", "install", "-c", text, "--target")
    variables = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", "CACHEDINDEX_INDEX_TTL": "0"}
    assert run(*install, "A", "alpha", **variables).code == 0
    index.faults.clear()
    index.fault(faults.status(503))
    ran = run(*install, "B", "alpha", **variables, **SHORT)
    assert ran.code == 0, ran.err
    assert len(ran.ours) == 1
