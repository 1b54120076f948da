"""The architecture as a test: imports go downwards only, and the pure modules touch neither clock, file nor socket."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "src/cachedindex"

LAYERS = [
    ["__main__"],
    ["commands"],
    ["clients.pipenv"],
    [
        "clients.buildout",
        "clients.outsiders",
        "clients.pdm",
        "clients.pip",
        "clients.poetry",
        "clients.uncovered",
        "clients.uv",
        "clients.virtualenv",
    ],
    ["clients.httpx", "clients.requests", "clients.urllib"],
    ["clients.covered", "clients.replay", "clients.script"],
    ["clients.bodies", "clients.common", "clients.cookies", "clients.tls"],
    ["process"],
    ["lookup"],
    ["remote"],
    ["run"],
    ["sources"],
    ["upkeep"],
    ["store"],
    ["rules"],
    ["options"],
    ["model", "errors"],
    ["named", "standard"],
]
"""Modules and folders, from the top; each imports from itself and from the layers below, not from those beside it."""

IMPURE = {"os", "io", "time", "datetime", "socket", "ssl", "threading", "logging", "subprocess", "pathlib", "random",
          "secrets", "tempfile", "shutil", "urllib.request", "http.client"}  # fmt: skip
PURE = [PACKAGE / "model.py", PACKAGE / "options.py", PACKAGE / "errors.py", *(PACKAGE / "rules").glob("*.py")]
HOOK = sorted((PACKAGE / "hook").glob("*.py"))


def name_of(path: Path) -> str:
    """Return a module's name below the package; a folder's name for its `__init__.py`."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
LAYERED = [name for name in MODULES if name.partition(".")[0] not in ("__init__", "hook") and name != "clients"]


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what a module imports, wherever in it: `a` and nothing by `import a`, `a` and `b` by `from a import b`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from ((node.module or "", alias.name) for alias in node.names)


def imported(path: Path) -> set[str]:
    """Return the names of all that a module imports, and of what it imports them from."""
    return {name for source, found in imports(path) for name in (source, f"{source}.{found}".rstrip("."))}


def imported_modules(path: Path) -> set[str]:
    """Return the modules of this package that a module imports, by their names below the package."""
    found = set()
    for source, name in imports(path):
        package, _, below = source.partition(".")
        if package == "cachedindex":
            longer = f"{below}.{name}".strip(".")
            found.add(longer if longer in MODULES else below or "__init__")
    return found


def layer(name: str) -> tuple[int, str] | None:
    """Return the number of a module's layer, and the part of that layer to which the module belongs."""
    for number, parts in enumerate(LAYERS):
        for part in parts:
            if f"{name}.".startswith(f"{part}."):
                return number, part
    return None


@pytest.mark.parametrize("name", LAYERED)
def test_imports_go_downwards(name: str) -> None:
    own = layer(name)
    assert own, f"{name} is in no layer"
    for other in imported_modules(MODULES[name]):
        target = layer(other)
        assert not target or target[0] > own[0] or target[1] == own[1], f"{name} imports {other} from above or beside"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """An import inside a function counts as well."""
    graph = {name: imported_modules(path) - {name} for name, path in MODULES.items()}
    TopologicalSorter(graph).prepare()  # Raises CycleError, which names the modules.


def test_every_layer_is_there() -> None:
    found = {layer(name) for name in LAYERED}
    assert found == {(number, part) for number, parts in enumerate(LAYERS) for part in parts}


def test_every_module_is_in_the_table_of_the_architecture_once() -> None:
    """A row begins with the files that it is about, each in backticks; a folder stands for all files in it."""
    text = (CHECKOUT / "ARCHITECTURE.md").read_text("utf-8")
    cells = re.findall(r"^\| *((?:`[\w/]+(?:\.py|/)`(?:, )?)+) *\|", text, re.MULTILINE)
    named = [PACKAGE / name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    listed = Counter(path for name in named for path in (name.glob("*.py") if name.is_dir() else [name]))
    modules = {path for path in MODULES.values() if path.name != "__init__.py"}
    listed = Counter({path: count for path, count in listed.items() if path.name != "__init__.py"})
    assert sorted(map(name_of, listed.keys() - modules)) == [], "these are not there"
    assert sorted(map(name_of, modules - listed.keys())) == [], "these have no row"
    assert [name_of(path) for path, count in listed.items() if count > 1] == [], "these have two rows"


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pure_modules_touch_nothing(path: Path) -> None:
    assert IMPURE.isdisjoint(imported(path))


@pytest.mark.parametrize("path", HOOK, ids=lambda path: path.name)
def test_the_hook_needs_nothing_but_the_standard_library(path: Path) -> None:
    known = {
        *sys.stdlib_module_names,
        "cachedindex",
        "_cachedindex_hook",
        "_frozen_importlib",
        "_frozen_importlib_external",
        "imp",
    }
    assert {name.partition(".")[0] for name in imported(path)} <= known


@pytest.mark.parametrize("path", HOOK, ids=lambda path: path.name)
def test_the_hook_is_readable_for_old_pythons(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 6))
