"""A module of the project's own with a name of the standard library: we do not import it, and the project does."""

from __future__ import annotations

import _imp  # type: ignore[import-not-found]
import ast
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

import cachedindex
from tests.conftest import MEASURED, SOURCE
from tests.index import Index

PACKAGE = Path(cachedindex.__file__).parent
WE_IMPORT_IT = """
import sys
open(f"{__file__}.imported", "w").close()
sys.stderr.write(f"IMPORTED {__name__}\\n")
raise SystemExit(99)
"""
"""The file is for a program that hides what its child says, as buildout does of pip."""
SCRIPT = """
import requests
session = requests.Session()
{ours}
print(session.get({url!r}).status_code)
"""
OURS = "import cachedindex; session.mount('http://', cachedindex.CachedIndexAdapter())"
"""What a build script adds for us."""


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no coverage in these processes: it imports half of the standard library before anything else."""
    monkeypatch.delenv(MEASURED, raising=False)


def names() -> set[str]:
    """Return the modules of the standard library that we import anywhere, and those that they import in turn.

    Not those of another system: pathlib itself looks for `_winapi`, and would find what a project calls so.
    """
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").partition(".")[0])
    known = found & sys.stdlib_module_names - set(sys.builtin_module_names)
    direct = sorted(name for name in known if find_spec(name))
    code = f"""
import sys
if hasattr(sys, "set_lazy_imports_filter"):  # Since Python 3.15, in which pathlib loads glob once it needs it.
    sys.set_lazy_imports_filter(lambda *_: False)
for name in {direct!r}:
    try: __import__(name)
    except ImportError: pass
print(*{{name.partition(".")[0] for name in sys.modules}} & sys.stdlib_module_names - set(sys.builtin_module_names))
"""
    loaded = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    at_start = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return {*direct, *loaded.stdout.split(), "secrets"} - {*at_start.stdout.split()}


def ran(command: Sequence[object], folder: Path, environ: Mapping[str, str]) -> tuple[int, str, str]:
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def shadow(folder: Path, bare: Sequence[object], environ: Mapping[str, str]) -> list[str]:
    """Put modules of these names into a folder, except those that break a command without us; return their names."""
    folder.mkdir(exist_ok=True)
    shadows = names()
    for name in shadows:
        (folder / f"{name}.py").write_text(WE_IMPORT_IT)
    while (ended := ran(bare, folder, environ))[0]:
        broken = list(folder.glob("*.py.imported"))
        assert broken, ended[2]
        for mark in broken:
            mark.unlink()
            mark.with_suffix("").unlink()
            shadows.remove(mark.name.partition(".")[0])
    return sorted(shadows)


@pytest.fixture
def pips(environment: dict[str, str], index: Index, tmp_path: Path) -> tuple[object, ...]:
    environment |= {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", "CACHEDINDEX_INDEX_TTL": "0"}
    return (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp_path / "files", "alpha")


def test_a_pip_in_the_folder_of_such_modules(
    pips: tuple[object, ...], environment: dict[str, str], index: Index, tmp_path: Path
) -> None:
    """A `python -m pip` finds modules in its working folder, before the standard library's."""
    folder = tmp_path / "project"
    assert "secrets" in shadow(folder, pips, environment)
    hooked = {**environment, "PYTHONPATH": str(PACKAGE / "hook")}
    for outage in (None, None, "404", index.refuse):  # Cold, fresh or revalidated, and two kinds of outage.
        if outage == "404":
            index.fault(lambda handler: handler.send_error(404) or False, "alpha")  # type: ignore[func-returns-value]
        elif callable(outage):
            outage()
        code, _, error = ran(pips, folder, hooked)
        assert (code, "IMPORTED" in error) == (0, False), error
        assert "internal error" not in error
        assert not outage or "stale" in error


@pytest.mark.parametrize("imports", ["normal", "all"])
def test_a_build_script_beside_such_modules(
    environment: dict[str, str], index: Index, tmp_path: Path, imports: str
) -> None:
    if imports == "all" and sys.version_info < (3, 15):
        pytest.skip("SKIPPED: this Python has no lazy imports (PEP 810)")
    folder = tmp_path / "project"
    folder.mkdir()
    script = folder / "build_script.py"
    environ = {**environment, "PYTHONPATH": SOURCE, "PYTHON_LAZY_IMPORTS": imports}
    script.write_text(SCRIPT.format(ours="", url=f"{index.url}alpha/"))
    shadows = shadow(folder, (sys.executable, script), environ)
    # Python 3.14 itself loads dataclasses: its traceback does, by _colorize.
    assert {"secrets", *(["dataclasses"] if sys.version_info[:2] != (3, 14) else [])} <= set(shadows)
    script.write_text(SCRIPT.format(ours=OURS, url=f"{index.url}alpha/"))
    for _ in range(2):
        assert ran((sys.executable, script), folder, environ) == (0, "200\n", "")
        index.refuse()
    # The project's own modules are what its next import finds, also if it had imported one before.
    for name in shadows:
        (folder / f"{name}.py").write_text("mine = True\n")
    shadows = [name for name in shadows if not _imp.is_frozen(name)]  # Those are never found on a path.
    before, after = shadows[::2], shadows[1::2]
    script.write_text(
        "\n".join(f"import {name}; assert {name}.mine, {name}" for name in before)
        + SCRIPT.format(ours=OURS, url=f"{index.url}alpha/")
        + "\n".join(f"import {name}; assert {name}.mine, {name}" for name in after)
    )
    ended = ran((sys.executable, script), folder, environ)
    assert ended[:2] == (0, "200\n"), ended


@pytest.mark.parametrize(
    "command", [("run", "--", "true"), ("run", "--tiemout"), ("gc",), ("doctor",), ("hook", "status"), ("--version",)],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("how", ["in the folder", "on PYTHONPATH"])
def test_our_own_commands(environment: dict[str, str], tmp_path: Path, command: tuple[str, ...], how: str) -> None:
    folder = tmp_path / "project"
    config = tmp_path / "settings.cfg"
    config.write_text("[cachedindex]\ntimeout = 4\n")
    environ = {**environment, "PYTHONPATH": SOURCE, "CACHEDINDEX_CONFIG": str(config)}
    code = "import sys; from cachedindex.__main__ import command_line; sys.argv[0] = 'x'; command_line()"
    words: tuple[str, ...] = (sys.executable, "-m", "cachedindex", *command)
    bare: tuple[str, ...] = (sys.executable, "-m", "this")
    if how == "on PYTHONPATH":
        environ["PYTHONPATH"] = os.pathsep.join(map(str, (folder, SOURCE)))
        words, bare = (sys.executable, "-c", code, *command), (sys.executable, "-c", "")
    expected = ran(words, tmp_path, environ)[:2]
    assert "dataclasses" in shadow(folder, bare, environ)
    ended = ran(words, folder, environ)
    assert ended[:2] == expected, ended
    assert "IMPORTED" not in ended[2]


def test_a_buildout_beside_such_modules(
    python: Path, environment: dict[str, str], index: Index, recipe: str, tmp_path: Path
) -> None:
    """bin/buildout does not look into its folder, unless PYTHONPATH names it."""
    folder = tmp_path / "project"
    folder.mkdir()
    text = f"[buildout]\nextensions = %s\nindex = {index.url}\nparts = py\n[py]\nrecipe = zc.recipe.egg\neggs = alpha\n"
    (folder / "buildout.cfg").write_text(text % "")
    environ = {**environment, "PYTHONPATH": str(folder), "PIP_INDEX_URL": index.url}
    command = (python.with_name("buildout"), "-q")
    shadow(folder, command, environ)
    (folder / "buildout.cfg").write_text(text % "cachedindex")
    code, _, error = ran(command, folder, environ)
    assert (code, "IMPORTED" in error) == (0, False), error
