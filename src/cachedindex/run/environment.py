"""The variables that carry the hook, the settings and the run to child processes."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path

from cachedindex import sources, standard
from cachedindex.hook import _cachedindex_children
from cachedindex.options import OPTIONS
from cachedindex.run.folder import RunFolder
from cachedindex.sources import RUN_VARIABLE
from cachedindex.store import system

HOOK = Path(__file__).parent.parent / "hook"
"""The folder on PYTHONPATH; every Python finds its sitecustomize.py before any other."""
_CARRIED = "VIRTUALENV_CACHEDINDEX_RUN"
"""The run again, for tox: it hands VIRTUALENV_* to its environments, and little else (tox 4.67, virtual_env/api.py)."""
_SAVED = "variables.json"
_CALLER = """\
#!/bin/sh
PATH=${{PATH#"${{0%/*}}":}}
export PATH
case " $* " in
{asks}) exec {us} {name} "$@" ;;
esac
exec {name} "$@"
"""
"""A program that has us run a uv that may ask an index."""


def for_children(
    base: Mapping[str, str], run: RunFolder | None, options: Mapping[str, str], settings_file: Path | None = None
) -> dict[str, str]:
    """Return the variables to set for child processes: the hook's folder, the run, and options given as text.

    `settings_file` is a configuration file with the options that cannot be variables.
    """
    found = {sources.variable(name): text for name, text in options.items()}
    if settings_file:
        files = [str(settings_file), base.get(sources.FILE_VARIABLE)]
        found[sources.FILE_VARIABLE] = os.pathsep.join(filter(None, files))
    if run:
        found.update(of_run(run))
        _save(run, {**base, **found})
    # In an outage, each pip would wait 5 s for its look-up of a newer pip, as most hosts have no copy (pip 26.3).
    found["PIP_DISABLE_PIP_VERSION_CHECK"] = base.get("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    # PYTHONPATH reaches every Python below, whichever environment it belongs to, and leaves nothing behind.
    before = base.get("PYTHONPATH")
    # An empty part is kept: it is the working folder.
    rest = [part for part in before.split(os.pathsep) if part != str(HOOK)] if before else []
    return {**found, "PYTHONPATH": os.pathsep.join([str(HOOK), *rest])}


def reached(command: Sequence[str]) -> Sequence[str]:
    """Return a command that runs a client as this one does, and loads the hook: `python -I -m pip` would not."""
    found = _cachedindex_children.parsed(list(command))
    words: list[str] = found.by_runner()
    return words if found.client and found.module and found.ignores_variables() else command


def with_uv(run: RunFolder, path: str) -> str:
    """Return PATH with a folder of the run in front, whose `uv` is run by us; as it is, if there is no uv.

    A shell that starts uv by its name gets that one. What asks no index goes straight to the real one.
    """
    # On Windows it would have to be a batch file: after one, a batch file that starts uv without `call` does not go on.
    if system.IS_WINDOWS or not shutil.which("uv", path=path):
        return path
    with standard.library():
        import shlex  # noqa: PLC0415 - most hosts have no uv

    us = shlex.join([sys.executable, "-I", "-S", str(HOOK / "_cachedindex_uv.py")])
    asks = {"uv": "|".join(f'*" {word} "*' for word in sorted(_cachedindex_children.UV_ASKS)), "uvx": "*"}
    try:
        folder = run.add_programs({name: _CALLER.format(name=name, us=us, asks=asks[name]) for name in asks})
    except OSError:  # The disk is full: a uv that a shell starts is not covered, and the last line says so.
        return path
    return f"{folder}{os.pathsep}{path}"


def of_run(run: RunFolder) -> dict[str, str]:
    """Return the variables that only make a child process a part of the run."""
    return {RUN_VARIABLE: str(run.folder), _CARRIED: str(run.folder)}


def without_run(environ: Mapping[str, str], run: RunFolder | None) -> dict[str, str]:
    """Return the variables without those of a run that is over."""
    ended = of_run(run) if run else {}
    return {name: text for name, text in environ.items() if ended.get(name) != text}


def rejoin(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables of the run that this process belongs to, if a program above has filtered them out."""
    run = RunFolder.handed_down({RUN_VARIABLE: environ.get(_CARRIED, "")})
    if run and not environ.get(RUN_VARIABLE):
        with suppress(OSError, ValueError):  # Cut by a full disk: without them, this process is not part of the run.
            environ.update({**json.loads((run.folder / _SAVED).read_text("utf-8")), **_ours(environ)})


def given(base: Mapping[str, str]) -> dict[str, str]:
    """Return the options that are variables in an environment already; they win over those of any other place."""
    return {name: base[sources.variable(name)] for name in OPTIONS if base.get(sources.variable(name))}


def _save(run: RunFolder, variables: Mapping[str, str]) -> None:
    with suppress(OSError):  # The disk is full: whichever process stores a page will report it.
        (run.folder / _SAVED).write_text(json.dumps(_ours(variables)), "utf-8")


def _ours(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in variables.items() if name.startswith(sources.PREFIX)}
