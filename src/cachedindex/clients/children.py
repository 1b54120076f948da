"""The environment that carries the hook, the settings and the run to child processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cachedindex import config
from cachedindex.settings import OPTIONS
from cachedindex.store.runs import VARIABLE, Run

HOOK = Path(__file__).parent.parent / "hook"
"""The folder whose sitecustomize.py every Python finds first."""


def environment(
    base: Mapping[str, str], run: Run | None, options: Mapping[str, str], handed: Path | None = None
) -> dict[str, str]:
    """Return the variables to set for children: the hook's folder, the run's, and options that were given as text.

    `handed` is a configuration file with what cannot be a variable.
    """
    found = {config.variable(name): text for name, text in options.items()}
    if handed:
        found[config.FILE_VARIABLE] = os.pathsep.join(filter(None, [str(handed), base.get(config.FILE_VARIABLE)]))
    if run:
        found.update(of_run(run))
    # PYTHONPATH reaches every Python below, whichever environment it belongs to, and leaves nothing behind.
    # pip's look for a newer pip has no copy on most hosts, so each pip would wait 5 s for it in an outage (pip 26.3).
    found["PIP_DISABLE_PIP_VERSION_CHECK"] = base.get("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    rest = [part for part in base.get("PYTHONPATH", "").split(os.pathsep) if part and part != str(HOOK)]
    return {**found, "PYTHONPATH": os.pathsep.join([str(HOOK), *rest])}


def of_run(run: Run) -> dict[str, str]:
    """Return what makes a child process a part of the run, and does no more."""
    return {VARIABLE: str(run.folder)}


def given(base: Mapping[str, str]) -> dict[str, str]:
    """Return the options that an environment already gives, which win over any other place's."""
    return {name: base[config.variable(name)] for name in OPTIONS if base.get(config.variable(name))}
