"""Changes one operator, constant, condition or call of a module at a time, and says what no test notices; run by hand.

    .venv/bin/python tests/mutants.py rules/limits rules/urls
    .venv/bin/python tests/mutants.py

Each change is made in a copy of src/. Of the unit tests, and for store/ of its integration tests, those are run that
reach the changed line: the module's own ones first, the quickest first, up to the first that fails.
Without arguments it takes all of rules/ and store/. `tests/survivors.txt` gives a reason for each change that makes no
difference. The command fails if a change survives that is not listed, or if a listed one is noticed or gone.
"""

from __future__ import annotations

import ast
import copy
import os
import pickle
import shutil
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import coverage
import hypothesis.strategies  # noqa: F401 - imported once for all mutants, as are the next ones
import pytest
import requests  # noqa: F401

HERE = Path(__file__).parent.parent
sys.path.insert(0, str(HERE))
from tests import pythons  # noqa: E402, F401 - asks each Python for its version

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
SECONDS = 120
"""After them a change counts as noticed, since it has something hang."""
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
    order: Mapping[str, float]
    """The seconds of each test."""


def main() -> int:
    """Print what is new among the survivors of the modules that the command line names; return whether anything is."""
    modules = sys.argv[1:] or [
        f"{folder}/{path.stem}"
        for folder in ("rules", "store")
        for path in sorted((HERE / PACKAGE / folder).glob("*.py"))
        if path.stem != "__init__"
    ]
    reach = in_a_child(partial(reached, modules))
    if not isinstance(reach, Reach):
        raise SystemExit("the tests fail without a change, or hang")
    reasons, news = listed(KNOWN.read_text("utf-8")), 0
    for module in modules:
        mutants = list(mutated(module))
        alive = [mutant.says for mutant in mutants if not is_killed(module, mutant, reach)]
        known = {says for says in reasons if says.startswith(f"{module} ")}
        new = sorted(set(alive) - known)
        print(f"{module}: {len(mutants)} changes, {len(alive)} survive, {len(new)} without a reason")
        print("".join(f"    {says}\n" for says in new), end="")
        print("".join(f"    no survivor any more: {says}\n" for says in sorted(known - set(alive))), end="", flush=True)
        news += len(set(alive) ^ known)
    return int(news > 0)


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
    for child in ast.iter_child_nodes(node):
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


def is_killed(module: str, mutant: Mutant, reach: Reach) -> bool:
    """Return whether a test notices the change."""
    by_line = reach.tests.get(module, {})
    found = [set[str]().union(*(by_line.get(line, ()) for line in lines)) for lines in mutant.places]
    if len(found) == 1:  # It is in no function, such as a constant, which is used elsewhere than it is set.
        found.append(set[str]().union(*by_line.values()))
    tests = next(filter(None, found), set[str]())
    name = module.rpartition("/")[2]
    own = {test for test in tests if test.startswith(f"tests/unit/test_{name}.py")}
    groups = [group for group in (own, tests - own) if group]
    with tempfile.TemporaryDirectory() as folder:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(HERE / "src", folder, dirs_exist_ok=True, ignore=ignored)
        Path(folder, "cachedindex", f"{module}.py").write_text(mutant.text, "utf-8")
        return any(in_a_child(partial(passes, group, reach.order, folder)) is not True for group in groups)


def in_a_child(work: Callable[[], object]) -> object:
    """Return what work returns in a forked process; None if that fails, or hangs."""
    with tempfile.TemporaryFile() as result:
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            signal.alarm(SECONDS)
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
        with suppress(EOFError):
            return pickle.load(result)
        return None


class Contexts:
    """Notes which test reaches a line, and how long each takes."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured = measured
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.measured.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration


class Chosen:
    """Leaves out all tests but some, and sorts these."""

    def __init__(self, tests: Iterable[str], order: Mapping[str, float]) -> None:
        self.place = {test: order.get(test, 0.0) for test in tests}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = (each for each in items if each.nodeid in self.place)
        items[:] = sorted(chosen, key=lambda each: self.place[each.nodeid])


def reached(modules: Sequence[str]) -> Reach | None:
    """Return which tests reach which lines of these modules; None if a test fails."""
    signal.alarm(10 * SECONDS)
    sys.path.insert(0, str(HERE / "src"))
    measured = coverage.Coverage(data_file=None, config_file=False, source_pkgs=["cachedindex"])
    contexts = Contexts(measured)
    measured.start()
    tests = ["tests/unit", *(STORES if any(module.startswith("store/") for module in modules) else [])]
    code = tested(tests, contexts)
    measured.stop()
    data = measured.get_data()
    lines = {
        module: {
            line: {test for test in found if test}
            for line, found in data.contexts_by_lineno(str(HERE / PACKAGE / f"{module}.py")).items()
        }
        for module in modules
    }
    return Reach(lines, dict(contexts.seconds)) if code == 0 else None


def passes(tests: set[str], order: Mapping[str, float], folder: str) -> bool:
    """Return whether these tests pass with the package in a folder."""
    sys.path.insert(0, folder)
    os.environ["PYTHONPATH"] = folder  # For the processes that a test starts.
    sys.dont_write_bytecode = True
    return tested(sorted({test.partition("::")[0] for test in tests}), Chosen(tests, order)) == 0


def tested(paths: Sequence[str], plugin: object) -> int:
    """Run the tests up to the first that fails, and return the code of pytest."""
    # A folder of its own, since pytest removes the oldest of those that it shares with others.
    with tempfile.TemporaryDirectory() as folder:
        options = ["-x", "-q", "-m", "not slow", "-p", "no:xdist", "--assert=plain", "--hypothesis-seed=0"]
        options += ["--rootdir", str(HERE), "--basetemp", f"{folder}/pytest"]
        return int(pytest.main([*options, *paths], plugins=[plugin]))


if __name__ == "__main__":
    sys.exit(main())
