"""The real clients on Windows: pip through a run and by the installed hook, and buildout."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Run
from tests.index import Index

COVERED = (sys.executable, "-m", "cachedindex", "run", "--")
PIP = (sys.executable, "-m", "pip", "download", "-q", "-d")
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
RECIPE = """
class Recipe:
    def __init__(self, buildout, name, options):
        import epsilon
        options["version"] = epsilon.version
    def install(self):
        return ()
    update = install
"""
BUILDOUT = """
[buildout]
extensions = cachedindex
index = {index}
parts = part

[part]
recipe = trial
"""


@pytest.fixture
def asked(environment: dict[str, str], index: Index) -> Index:
    """Give the index that all pips ask, with no cache of their own."""
    environment.update(PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1")
    return index


def wheels(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.whl"))


def test_pips_at_once_ask_once(environment: dict[str, str], asked: Index, tmp_path: Path) -> None:
    asked.fault(faults.slow(0.3))
    folders = [tmp_path / f"target-{number}" for number in range(4)]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(
            [*COVERED, *PIP, str(folder), "alpha"], env=environment, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True
        )
        for folder in folders
    ]
    said = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    assert [err for _, err in said] == [""] * 4
    assert [len(wheels(folder)) for folder in folders] == [5] * 4
    assert {path: number for path, number in Counter(seen.path for seen in asked.seen).items() if number > 1} == {}


def test_a_build_survives_an_outage(run: Run, asked: Index, tmp_path: Path) -> None:
    first = run(*COVERED, *PIP, tmp_path / "A", "alpha")
    assert (first.code, first.err) == (0, "")
    asked.close()
    second = run(*COVERED, *PIP, tmp_path / "B", "alpha", **EXPIRED)
    assert second.code == 0, second.err
    assert wheels(tmp_path / "A") == wheels(tmp_path / "B")
    (line,) = second.ours
    assert "served 5 pages stale" in line


def test_an_installed_hook_covers_a_pip_and_is_removed(run: Run, asked: Index, tmp_path: Path) -> None:
    folder = tmp_path / "environment-é"
    made = run(
        sys.executable, "-m", "virtualenv", "-q", "--no-periodic-update", "--app-data", tmp_path / "data", folder
    )
    if made.code:
        pytest.skip(f"SKIPPED FOR WANT OF AN ENVIRONMENT: {made.err}")
    python = folder / "Scripts/python.exe"
    hook = (sys.executable, "-m", "cachedindex", "hook")
    ran = run(*hook, "install", "--python", python)
    assert ran.code == 0, ran.err
    pip = (python, *PIP[1:])
    assert run(*pip, tmp_path / "A", "epsilon").code == 0
    asked.close()
    ran = run(*pip, tmp_path / "B", "epsilon", **EXPIRED)
    assert ran.code == 0, ran.err
    assert "served 1 page stale" in ran.ours[-1]
    assert run(*hook, "remove", "--python", python).code == 0
    assert run(*pip, tmp_path / "C", "epsilon", "--retries", "0").code != 0


def test_a_buildout_survives_an_outage(run: Run, asked: Index, distributions: Path, tmp_path: Path) -> None:
    code = "import sys; from zc.buildout.buildout import main; sys.exit(main())"
    points = "[zc.buildout]\ndefault = trial:Recipe\n"
    name, content = packages.wheel("trial", "1.0", ("epsilon",), RECIPE, points)
    (distributions / name).write_bytes(content)
    for folder, variables in (("A", {}), ("B", EXPIRED)):
        workspace = tmp_path / folder
        workspace.mkdir()
        (workspace / "buildout.cfg").write_text(BUILDOUT.format(index=asked.url))
        ran = run(sys.executable, "-c", code, "-q", cwd=workspace, **variables)
        assert ran.code == 0, ran.err
        assert "version = 1.0" in (workspace / ".installed.cfg").read_text()
        asked.close()
    assert "served 2 pages stale" in ran.ours[-1]
