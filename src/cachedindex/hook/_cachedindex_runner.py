"""Loads the hook, then runs pip's `__pip-runner__.py` (or its zip file), or a module as `python -m` does.

pip gives it, instead of its own runner, to a Python without cachedindex: the new environment of an isolated build, or
`pip --python`. `RUNNER -m pip ...` is what `_cachedindex_children.py` makes of the `python -I -m pip ...` of a tool.
"""

import os
import runpy
import sys

_here = os.path.dirname(os.path.abspath(__file__))


def _load_hook():
    """Load the hook beside this file, unless sitecustomize has done so already."""
    try:
        if "_cachedindex_hook" not in sys.modules:
            import importlib.util

            path = os.path.join(_here, "_cachedindex_hook.py")
            spec = importlib.util.spec_from_file_location("_cachedindex_hook", path)
            module = sys.modules["_cachedindex_hook"] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        sys.modules["_cachedindex_hook"].activate()
    except Exception as error:  # pip must run all the same.
        try:
            line = "cachedindex: pip continues without the cache: %s\n" % error
            os.write(sys.stderr.fileno(), line.encode())
        except Exception:  # It is closed, or full.
            pass


def _run_module(name):
    """Run a module as `python -m NAME` does, with its words, path and messages."""
    sys.argv[1:3] = []
    if __file__ in getattr(sys, "orig_argv", ()):
        sys.orig_argv.remove(__file__)
    if sys.path and os.path.abspath(sys.path[0]) == _here:
        try:
            sys.path[0] = os.getcwd()
        except OSError:  # It is gone, and no module is there.
            del sys.path[0]
    runpy._run_module_as_main(name)


if __name__ == "__main__":
    _load_hook()
    if sys.argv[1:2] == ["-m"]:
        _run_module(sys.argv[2])
    else:
        _runnable = os.environ["_CACHEDINDEX_RUNNABLE_PIP"]
        sys.argv[0] = _runnable
        if sys.path and os.path.abspath(sys.path[0]) == _here:
            sys.path[0] = os.path.dirname(_runnable)
        runpy.run_path(_runnable, run_name="__main__")
