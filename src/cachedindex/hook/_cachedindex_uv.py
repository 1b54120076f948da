"""Runs a uv as `cachedindex run -- uv ...` does: a covered Python, or the `uv` that a run puts on PATH, calls it.

If nothing is to be done for the uv, it takes the place of this process.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _command_line():
    """Return the function that runs the command line of the package beside this file."""
    from _frozen_importlib import module_from_spec
    from _frozen_importlib_external import spec_from_file_location

    package = os.path.dirname(_HERE)
    start = os.path.join(package, "__init__.py")
    spec = spec_from_file_location("cachedindex", start, submodule_search_locations=[package])
    module = sys.modules["cachedindex"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    from cachedindex.commands.line import command_line

    return command_line


def _leave_out(folder):
    """Take the folder in which the run has put a uv that calls us out of PATH, so that the real one is found."""
    path = os.environ.get("PATH", "").split(os.pathsep)
    if folder in path:
        os.environ["PATH"] = os.pathsep.join(part for part in path if part != folder)


if __name__ == "__main__":
    _words = sys.argv[1:]
    _leave_out(os.path.join(os.environ.get("CACHEDINDEX_RUN", ""), "bin"))
    try:
        _run = _command_line()
    except Exception:  # A part of cachedindex is gone: uv goes on without it.
        os.execvp(_words[0], _words)  # noqa: S606 - what the program above wants to run
    sys.argv[1:] = ["run", "--"] + _words
    _run()
