"""Changes one operator or constant of a module at a time, and says which changes no test notices; run by hand.

    .venv/bin/python tests/mutants.py rules/limits rules/urls
    .venv/bin/python tests/mutants.py

Each change is made in a copy of src/, and the module's own unit tests are run with it, then all unit tests, and for
store/ its integration tests.
Without arguments it takes all of rules/ and store/, for hours. What survives is printed as a line of the module.
"""

from __future__ import annotations

import ast
import copy
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import coverage  # noqa: F401 - imported once for all mutants, as are the next two
import hypothesis.strategies  # noqa: F401
import pytest
import requests  # noqa: F401

HERE = Path(__file__).parent.parent
PACKAGE = "src/cachedindex"
SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
"""Operators, and what each of them becomes."""
WORKERS = 2


def main() -> int:
    """Print the survivors of the modules that the command line names; return whether there are any."""
    modules = sys.argv[1:] or [
        f"{folder}/{path.stem}"
        for folder in ("rules", "store")
        for path in sorted((HERE / PACKAGE / folder).glob("*.py"))
    ]
    survivors = 0
    # A process for each mutant, with what costs most imported already.
    with multiprocessing.get_context("fork").Pool(WORKERS, maxtasksperchild=1) as pool:
        for module in modules:
            tree = ast.parse((HERE / PACKAGE / f"{module}.py").read_text("utf-8"))
            if pool.apply(is_killed, (module, ast.unparse(tree))):
                raise SystemExit(f"{module}: its tests fail without a change")
            mutants = list(mutated(tree))
            killed = pool.starmap(is_killed, [(module, text) for _, text in mutants], chunksize=1)
            alive = [says for (says, _), dead in zip(mutants, killed, strict=True) if not dead]
            print(f"{module}: {len(mutants)} mutants, {len(alive)} survive", flush=True)
            print("".join(f"    {says}\n" for says in alive), end="", flush=True)
            survivors += len(alive)
    return int(survivors > 0)


def mutated(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each change: where it is and what the line says then; and the module's text."""
    for number, node in enumerate(ast.walk(tree)):
        for change in range(len(list(changes(node)))):
            new = copy.deepcopy(tree)
            found = list(ast.walk(new))[number]
            list(changes(found))[change]()
            line = getattr(node, "lineno", 0)
            yield f"line {line}: {' '.join(ast.unparse(found).split())[:90]}", ast.unparse(new)


def changes(node: ast.AST) -> Iterator[object]:
    """Yield functions that change a node in place."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            if type(operator) in SWAPPED:
                other = SWAPPED[type(operator)]()
                yield partial(node.ops.__setitem__, place, other)
    elif isinstance(node, (ast.BoolOp, ast.BinOp)) and type(node.op) in SWAPPED:
        yield lambda: setattr(node, "op", SWAPPED[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        # Twice "not" is none.
        yield lambda: setattr(node, "operand", ast.UnaryOp(ast.Not(), node.operand))
    elif isinstance(node, ast.IfExp):
        yield lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield lambda: setattr(node, "value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield lambda: setattr(node, "value", node.value + 1)


def is_killed(module: str, text: str) -> bool:
    """Return whether a test notices, within five minutes for each group of tests, that a module has this text."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(
            HERE / "src", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
        Path(folder, "cachedindex", f"{module}.py").write_text(text, "utf-8")
        for tests in tests_of(module):
            child = os.fork()
            if not child:
                run(folder, tests)
            if os.waitpid(child, 0)[1]:
                return True
    return False


def run(folder: str, tests: list[str]) -> None:
    """End this process with the code of pytest, or by a signal after five minutes."""
    signal.alarm(300)
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    # A folder of its own, since pytest removes the oldest of those that it shares with others.
    options = ["-x", "-q", "-p", "no:xdist", "--assert=plain", "--rootdir", str(HERE), "--basetemp", f"{folder}/pytest"]
    os._exit(pytest.main([*options, *tests]))


def tests_of(module: str) -> Iterator[list[str]]:
    """Yield groups of tests, the quickest first."""
    own = f"tests/unit/test_{module.rpartition('/')[2]}.py"
    if (HERE / own).exists():
        yield [own]
    yield ["tests/unit"]
    if module.startswith("store/"):
        yield [
            "tests/integration/test_store.py",
            "tests/integration/test_gc.py",
            "tests/integration/test_quarantine.py",
        ]


if __name__ == "__main__":
    sys.exit(main())
