"""Loads the hook at the start of a Python, in one of three ways; without the hook's files, it does nothing.

As `sitecustomize` it is found first on PYTHONPATH (`cachedindex run`), and then runs the sitecustomize that it hides.
As `_cachedindex_start` it is in an environment's site-packages, where a `.pth` file imports it, or a `.start` file
names its `start` (PEP 829). As `_cachedindex_base` it is beside a base interpreter's standard library (`cachedindex
hook install --base`), where a block in the interpreter's own sitecustomize imports it.
"""

import os
import sys

# `cachedindex hook install` writes into its copy the path of the hook, and that of a configuration file.
HOOK = None
CONFIG = None
_here = os.path.dirname(os.path.abspath(__file__))


def start():
    """Load the hook by its path, unless it is loaded already. Nothing may fail or be printed at a Python's start."""
    try:
        path = HOOK or os.path.join(_here, "_cachedindex_hook.py")
        if "_cachedindex_hook" in sys.modules or not os.path.isfile(path):
            return
        if sys.version_info < (3, 4):
            module = _loaded_in_python_2(path)
            module.CONFIG = CONFIG
            module.activate()
            return
        # importlib.util would take 6 ms; every Python has these two from its start.
        from _frozen_importlib import module_from_spec
        from _frozen_importlib_external import spec_from_file_location

        spec = spec_from_file_location("_cachedindex_hook", path)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules["_cachedindex_hook"] = module
        module.CONFIG = CONFIG
        module.activate()
    except Exception:  # Whatever it is, nothing may be printed at the start of a Python.
        pass


def _loaded_in_python_2(path):
    import imp

    writes_nothing, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        return imp.load_source("_cachedindex_hook", path)
    finally:
        sys.dont_write_bytecode = writes_nothing


def run_hidden():
    """Run the next sitecustomize on the path, as site would have."""
    paths = [path for path in sys.path if os.path.abspath(path) != _here]
    if sys.version_info < (3, 4):
        _run_hidden_in_python_2(paths)
        return
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        spec = find_spec("sitecustomize", paths) if find_spec else None
        if spec is not None and spec.loader is not None and spec.origin != __file__:
            import _frozen_importlib

            module = _frozen_importlib.module_from_spec(spec)
            sys.modules["sitecustomize"] = module
            spec.loader.exec_module(module)
            return


def _run_hidden_in_python_2(paths):
    import imp

    try:
        found = imp.find_module("sitecustomize", paths)
    except ImportError:
        return
    imp.load_module("sitecustomize", *found)


start()
if __name__ == "sitecustomize":
    # For the program, sys.path is as it was; child processes get the folder through PYTHONPATH again.
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _here]
    run_hidden()
