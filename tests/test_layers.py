"""The architecture as a test: imports go downwards only, and the pure modules touch neither clock, file nor socket."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
PACKAGE = SOURCE / "cachedindex"

LAYERS = [
    ["__main__"],
    ["commands"],
    ["clients"],
    ["process"],
    ["lookup"],
    ["run"],
    ["sources"],
    ["upkeep"],
    ["store"],
    ["rules"],
    ["options"],
    ["model", "errors"],
]
"""From the top; a module imports from its own layer and from those below."""

IMPURE = {"os", "io", "time", "datetime", "socket", "ssl", "threading", "logging", "subprocess", "pathlib", "random",
          "secrets", "tempfile", "shutil", "urllib.request", "http.client"}  # fmt: skip
PURE = [PACKAGE / "model.py", PACKAGE / "options.py", PACKAGE / "errors.py", *(PACKAGE / "rules").glob("*.py")]
HOOK = sorted((PACKAGE / "hook").glob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(part: str) -> int | None:
    return next((number for number, parts in enumerate(LAYERS) if part in parts), None)


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if part_of(path) not in ("__init__", "hook")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path: Path) -> None:
    own = layer(part_of(path))
    assert own is not None, f"{path} is in no layer"
    for name in imported(path):
        package, _, rest = name.partition(".")
        target = layer(rest.partition(".")[0]) if package == "cachedindex" and rest else None
        if target is not None:
            assert target >= own, f"{path} imports {name} from above"


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


def test_every_layer_is_there() -> None:
    assert {part for parts in LAYERS for part in parts} == {part_of(path) for path in MODULES}
