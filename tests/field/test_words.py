"""What the last line, and pip itself, say of ordinary failures."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import index as faults
from tests.conftest import Ran, Run
from tests.index import Handler, Index

NOBODY = "http://127.0.0.1:9"
CLASSES = re.compile(r"[a-z](Error|Exception|Timeout)\b|Redirects\b")


def quarantined(handler: Handler) -> bool:
    code, headers, content = handler.answer()
    page = {**json.loads(content), "project-status": {"status": "quarantined"}, "files": []}
    handler.reply(code, headers, json.dumps(page).encode())
    return False


@pytest.mark.parametrize(
    ("fault", "pattern", "variables", "said"),
    [
        (faults.reset, "", {}, "could not get alpha, of which nothing is stored ({origin}: it reset the connection)"),
        (
            faults.status(503),
            "",
            {},
            "could not get alpha, of which nothing is stored ({origin}: it answered 503 again and again)",
        ),
        (
            faults.status(503),
            "^/files/",
            {},
            "could not get alpha-1.0-py3-none-any.whl, of which nothing is stored ({origin}: it answered 503",
        ),
        (faults.looping, "", {}, "could not get alpha, of which nothing is stored ({origin}: it redirects too often)"),
        (
            faults.status(200),
            "",
            {"http_proxy": NOBODY},
            "could not get alpha, of which nothing is stored ({origin}: its proxy refused the connection)",
        ),
        (quarantined, "", {}, "{origin}/simple/ has quarantined alpha"),
    ],
    ids=["reset", "503", "503 for files", "loop", "dead proxy", "quarantined"],
)
def test_an_ordinary_failure(
    pip_install: Callable[..., Ran], index: Index, fault: faults.Fault, pattern: str, variables: dict[str, str],
    said: str,
) -> None:  # fmt: skip
    index.fault(fault, pattern)
    ran = pip_install("A", "--no-deps", "alpha", PIP_RETRIES="0", **variables)
    assert ran.code == 1
    (line,) = ran.ours
    assert line.removeprefix("cachedindex: ").startswith(said.format(origin=index.origin))
    assert not CLASSES.search(line)


@pytest.mark.parametrize("verb", [("download", "-d"), ("wheel", "-w")], ids=["download", "wheel"])
def test_a_traceback_of_pip_is_that_of_pip_alone(
    run: Run, newest_pip: Path, index: Index, tmp_path: Path, verb: tuple[str, str]
) -> None:
    index.fault(faults.status(503), "^/files/")
    tracebacks = []
    for covered in ((), (sys.executable, "-m", "cachedindex", "run", "--")):
        ran = run(
            *covered, newest_pip, "-m", "pip", verb[0], "-q", verb[1], tmp_path / "out", "--no-deps", "alpha",
            PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1", PIP_RETRIES="0",
        )  # fmt: skip
        tracebacks.append((ran.code, re.findall(r'File "(.*)", line ', ran.err)))
    assert tracebacks[0][1], "this pip prints none any more"
    assert tracebacks[0] == tracebacks[1]


def test_nobody_misses_that_there_might_be_a_newer_pip(pip_install: Callable[..., Ran], index: Index) -> None:
    wanted = {"PIP_DISABLE_PIP_VERSION_CHECK": "0", "PIP_RETRIES": "0"}
    assert pip_install("A", "--no-deps", "alpha").code == 0
    index.refuse()
    second = pip_install("B", "--no-deps", "alpha", CACHEDINDEX_INDEX_TTL="0", **wanted)
    assert second.code == 0, second.err
    (line,) = second.ours
    assert line.startswith("cachedindex: served 1 page stale")
    assert "pip" not in line
