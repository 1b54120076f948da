"""What a command is as a package client's, and what the hook gives a client that is started without it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cachedindex.hook import _cachedindex_children as children

HOOK = str(Path(children.__file__).parent)
RUNNER = str(Path(HOOK, "_cachedindex_runner.py"))


@pytest.mark.parametrize(
    ("line", "client", "python", "module", "words"),
    [
        ("pip install six", "pip", "", "", "install six"),
        ("/usr/bin/pip3.11 install six", "pip", "", "", "install six"),
        ("python -m pip install six", "pip", "python", "pip", "install six"),
        ("/e/bin/python3.13t -Im pip install -m", "pip", "/e/bin/python3.13t -I", "pip", "install -m"),
        ("python -mpip list", "pip", "python", "pip", "list"),
        ("pypy3 -u -W ignore -Xdev -X faulthandler -Wm -m pip", "pip",
         "pypy3 -u -W ignore -Xdev -X faulthandler -Wm", "pip", ""),
        ("python --check-hash-based-pycs always -I -m pip", "pip",
         "python --check-hash-based-pycs always -I", "pip", ""),
        ("python -m pip.__main__ list", "pip", "python", "pip.__main__", "list"),
        ("python -B bin/buildout -N", "buildout", "python -B", "", "-N"),
        ("python /tmp/pip-23.0-py3-none-any.whl/pip list", "pip", "python", "", "list"),
        ("uvx ruff", "uvx", "", "", "ruff"),
        ("tox4 -e py", "tox", "", "", "-e py"),
        ("pyproject-build .", "pyproject-build", "", "", "."),
        ("python -c pip -m pip", "", "", "", ""),
        ("python - -m pip", "", "python", "", "-m pip"),
        ("python -m", "", "", "", ""),
        ("python", "", "", "", ""),
        ("python -m pytest -m pip", "", "python", "pytest", "-m pip"),
        ("python setup.py -m pip", "", "python", "", "-m pip"),
        ("pytest", "", "", "", ""),
        ("pythonic -m pip", "", "", "", ""),
        ("git commit -m pip", "", "", "", ""),
        ("sh -c pip", "", "", "", ""),
        ("pipeline", "", "", "", ""),
    ],
)  # fmt: skip
def test_what_a_command_is(line: str, client: str, python: str, module: str, words: str) -> None:
    found = children.parsed(line.split())
    assert found.client == client
    if client:
        assert (" ".join(found.python), found.module, " ".join(found.words)) == (python, module, words)


@pytest.mark.parametrize(
    ("word", "system", "name"),
    [
        ("/opt/bin/uv", "posix", "uv"),
        ("uv.exe", "posix", "uv.exe"),
        (r"C:\bin\UV.EXE", "nt", "uv"),
        ("C:/bin/pip3.11.exe", "nt", "pip3.11"),
        ("tox.cmd", "nt", "tox"),
        ("Python", "nt", "python"),
        ("setup.py", "nt", "setup.py"),
    ],
)
def test_the_name_of_a_program(word: str, system: str, name: str) -> None:
    assert children.name_of(word, system) == name


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Give the hook of a process below a run."""
    for name in [name for name in os.environ if name.startswith(("CACHEDINDEX_", "PYTHONPATH", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", HOOK)
    monkeypatch.setenv("CACHEDINDEX_RUN", "/run")
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    return SimpleNamespace(
        BY_PATH=True, is_set=lambda _: False, is_whole=lambda path: path == RUNNER, settings=lambda _: {}
    )


OURS = {"PYTHONPATH": HOOK, "CACHEDINDEX_RUN": "/run", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.mark.parametrize(
    ("args", "env", "expected"),
    [
        (["pip", "install"], None, (["pip", "install"], None)),
        (["pip", "install"], {"A": "1"}, (["pip", "install"], {"A": "1", **OURS})),
        ("pip install", {}, ("pip install", OURS)),
        ((b"/e/bin/pip", b"list"), {b"PYTHONPATH": b"/x"},
         ((b"/e/bin/pip", b"list"), {**OURS, "PYTHONPATH": f"{HOOK}{os.pathsep}/x"})),
        (["pip"], {**OURS, "CACHEDINDEX_RUN": "/other"}, (["pip"], {**OURS, "CACHEDINDEX_RUN": "/other"})),
        (["pip"], {"PIP_DISABLE_PIP_VERSION_CHECK": "0"}, (["pip"], {**OURS, "PIP_DISABLE_PIP_VERSION_CHECK": "0"})),
        (["python", "-I", "-m", "pip", "x"], None, (["python", "-I", RUNNER, "-m", "pip", "x"], None)),
        (["python", "-Em", "pip", "x"], {}, (["python", "-E", RUNNER, "-m", "pip", "x"], OURS)),
        (["python", "-m", "pip", "x"], {}, (["python", "-m", "pip", "x"], OURS)),
        (["python", "-c", "pass"], {}, (["python", "-c", "pass"], {})),
        (["pip"], {children.LEFT_ALONE: "1"}, (["pip"], {children.LEFT_ALONE: "1"})),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_client_below_a_run_is_started_with(hook: Any, args: Any, env: Any, expected: Any) -> None:
    assert children.covered(hook, args, None, env, shell=False) == expected


def test_the_program_may_be_named_apart_from_its_words(hook: Any) -> None:
    words, _ = children.covered(hook, ["me", "-I", "-m", "pip"], "/e/bin/python", None, shell=False)
    assert words == ["me", "-I", RUNNER, "-m", "pip"]
    assert children.covered(hook, ["pip"], "/bin/busybox", {}, shell=False) == (["pip"], {})


def test_a_line_of_a_shell_keeps_its_words(hook: Any) -> None:
    assert children.covered(hook, "python -I -m pip x", "/bin/bash", {}, shell=True) == ("python -I -m pip x", OURS)


def test_without_a_whole_runner_nothing_is_run_instead(hook: Any) -> None:
    hook.is_whole = lambda _: False
    assert children.covered(hook, ["python", "-I", "-m", "pip"], None, None, shell=False)[0][-1] == "pip"


def test_a_disabled_hook_gives_nothing(hook: Any) -> None:
    hook.is_set = lambda name: name == "CACHEDINDEX_DISABLE"
    assert children.covered(hook, ["python", "-I", "-m", "pip"], None, {}, shell=False)[1] == {}


def test_an_installed_hook_is_carried_by_the_runner_and_by_no_variable(hook: Any, monkeypatch: Any) -> None:
    for name in OURS:
        monkeypatch.delenv(name)
    hook.BY_PATH, hook.settings = False, lambda _: {"CACHEDINDEX_CONFIG": "/node.cfg"}
    words, env = children.covered(hook, ["/e/bin/python", "-m", "pip", "x"], None, {}, shell=False)
    assert (words, env) == (["/e/bin/python", RUNNER, "-m", "pip", "x"], {"CACHEDINDEX_CONFIG": "/node.cfg"})
    assert children.covered(hook, ["/e/bin/pip", "x"], None, {}, shell=False) == (["/e/bin/pip", "x"], {})


@pytest.mark.posix("a program that takes a process's place")
@pytest.mark.parametrize(
    ("words", "env", "is_switched"),
    [
        (["uv", "sync"], {}, True),
        (["{folder}/uv", "pip", "install"], {}, True),
        (["./uv", "sync"], {}, True),
        (["uvx", "ruff"], {}, True),
        (["uv", "--version"], {}, False),
        (["uv", "venv"], {}, False),
        (["uv", "sync"], {"UV_OFFLINE": "0"}, False),
        (["uv", "sync"], {"CACHEDINDEX_RUN": ""}, False),
        (["uv", "sync"], {"PATH": "/nowhere"}, False),
        (["./no/uv", "sync"], {}, False),
        (["git", "sync"], {}, False),
        ("uv sync", {}, False),
    ],
    ids=str,
)  # fmt: skip
def test_a_uv_that_asks_is_switched(words: Any, env: dict[str, str], is_switched: bool, tmp_path: Path) -> None:
    for name in ("uv", "uvx"):
        (tmp_path / name).touch(0o755)
    words = [word.format(folder=tmp_path) for word in words] if isinstance(words, list) else words
    found = children.switched(words, {"PATH": f"/x:{tmp_path}", "CACHEDINDEX_RUN": "/run", **env}, str(tmp_path))
    script = [sys.executable, "-I", "-S", f"{HOOK}/_cachedindex_uv.py"]
    assert found == ([*script, *words] if is_switched else words)


def test_a_uv_that_is_the_command_is_not_run_by_itself_again(hook: Any) -> None:
    assert children.covered(hook, ["uv", "sync"], None, None, shell=False) == (["uv", "sync"], None)


def test_a_popen_of_another_kind_is_left_alone() -> None:
    class Popen:
        def _execute_child(self, words: list[str]) -> None:
            """Take something else."""

    assert not children.attach(SimpleNamespace(Popen=Popen), None)
    assert not children.attach(SimpleNamespace(Popen=object), None)
    assert "__new__" not in vars(Popen)


def test_it_reads_this_pythons_popen() -> None:
    import subprocess

    assert sys.modules["subprocess"] is subprocess
    assert subprocess.Popen._execute_child.__code__.co_varnames[:11] == children._TAKES
