"""The tools that start pips where the hook's variables do not reach: with nothing of their own left, and a dead index.

cachedindex is not installed beside any of them; test_environments.py has those beside which it is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests import packages
from tests.conftest import Ran, Run
from tests.index import Index
from tests.outages import DEAD, outage, without_times

TOOLS = ("tox", "nox", "hatch", "pipx", "build", "pre-commit")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def tools(python_with: Callable[..., Path]) -> Path:
    """Give the folder of the tools' commands."""
    return python_with(*TOOLS).parent


@pytest.fixture
def project(tmp_path: Path, distributions: Path, wheelhouse: Callable[..., Path]) -> Path:
    """Give a project of which each tool makes something that takes `alpha`, or an isolated build."""
    for wheel in wheelhouse("pip").glob("pip-*.whl"):  # pipx updates the pip that it shares.
        shutil.copy(wheel, distributions)
    name, content = packages.wheel("command", "1.0", ("alpha",), "", "[console_scripts]\ncommand = command:run\n")
    (distributions / name).write_bytes(content)
    folder = packages.add_checkout(tmp_path, "project", "1.0")
    (folder / "tox.ini").write_text(
        "[tox]\nskipsdist = true\n[testenv]\ndeps =\n    alpha\n    source\ncommands = python -m pip freeze\n"
    )
    (folder / "noxfile.py").write_text(
        "import nox\nnox.options.default_venv_backend = 'venv'\n@nox.session\ndef tests(session):\n"
        "    session.install('alpha', 'source')\n    session.run('python', '-m', 'pip', 'freeze')\n"
    )
    with (folder / "pyproject.toml").open("a") as file:
        file.write(
            '[project]\nname = "project"\nversion = "1.0"\n'
            '[tool.hatch.envs.default]\nskip-install = true\ndependencies = ["alpha", "source"]\n'
        )
    if shutil.which("git"):
        _add_pre_commit(tmp_path, folder)
    return folder


def _add_pre_commit(tmp_path: Path, project: Path) -> None:
    """Have the project use a hook of language python, which is in a git repository and requires `alpha`."""
    checked = packages.add_checkout(tmp_path, "checked", "1.0")
    (checked / ".pre-commit-hooks.yaml").write_text(
        "- {id: checked, name: checked, entry: python -m pip freeze, language: python, pass_filenames: false,\n"
        "   always_run: true, verbose: true}\n"
    )
    git = ("git", "-c", "user.name=me", "-c", "user.email=me@example.org")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first"), ("tag", "v1")):
        for folder in (checked, project):
            subprocess.run((*git, *words), cwd=folder, check=True)
    (project / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {checked}\n  rev: v1\n  hooks: [{{id: checked, additional_dependencies: [alpha]}}]\n"
    )
    subprocess.run((*git, "add", "."), cwd=project, check=True)


@pytest.fixture
def build(run: Run, tools: Path, project: Path, index: Index, environment: Mapping[str, str]) -> Callable[..., Ran]:
    """Give a function that runs a tool below `cachedindex run`, with an empty home and no environment of the tool's."""

    def build(*words: str, covered: bool = True, **variables: str) -> Ran:
        shutil.rmtree(environment["HOME"])
        Path(environment["HOME"]).mkdir()
        for made in (".tox", ".nox", "dist"):
            shutil.rmtree(project / made, ignore_errors=True)
        settings = {
            "PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0",
            "PIPX_DEFAULT_PYTHON": sys.executable, "PIPX_DEFAULT_BACKEND": "pip",
            "VIRTUALENV_NO_PERIODIC_UPDATE": "1", "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        us = (sys.executable, "-m", "cachedindex", "run", "--") if covered else ()
        return run(*us, tools / words[0], *words[1:], cwd=project, **{**settings, **variables})

    return build


COMMANDS = {
    "pipx": ("pipx", "install", "--pip-args=--no-compile", "command"),
    "tox": ("tox", "-e", "py"),
    "nox": ("nox",),
    "nox with virtualenv": ("nox", "--force-venv-backend", "virtualenv"),
    "hatch": ("hatch", "run", "python", "-m", "pip", "freeze"),
    "build": ("pyproject-build", "--wheel"),
    "pre-commit": ("pre-commit", "run", "checked"),
}


def frozen(ran: Ran) -> list[str]:
    return sorted(line for line in ran.out.splitlines() if "==" in line)


@pytest.mark.parametrize("tool", COMMANDS)
def test_a_tool_survives(build: Callable[..., Ran], index: Index, tmp_path: Path, tool: str) -> None:
    if tool == "pre-commit" and not shutil.which("git"):
        pytest.skip("SKIPPED FOR WANT OF git")
    bare, first = build(*COMMANDS[tool], covered=False), build(*COMMANDS[tool])
    assert (first.code, first.ours) == (bare.code, []) == (0, []), first.out + first.err
    assert without_times(first.out + first.err) == without_times(bare.out + bare.err)
    for name in DEAD:
        with outage(index, name, tmp_path / "cache", tmp_path / "nodes") as variables:
            ran = build(*COMMANDS[tool], **variables)
        assert ran.code == 0, f"{name}: {ran.out}{ran.err}"
        assert frozen(ran) == frozen(first)
        assert len(ran.ours) == 1, ran.err
        assert "stale" in ran.ours[0]
