"""The environments that tox, nox and hatch make, and pip-compile: online, then with a dead index."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from cachedindex.clients.virtualenv import Carrier
from tests import index as faults
from tests.conftest import Ran, Run
from tests.index import Index
from tests.outages import DEAD, outage

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
TOOLS = ("tox", "nox", "hatch", "pip-tools", "pip==26.3")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tools(python_with: Callable[..., Path]) -> Path:
    """Give the folder of the tools' commands, with cachedindex installed beside them."""
    return python_with(*TOOLS, ours=True).parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a project in which each tool installs `alpha`, and `source`, which takes an isolated build."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "requirements.in").write_text("alpha\nsource\n")
    (folder / "tox.ini").write_text(
        "[tox]\nskipsdist = true\n[testenv]\ndeps =\n    alpha\n    source\ncommands = python -m pip freeze --all\n"
    )
    (folder / "noxfile.py").write_text(
        "import nox\n@nox.session\ndef tests(session):\n"
        "    session.install('alpha', 'source')\n    session.run('python', '-m', 'pip', 'freeze', '--all')\n"
    )
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "project"\nversion = "1"\n'
        '[tool.hatch.envs.default]\nskip-install = true\ndependencies = ["alpha", "source"]\n'
    )
    return folder


@pytest.fixture
def build(run: Run, tools: Path, project: Path, index: Index, environment: Mapping[str, str]) -> Callable[..., Ran]:
    """Give a function that runs one of the tools below `cachedindex run`, in environments that are new."""

    def build(tool: str, *words: str, **variables: str) -> Ran:
        for made in (".tox", ".nox"):
            shutil.rmtree(project / made, ignore_errors=True)
        shutil.rmtree(Path(environment["HOME"]) / ".local", ignore_errors=True)
        settings = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", "VIRTUALENV_NO_PERIODIC_UPDATE": "1"}
        command = (tools / "python", "-m", "cachedindex", "run", "--", tools / tool, *words)
        return run(*command, cwd=project, **{**settings, **variables})

    return build


def frozen(ran: Ran) -> list[str]:
    return sorted(line for line in ran.out.splitlines() if "==" in line)


@pytest.mark.parametrize(
    "words",
    [("tox", "-e", "py"), ("nox",), ("hatch", "run", "python", "-m", "pip", "freeze")],
    ids=["tox", "nox", "hatch"],
)  # fmt: skip
def test_the_environments_of_a_tool(
    build: Callable[..., Ran], words: tuple[str, ...], index: Index, tmp_path: Path
) -> None:
    first = build(*words)
    assert first.code == 0, first.out + first.err
    assert "/simple/tinybackend/" in index.pages_seen()
    for name in DEAD:
        with outage(index, name, tmp_path / "cache", tmp_path / "nodes") as variables:
            again = build(*words, **variables)
        assert again.code == 0, f"{name}: {again.out}{again.err}"
        assert frozen(again) == frozen(first)
        assert {"alpha==1.0", "epsilon==1.0"} <= set(frozen(again))
        (line,) = again.ours
        assert "served 7 pages stale" in line, "whatever the tool keeps of the variables, it is one run"


def test_an_environment_that_was_made_covered_stays_so(
    build: Callable[..., Ran], run: Run, project: Path, index: Index, environment: dict[str, str]
) -> None:
    assert build("tox", "-e", "py").code == 0
    index.close()
    python = project / ".tox/py/bin/python"
    alone = run(
        python, "-I", "-m", "pip", "install", "-q", "--target", "A", "alpha", PIP_INDEX_URL=index.url, **EXPIRED
    )
    assert alone.code == 0, alone.err
    assert "served 5 pages stale" in alone.ours[-1]
    made = [path.name for path in python.parent.iterdir() if "cachedindex" in path.name]
    assert not made, "it is no activation script"


def test_an_environment_made_without_us_is_left_alone(run: Run, tools: Path, tmp_path: Path) -> None:
    assert run(tools / "python", "-m", "virtualenv", "made").code == 0
    assert not list((tmp_path / "made").rglob("*cachedindex*"))


def test_an_unknown_virtualenv_is_left_alone(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "_cachedindex_hook", ModuleType("_cachedindex_hook"))
    assert not Carrier.supports(object())
    assert "the build continues without the cache" in capfd.readouterr().err


def test_pip_compile(build: Callable[..., Ran], project: Path, index: Index) -> None:
    words = ("pip-compile", "-q", "--generate-hashes", "--no-header", "-o", "requirements.txt", "requirements.in")
    assert build(*words).code == 0
    first = (project / "requirements.txt").read_text()
    (project / "requirements.txt").unlink()
    index.fault(faults.reset)
    index.seen.clear()
    second = build(*words, PIP_RETRIES="1", **EXPIRED)
    assert second.code == 0, second.err
    assert (project / "requirements.txt").read_text() == first
    assert first.count("--hash=sha256:") == 6
    asked = [seen for seen in index.seen if "/json" in str(seen)]
    assert len(asked) == 2 + 5, "a download without a copy is tried again for the first project only"
