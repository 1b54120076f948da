"""Found first on PYTHONPATH: load the hook, then the sitecustomize that this one hides."""

import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))


def _load_hook():
    """Load the hook; an environment without it starts as if this file were not there."""
    try:
        import _cachedindex_hook

        _cachedindex_hook.activate()
    except Exception:  # Nothing may be printed at the start of every Python, so nobody is told.
        pass


def _run_hidden():
    """Run the next sitecustomize on the path, as site would have; without importlib.util, which costs 6 ms."""
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


_load_hook()
# Programs that look at sys.path find it as it was; children get the folder through PYTHONPATH again.
sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _here]
_run_hidden()
