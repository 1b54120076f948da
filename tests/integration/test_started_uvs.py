"""A uv that something below `cachedindex run` starts: set offline if its index is down, and as it was otherwise."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Ran, Run
from tests.index import Index
from tests.outages import DEAD, outage

TOOLS = ("tox", "tox-uv", "nox", "uv", "pipx", "hatch", "build")
RUN = (sys.executable, "-m", "cachedindex", "run", "--")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def tools(python_with: Callable[..., Path]) -> Path:
    """Give the folder of the commands; cachedindex is not beside them."""
    return python_with(*TOOLS).parent


@pytest.fixture
def build(
    run: Run, tools: Path, index: Index, distributions: Path, environment: Mapping[str, str], tmp_path: Path
) -> Callable[..., Ran]:
    """Give a function that runs a tool below us, with no environment of its own; uv has its cache."""
    project = packages.add_checkout(tmp_path, "project", "1.0")
    (project / "tox.ini").write_text(
        "[tox]\nskipsdist = true\n[testenv]\ndeps = alpha\ncommands = python -c 'import alpha'\n"
    )
    (project / "noxfile.py").write_text(
        "import nox\nnox.options.default_venv_backend = 'uv'\n@nox.session\ndef tests(session):\n"
        "    session.install('alpha')\n    session.run('python', '-c', 'import alpha')\n"
    )
    with (project / "pyproject.toml").open("a") as file:
        file.write(
            '[project]\nname = "project"\nversion = "1.0"\n[tool.hatch.envs.default]\ninstaller = "uv"\n'
            'skip-install = true\ndependencies = ["alpha"]\n'
        )
    (project / "build.py").write_text(
        "import subprocess, sys\n"
        "sys.exit(subprocess.run([sys.argv[1], 'pip', 'install', '--target', 'A', 'alpha'], env={'PATH': '/bin',\n"
        f"    'UV_CACHE_DIR': {str(tmp_path / 'uv')!r}, 'UV_DEFAULT_INDEX': sys.argv[2]}}).returncode)\n"
    )
    name, content = packages.wheel("command", "1.0", ("alpha",), "", "[console_scripts]\ncommand = command:run\n")
    (distributions / name).write_bytes(content)

    def build(*words: str, **variables: str) -> Ran:
        for made in (".tox", ".nox", "A", "dist"):
            shutil.rmtree(project / made, ignore_errors=True)
        shutil.rmtree(Path(environment["HOME"]) / ".local", ignore_errors=True)
        settings = {
            "UV_CACHE_DIR": str(tmp_path / "uv"), "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never",
            "UV_DEFAULT_INDEX": index.url, "UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "2", "CACHEDINDEX_TIMEOUT": "1",
            "PATH": f"{tools}:{environment['PATH']}",
        }  # fmt: skip
        given = [word.format(uv=tools / "uv", index=index.url) for word in words]
        return run(*RUN, *given, cwd=project, **{**settings, **variables})

    return build


COMMANDS = {
    "tox": ("tox", "-e", "py"),
    "nox": ("nox",),
    "pipx": ("pipx", "install", "--backend", "uv", "command"),
    # hatch's uv would install into that Python.
    "hatch": ("env", "-u", "UV_PYTHON", "hatch", "run", "python", "-c", "import alpha"),
    "build": ("pyproject-build", "--wheel", "--installer", "uv"),
    "a program by its path": (sys.executable, "build.py", "{uv}", "{index}"),
    "a shell": ("sh", "-c", "uv pip install --target A alpha; exit $?"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_uv_that_is_started_survives(build: Callable[..., Ran], index: Index, tmp_path: Path, command: str) -> None:
    first = build(*COMMANDS[command])
    assert (first.code, first.ours) == (0, []), first.out + first.err
    for name in DEAD:
        with outage(index, name, tmp_path / "cache", tmp_path / "nodes") as variables:
            again = build(*COMMANDS[command], **variables)
        assert again.code == 0, f"{name}: {again.out}{again.err}"


def test_a_uv_by_its_path_in_a_shell_is_named(build: Callable[..., Ran], index: Index) -> None:
    line = "sleep 0.1; {uv} pip install --target A alpha; exit $?"
    assert build("sh", "-c", line).code == 0
    index.fault(faults.status(503))
    ran = build("sh", "-c", line, UV_CACHE_DIR="empty")
    assert ran.code != 0
    assert "not covered: uv (below sh); write `cachedindex run -- uv`" in ran.ours[-1]


def test_what_a_uv_does_without_an_index_is_not_our_business(build: Callable[..., Ran], index: Index) -> None:
    ran = build("sh", "-c", "uv --version; uv cache dir; echo $0 $PATH", "-v")
    assert ran.code == 0
    assert "/simple/pip/" not in index.pages_seen()
