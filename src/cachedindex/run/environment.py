"""The environment that carries the hook, the settings and the run to child processes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path

from cachedindex import sources
from cachedindex.options import OPTIONS
from cachedindex.run.folder import Run
from cachedindex.sources import RUN_VARIABLE

HOOK = Path(__file__).parent.parent / "hook"
"""The folder whose sitecustomize.py every Python finds first."""
_CARRIED = "VIRTUALENV_CACHEDINDEX_RUN"
"""The run again, for tox, which hands VIRTUALENV_* to its environments and little else (tox 4.67, virtual_env/api.py).
"""
_KEPT = "variables.json"


def for_children(
    base: Mapping[str, str], run: Run | None, options: Mapping[str, str], handed: Path | None = None
) -> dict[str, str]:
    """Return the variables to set for children: the hook's folder, the run's, and options that were given as text.

    `handed` is a configuration file with what cannot be a variable.
    """
    found = {sources.variable(name): text for name, text in options.items()}
    if handed:
        found[sources.FILE_VARIABLE] = os.pathsep.join(filter(None, [str(handed), base.get(sources.FILE_VARIABLE)]))
    if run:
        found.update(of_run(run))
        _keep(run, {**base, **found})
    # PYTHONPATH reaches every Python below, whichever environment it belongs to, and leaves nothing behind.
    # pip's look for a newer pip has no copy on most hosts, so each pip would wait 5 s for it in an outage (pip 26.3).
    found["PIP_DISABLE_PIP_VERSION_CHECK"] = base.get("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    before = base.get("PYTHONPATH")
    # An empty part is one, too: the working folder.
    rest = [part for part in before.split(os.pathsep) if part != str(HOOK)] if before else []
    return {**found, "PYTHONPATH": os.pathsep.join([str(HOOK), *rest])}


def of_run(run: Run) -> dict[str, str]:
    """Return what makes a child process a part of the run, and does no more."""
    return {RUN_VARIABLE: str(run.folder), _CARRIED: str(run.folder)}


def rejoin(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables of the run that this process belongs to, where something above has filtered them out."""
    run = Run.handed_down({RUN_VARIABLE: environ.get(_CARRIED, "")})
    if run and not environ.get(RUN_VARIABLE):
        with suppress(OSError, ValueError):  # Cut by a full disk: without them it is a pip on its own.
            environ.update({**json.loads((run.folder / _KEPT).read_text("utf-8")), **_ours(environ)})


def given(base: Mapping[str, str]) -> dict[str, str]:
    """Return the options that an environment already gives, which win over any other place's."""
    return {name: base[sources.variable(name)] for name in OPTIONS if base.get(sources.variable(name))}


def _keep(run: Run, variables: Mapping[str, str]) -> None:
    with suppress(OSError):  # The disk is full, of which whoever stores a page will tell.
        (run.folder / _KEPT).write_text(json.dumps(_ours(variables)), "utf-8")


def _ours(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in variables.items() if name.startswith(sources.PREFIX)}
