"""An sdist of which pip has a wheel in its own cache: what one node does not ask for, another one needs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import index as faults
from tests.conftest import Ran, Run
from tests.index import Index

SDIST = "source-2.0.tar.gz"
START = """
import os, pathlib, runpy
pathlib.Path(__file__).with_name("pid").write_text(str(os.getpid()))
runpy.run_module("pip", run_name="__main__")
"""


@pytest.fixture
def install(run: Run, python_with: Callable[..., Path], index: Index, tmp_path: Path) -> Callable[..., Ran]:
    """Give a function that installs an sdist with pip's cache of wheels."""

    def install(pip: str, folder: str, *options: str, bare: bool = False, **variables: str) -> Ran:
        covered = () if bare else (sys.executable, "-m", "cachedindex", "run", "--")
        command = (python_with(f"pip=={pip}"), "-m", "pip", "install", "-q", "--target", tmp_path / folder, "source")
        return run(*covered, *command, *options, PIP_INDEX_URL=index.url, **variables)

    return install


def files(index: Index) -> list[str]:
    return [seen.path.rpartition("/")[2] for seen in index.seen if seen.path.startswith("/files/")]


@pytest.mark.parametrize("pip", ["26.3", "23.2"])
def test_a_new_node_has_what_a_warm_one_did_not_need(
    install: Callable[..., Ran], index: Index, tmp_path: Path, pip: str
) -> None:
    assert install(pip, "A", bare=True).code == 0
    index.seen.clear()
    assert (install(pip, "B").ours, files(index)) == ([], [SDIST])
    index.seen.clear()
    assert (install(pip, "C").ours, files(index)) == ([], []), "once"
    assert len(list((tmp_path / "cache/records-v1").rglob(f"{SDIST}.*"))) == 1
    index.refuse()
    (tmp_path / "pip-cache").rename(tmp_path / "gone")
    ran = install(pip, "D", "--no-deps", CACHEDINDEX_INDEX_TTL="0", PIP_RETRIES="0")
    assert SDIST not in "".join(ran.ours), "only what builds it is missing"


def test_an_index_that_is_some_way_off_is_asked_once(install: Callable[..., Ran], index: Index) -> None:
    """After 10 ms an answer has look-ups begun ahead, and what guesses them imported, which pip 26.3 then refuses."""
    assert install("26.3", "A", bare=True).code == 0
    index.fault(faults.slow(0.05), "^/files/")
    index.seen.clear()
    ran = install("26.3", "B")
    assert (ran.code, ran.ours, files(index)) == (0, [], [SDIST]), ran.err


def test_nothing_is_asked_for_in_an_outage(install: Callable[..., Ran], index: Index) -> None:
    assert install("26.3", "A").code == 0
    assert install("26.3", "B", bare=True).code == 0
    index.fault(faults.status(503))
    index.seen.clear()
    ran = install("26.3", "C", CACHEDINDEX_INDEX_TTL="0")
    assert ran.code == 0, ran.err
    assert files(index) == []


def test_a_file_that_cannot_be_had_changes_nothing(install: Callable[..., Ran], index: Index) -> None:
    assert install("26.3", "A", bare=True).code == 0
    index.fault(faults.status(503), "^/files/")
    index.seen.clear()
    ran = install("26.3", "B")
    assert (ran.code, ran.ours, files(index)) == (0, [], [SDIST]), ran.err


def test_an_answer_that_drips_does_not_hold_pip(install: Callable[..., Ran], index: Index) -> None:
    """At a byte a second, it would come in ten minutes."""
    assert install("26.3", "A", bare=True).code == 0
    index.fault(faults.drip_body, "^/files/")
    index.seen.clear()
    ran = install("26.3", "B")
    index.heal()
    assert (ran.code, ran.ours, files(index)) == (0, [], [SDIST]), ran.err


def test_an_interrupt_after_the_work_prints_nothing(
    install: Callable[..., Ran], python_with: Callable[..., Path], run: Run, index: Index, tmp_path: Path
) -> None:
    """A pip without us has ended by then."""

    def interrupt(handler: faults.Handler) -> bool:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGINT)
        return faults.hang(handler)

    assert install("26.3", "A", bare=True).code == 0
    (tmp_path / "start.py").write_text(START)
    index.fault(interrupt, "^/files/")
    pip = (python_with("pip==26.3"), tmp_path / "start.py", "install", "-q", "--target", tmp_path / "B", "source")
    ran = run(sys.executable, "-m", "cachedindex", "run", "--", *pip, PIP_INDEX_URL=index.url)
    index.heal()
    assert (ran.code, ran.err) == (0, "")
