"""The children of a Python that has the hook: programs get what they would get, and clients see no difference."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cachedindex.run.environment import HOOK
from tests.conftest import Ran, Run

SHOW = "import json, os, sys; print(json.dumps([sys.argv, sorted(os.environ.items()), os.getcwd()]))"
CODE = f"""
import asyncio, inspect, os, signal, subprocess, sys, threading, types
del os.environ["PYTHONPATH"]
SHOW = [sys.executable, "-c", {SHOW!r}]
PIP = [sys.executable, "-m", "pip", "--version"]
def spawned(command, **named):
    "Whether the fast way of Popen is gone, which needs these."
    calls = []
    original, subprocess.os.posix_spawn = os.posix_spawn, lambda *a, **k: calls.append(1) or original(*a, **k)
    subprocess._USE_POSIX_SPAWN = True
    subprocess.run(command, close_fds=False, **named)
    print(calls)
"""
CASES = {
    "variables": "for env in (None, {'A': 'b'}, {b'A': b'\\xff'}, {}): subprocess.run(SHOW, env=env)",
    "a traceback": "subprocess.run(['no-such', 'x'])",
    "a traceback of a client": "subprocess.run(['./pip', 'x'])",
    "a folder that is not there": "subprocess.run(['pip', 'x'], cwd='nowhere')",
    "no words": "subprocess.Popen()",
    "wrong words": "subprocess.Popen([1, 2])",
    "empty words": "subprocess.Popen([])",
    "wrong options": "subprocess.Popen(['pip'], bufsize='x')",
    "wrong variables": "subprocess.run(PIP, env={'A': 1})",
    "a variable with a sign": "subprocess.run(PIP, env={'A=': '1'})",
    "an iterator": "subprocess.run(iter(SHOW)); subprocess.run(iter(PIP), stdout=-3)",
    "a shell": "subprocess.run('echo $A $0', shell=True, env={'A': 'b'})",
    "a shell with words": "subprocess.run(['echo $0 $1', 'x', 'y'], shell=True)",
    "a program apart": "subprocess.run(['me', '-c', SHOW[2]], executable=sys.executable)",
    "texts": "print(subprocess.run(SHOW[:2] + ['print(1)'], capture_output=True, text=True).stdout)",
    "lines": "print(subprocess.Popen(SHOW[:2] + ['print(1)'], 1, stdout=-1, encoding='ascii').communicate())",
    "all by position": "subprocess.Popen(SHOW, -1, None, None, None, None, None, True, False, '/', {'A': 'b'}).wait()",
    "descriptors": "r, w = os.pipe(); subprocess.run(['ls', '/proc/self/fd'], pass_fds=[w], close_fds=True)",
    "a function before": "subprocess.run(SHOW, preexec_fn=lambda: os.chdir('/'))",
    "a session": "print(subprocess.run(['sh', '-c', 'exit 3'], start_new_session=True).returncode)",
    "a signal": "p = subprocess.Popen(['sleep', '60']); p.send_signal(15); print(p.wait(), p)",
    "the fast way": "spawned(['/bin/echo', 'x']); spawned(SHOW, env={'A': 'b'})",
    "the fast way of a client": "spawned(PIP)",
    "what a Popen shows": "p = subprocess.Popen(PIP); p.wait(); print(p.args, p, sorted(vars(p)), type(p))",
    "its signature": "print(inspect.signature(subprocess.Popen), subprocess.Popen, subprocess.Popen[str])",
    "a subclass": "class P(subprocess.Popen):\n    def __new__(cls, *a, **k): return super().__new__(cls)\n"
    "    def _execute_child(self, *a): print(len(a)); super()._execute_child(*a)\nP(PIP).wait()",
    "a loop": "async def f():\n    p = await asyncio.create_subprocess_exec(*SHOW); await p.wait()\nasyncio.run(f())",
    "a thread": "t = threading.Thread(target=subprocess.run, args=(PIP,)); t.start(); t.join()",
    "what is left": "import gc, weakref; gc.disable(); p = subprocess.Popen(PIP); p.wait()\n"
    "r = weakref.ref(p); del p; print(r())",
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_child_gets_and_gives_what_it_would_without_the_hook(run: Run, name: str) -> None:
    with_hook = run(sys.executable, "-c", CODE + CASES[name], PYTHONPATH=str(HOOK))
    bare = run(sys.executable, "-c", CODE + CASES[name], PYTHONPATH="/nowhere")
    assert (normal(with_hook), with_hook.code) == (normal(bare), bare.code)


def normal(ran: Ran) -> list[str]:
    """Return what was printed, without our frame, and without the signs that Python 3.11 and later print below it."""
    lines = [line for line in (ran.out + ran.err).splitlines() if line.strip(" ~^")]
    return [line for line in lines if "_cachedindex_children.py" not in line and "    started(args" not in line]


MODULE = """
import os, sys
print(__name__, __file__, __spec__.name, sys.argv, sys.path, sys.flags, sys.orig_argv, os.environ.get("PYTHONPATH"))
raise SystemExit(3)
"""


@pytest.mark.parametrize("options", [["-E"], ["-Es", "-W", "ignore"], ["-EPB"], ["-I"], ["-EX", "dev"]], ids=str)
def test_a_module_that_is_run_instead_sees_no_difference(run: Run, tmp_path: Path, options: list[str]) -> None:
    if sys.version_info < (3, 11) and "-EPB" in options:
        pytest.skip("SKIPPED FOR WANT OF -P, which is Python 3.11's")
    (tmp_path / "build.py").write_text(MODULE)
    words = [sys.executable, *options, "-m", "build", "-x", "--", "-m"]
    code = f"import subprocess, sys; sys.exit(subprocess.run({words}).returncode)"
    bare, with_hook = run(sys.executable, "-c", code), run(sys.executable, "-c", code, PYTHONPATH=str(HOOK))
    assert with_hook.code == bare.code == (1 if {"-I", "-EPB"} & set(options) else 3)
    assert with_hook.err == bare.err, "if there is no such module, too"
    assert with_hook.out.replace(f" {HOOK}\n", " None\n") == bare.out


def test_a_python_that_starts_no_children_loads_nothing_for_them(run: Run) -> None:
    code = "import sys; print('_cachedindex_hook' in sys.modules, '_cachedindex_children' in sys.modules)"
    assert run(sys.executable, "-c", code, PYTHONPATH=str(HOOK)).out == "True False\n"


def test_a_subprocess_that_is_imported_before_the_hook_is_covered(run: Run) -> None:
    code = "print(subprocess.Popen.__new__.__module__)"
    start = f"import subprocess; exec(open({str(HOOK / 'sitecustomize.py')!r}).read()); {code}"
    ran = run(sys.executable, "-c", f"__file__ = {str(HOOK / 'sitecustomize.py')!r}; {start}")
    assert ran.out == "_cachedindex_children\n", ran.err
