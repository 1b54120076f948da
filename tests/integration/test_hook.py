"""The hook's files in bare Pythons: they chain, they hide nothing, and they cannot fail."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from cachedindex.run.environment import HOOK
from tests.conftest import Run


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Give a copy of the package, to be damaged."""
    shutil.copytree(HOOK.parent, tmp_path / "copy" / "cachedindex", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "copy" / "cachedindex" / "hook"


def test_the_sitecustomize_that_it_hides_runs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text("print('hidden', __name__, __file__)")
    path = os.pathsep.join([str(HOOK), str(tmp_path / "site")])
    ran = run(sys.executable, "-c", "import sitecustomize, sys; print(sitecustomize.__file__)", PYTHONPATH=path)
    expected = str(tmp_path / "site/sitecustomize.py")
    assert ran.out.splitlines() == [f"hidden sitecustomize {expected}", expected]


def test_a_python_finds_its_path_as_it_was(run: Run) -> None:
    code = "import sys; print([path for path in sys.path if path.endswith('cachedindex/hook')], sorted(sys.modules))"
    with_hook = run(sys.executable, "-c", code, PYTHONPATH=str(HOOK)).out
    without = run(sys.executable, "-c", code).out
    assert with_hook.startswith("[] ")
    added = set(eval(with_hook[3:])) - set(eval(without[3:]))
    assert added <= {"_cachedindex_hook", "sitecustomize"}


@pytest.mark.parametrize("damage", ["removed", "broken", "empty"])
def test_a_damaged_hook_prints_nothing(run: Run, copied: Path, damage: str) -> None:
    file = copied / "_cachedindex_hook.py"
    if damage == "removed":
        file.unlink()
    else:
        file.write_text("raise SystemError" if damage == "broken" else "")
    ran = run(sys.executable, "-c", "print('ran')", PYTHONPATH=str(copied))
    assert (ran.code, ran.out, ran.err) == (0, "ran\n", "")


def test_pip_continues_where_the_package_is_gone(run: Run, copied: Path) -> None:
    shutil.rmtree(copied.parent / "clients")
    ran = run(sys.executable, "-c", "import pip._internal.network.session; print('ran')", PYTHONPATH=str(copied))
    assert (ran.code, ran.out) == (0, "ran\n")
    assert ran.ours == [
        "cachedindex: pip continues without the cache: ModuleNotFoundError: No module named 'cachedindex.clients'"
    ]


def test_a_pip_that_keeps_its_session_elsewhere_is_left_alone(run: Run, tmp_path: Path) -> None:
    session = tmp_path / "site/pip/_internal/network/session.py"
    session.parent.mkdir(parents=True)
    session.write_text("class Renamed: pass")
    for folder in ("pip", "pip/_internal", "pip/_internal/network"):
        (tmp_path / "site" / folder / "__init__.py").touch()
    path = os.pathsep.join([str(HOOK), str(tmp_path / "site")])
    ran = run(sys.executable, "-c", "import pip._internal.network.session; print('ran')", PYTHONPATH=path)
    assert (ran.code, ran.out) == (0, "ran\n")
    assert ran.ours == ["cachedindex: this pip keeps its sessions elsewhere; it continues without the cache"]


def test_the_hook_is_not_on_pips_list(run: Run) -> None:
    with_hook = run(sys.executable, "-m", "pip", "list", PYTHONPATH=str(HOOK))
    assert with_hook.code == 0
    assert with_hook.out == run(sys.executable, "-m", "pip", "list").out


@pytest.fixture
def python_2() -> str:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    python = next(iter(pyenv.glob("2.7.*/bin/python2.7")), shutil.which("python2.7"))
    if not python:
        pytest.skip("SKIPPED FOR WANT OF A PYTHON 2.7")
    return str(python)


def test_python_2_is_left_alone(run: Run, python_2: str, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text("print('hidden')")
    path = os.pathsep.join([str(HOOK), str(tmp_path / "site")])
    ran = run(python_2, "-c", "import json; print('ran')", PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1")
    assert (ran.code, ran.out, ran.err) == (0, "hidden\nran\n", "")


@pytest.mark.parametrize(
    ("module", "client"),
    [("pip/_internal/network/session", "pip"), ("pip/_internal/download", "pip"), ("zc/buildout/buildout", "buildout")],
)
def test_a_client_on_python_2_and_all_that_it_starts_say_one_line(
    run: Run, python_2: str, tmp_path: Path, module: str, client: str
) -> None:
    file = tmp_path / f"site/{module}.py"
    file.parent.mkdir(parents=True)
    file.write_text("")
    for folder in file.relative_to(tmp_path / "site").parents[:-1]:
        (tmp_path / "site" / folder / "__init__.py").touch()
    name = module.replace("/", ".")
    code = f"import subprocess, sys, {name}; subprocess.check_call([sys.executable] + sys.argv[1:])"
    path = os.pathsep.join([str(HOOK), str(tmp_path / "site")])
    variables = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    ran = run(python_2, "-c", code, "-c", f"import {name}; print('ran')", **variables)
    assert (ran.code, ran.out) == (0, "ran\n"), ran.err
    version = run(python_2, "-c", "import sys; print(sys.version.split()[0])").out.strip()
    assert ran.ours == [
        f"cachedindex: {client} on Python {version} continues without the cache, which needs Python 3.10"
    ]


def test_an_older_python_steps_aside_with_one_line(run: Run) -> None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    old = sorted(pyenv.glob("3.[6789].*/bin/python")) if pyenv.is_dir() else []
    if not old:
        pytest.skip("SKIPPED FOR WANT OF A PYTHON below 3.10")
    for python in old:
        command = (python, "-c", "import pip._internal.network.session; print('ran')")
        bare, ran = run(*command), run(*command, PYTHONPATH=str(HOOK))
        assert (ran.code, ran.out) == (bare.code, bare.out), python
        # Python 3.6's pip has no such module: nothing to step aside from.
        assert len(ran.ours) == (bare.code == 0), ran.err
