"""Changes one operator, constant, condition or call of a module at a time, and says what no test notices; run by hand.

    .venv/bin/python tests/mutants.py rules/limits rules/urls
    .venv/bin/python tests/mutants.py

The tests are collected once. Each change is made in a fork of that process, in place of the module's own code. Of the
unit tests, and for store/ of its integration tests, those are run that reach the changed line: the module's own ones
first, the quickest first, up to the first that fails.
Without arguments it takes all of rules/ and store/. `tests/survivors.txt` gives a reason for each change that makes no
difference. The command fails if a change survives that is not listed, or if a listed one is noticed or gone.
"""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import os
import pickle
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import coverage
import pytest

HERE = Path(__file__).parent.parent
PACKAGE = "src/cachedindex"
KNOWN = HERE / "tests/survivors.txt"
SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
"""Operators, and what each of them becomes."""
STORES = [f"tests/integration/test_{name}.py" for name in ("store", "gc", "quarantine", "single_flight")]
Named = ast.FunctionDef | ast.ClassDef
SECONDS = 60
"""So much longer than three times as long as without a change, and it counts as noticed: it has something hang."""
SMALL = 2
"""A number up to this gets one more; a larger one gets ten times as much, as somebody would notice that."""


class Mutant(NamedTuple):
    """A module with one change."""

    says: str
    places: Sequence[range]
    """The lines of the change, and those of the function that it is in."""
    text: str


class Reach(NamedTuple):
    """Which tests reach which lines."""

    tests: Mapping[str, Mapping[int, set[str]]]
    """By module and line."""
    seconds: Mapping[str, float]
    """Of each test."""


def main() -> int:
    """Print what is new among the survivors of the modules that the command line names; return whether anything is."""
    modules = sys.argv[1:] or [
        f"{folder}/{path.stem}"
        for folder in ("rules", "store")
        for path in sorted((HERE / PACKAGE / folder).glob("*.py"))
        if path.stem != "__init__"
    ]
    sys.path.insert(0, str(HERE / "src"))
    tests = ["tests/unit", *(STORES if any(module.startswith("store/") for module in modules) else [])]
    options = ["-q", "-s", "-m", "not slow", "-p", "no:xdist", "--hypothesis-seed=0", "--rootdir", str(HERE)]
    with tempfile.TemporaryDirectory() as folder:  # pytest removes the oldest of those that it shares with others.
        return int(pytest.main([*options, "--basetemp", f"{folder}/pytest", *tests], plugins=[Mutating(modules)]))


class Mutating:
    """In place of running the tests once."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.modules = modules

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Print what is new among the survivors of the modules, and count it as failures."""
        reach = in_a_child(partial(reached, self.modules, session.items), 10 * SECONDS)
        if not isinstance(reach, Reach):
            raise pytest.UsageError("the tests hang without a change")
        reasons = listed(KNOWN.read_text("utf-8"))
        for module in self.modules:
            mutants = list(mutated(module))
            alive = {mutant.says for mutant in mutants if not is_killed(module, mutant, session.items, reach)}
            known = {says for says in reasons if says.startswith(f"{module} ")}
            new, gone = sorted(alive - known), sorted(known - alive)
            print(f"{module}: {len(mutants)} changes, {len(alive)} survive, {len(new)} without a reason")
            print("".join([f"    {says}\n" for says in new] + [f"    no survivor: {says}\n" for says in gone]), end="")
            sys.stdout.flush()
            session.testsfailed += len(new) + len(gone)
        return True


def listed(text: str) -> Mapping[str, str]:
    """Return the reason for each change that is known to survive: the indented lines below one change or several."""
    reasons: dict[str, str] = {}
    above: list[str] = []
    for line in text.splitlines():
        if line.startswith("    "):
            reasons |= dict.fromkeys(above, line.strip())
            above = []
        elif line and not line.startswith("#"):
            above.append(line)
    if above:
        raise SystemExit(f"{KNOWN.name} gives no reason for {above[0]}")
    return reasons


def mutated(module: str) -> Iterator[Mutant]:
    """Yield each change of a module."""
    tree = ast.parse((HERE / PACKAGE / f"{module}.py").read_text("utf-8"))
    for number, (around, node) in enumerate(within(tree)):
        where = ".".join(each.name for each in around)
        places = [lines_of(node.test if isinstance(node, ast.If) else node)]
        places += [lines_of(each) for each in reversed(around) if isinstance(each, ast.FunctionDef)]
        for change in range(len(list(changes(node)))):
            new = copy.deepcopy(tree)
            changed = next(each for at, (_, each) in enumerate(within(new)) if at == number)
            part, work = list(changes(changed))[change]
            before = shown(changed, part)
            work()
            yield Mutant(f"{module} {where}: {before} -> {shown(changed, part)}", places, ast.unparse(new))


def within(node: ast.AST, around: tuple[Named, ...] = ()) -> Iterator[tuple[tuple[Named, ...], ast.AST]]:
    """Yield each node, with the functions and classes that it is in."""
    decorators = getattr(node, "decorator_list", [])
    for child in (child for child in ast.iter_child_nodes(node) if child not in decorators):
        yield around, child
        yield from within(child, (*around, child) if isinstance(child, (ast.FunctionDef, ast.ClassDef)) else around)


def lines_of(node: ast.AST) -> range:
    first = getattr(node, "lineno", 0)
    return range(first, (getattr(node, "end_lineno", None) or first) + 1)


def shown(node: ast.AST, part: str) -> str:
    """Return a node, or a part of it, in one line."""
    return " ".join(ast.unparse(getattr(node, part) if part else node).split())


def changes(  # noqa: C901 - one for each kind of node
    node: ast.AST,
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the part of a node that changes, and a function that changes it in place."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            if type(operator) in SWAPPED:
                yield "", partial(node.ops.__setitem__, place, SWAPPED[type(operator)]())
    elif isinstance(node, ast.BoolOp):
        for place in range(len(node.values)):
            yield "", partial(node.values.pop, place)
    elif isinstance(node, ast.BinOp) and type(node.op) in SWAPPED:
        yield "", partial(setattr, node, "op", SWAPPED[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        # Twice "not" is none.
        yield "", partial(setattr, node, "operand", ast.UnaryOp(ast.Not(), node.operand))
    elif isinstance(node, (ast.If, ast.IfExp)):
        for value in (True, False):
            yield "test", partial(setattr, node, "test", ast.Constant(value))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "", partial(setattr, node, "value", ast.Constant(None))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "", partial(setattr, node, "value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield "", partial(setattr, node, "value", node.value + 1 if node.value <= SMALL else node.value * 10)


def is_killed(module: str, mutant: Mutant, items: Sequence[pytest.Item], reach: Reach) -> bool:
    """Return whether a test notices the change."""
    by_line = reach.tests[module]
    found = [set[str]().union(*(by_line.get(line, ()) for line in lines)) for lines in mutant.places]
    if len(found) == 1:  # It is in no function, such as a constant, which is used elsewhere than it is set.
        found.append(set[str]().union(*by_line.values()))
    tests = next(filter(None, found), set[str]())
    own = f"tests/unit/test_{module.rpartition('/')[2]}.py"
    chosen = [item for item in items if item.nodeid in tests]
    chosen.sort(key=lambda item: (not item.nodeid.startswith(own), reach.seconds[item.nodeid]))
    patience = SECONDS + round(3 * sum(reach.seconds[item.nodeid] for item in chosen))
    return in_a_child(partial(passes, module, mutant.text, chosen), patience) is not True


def in_a_child(work: Callable[[], object], seconds: int) -> object:
    """Return what work returns in a forked process; None if that fails, or hangs."""
    with tempfile.TemporaryFile() as result:
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            signal.alarm(seconds)
            for stream in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
            try:
                pickle.dump(work(), result)
                result.flush()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        with suppress(ProcessLookupError):  # What a test has started, and not ended.
            os.killpg(child, signal.SIGKILL)
        result.seek(0)
        with suppress(EOFError, pickle.UnpicklingError):
            return pickle.load(result)
        return None


def reached(modules: Sequence[str], items: Sequence[pytest.Item]) -> Reach:
    """Return which tests reach which lines of these modules."""
    paths = {module: str(HERE / PACKAGE / f"{module}.py") for module in modules}
    measured = coverage.Coverage(data_file=None, config_file=False, include=list(paths.values()))
    measured.start()
    seconds = {}
    for item in items:
        measured.switch_context(item.nodeid)
        began = time.monotonic()
        if is_passed(item):  # Any other says nothing of a change.
            seconds[item.nodeid] = time.monotonic() - began
    measured.stop()
    data = measured.get_data()
    lines = {module: data.contexts_by_lineno(path) for module, path in paths.items()}
    passed = seconds.keys()
    return Reach(
        {module: {line: passed & found for line, found in of.items()} for module, of in lines.items()}, seconds
    )


def passes(module: str, text: str, items: Sequence[pytest.Item]) -> bool:
    """Return whether these tests pass with a changed module."""
    become(importlib.import_module(f"cachedindex.{module.replace('/', '.')}"), text)
    return all(is_passed(item) for item in items)


def is_passed(item: pytest.Item) -> bool:
    """Run a test, and return whether it passed, or was skipped."""
    failed = item.session.testsfailed
    item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
    return item.session.testsfailed == failed


def become(module: ModuleType, text: str) -> None:
    """Give a loaded module another text, with the same functions and classes, as others have imported them."""
    before = dict(vars(module))
    exec(compile(text, str(module.__file__), "exec"), vars(module))
    for name, old in before.items():
        if getattr(old, "__module__", None) == module.__name__ and take_over(old, vars(module)[name]):
            vars(module)[name] = old


def take_over(old: Any, new: Any) -> bool:
    """Have a function, or the methods of a class, do what a new one does; return False for anything else."""
    if isinstance(old, (staticmethod, classmethod)):
        return take_over(old.__func__, new.__func__)
    if isinstance(old, property):
        return take_over(old.fget, new.fget)
    if isinstance(old, type):
        for name, part in vars(old).items():
            take_over(part, vars(new).get(name, part))
        return True
    getattr(old, "cache_clear", lambda: None)()
    old, new = inspect.unwrap(old), inspect.unwrap(new)
    if isinstance(old, FunctionType):
        old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
    return isinstance(old, FunctionType)


if __name__ == "__main__":
    sys.exit(main())
