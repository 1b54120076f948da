"""Installs the hook into the environments that virtualenv makes, and so into those of tox, nox and hatch.

virtualenv calls every entry point of `virtualenv.activate` for each new environment, to write its activation scripts
(virtualenv 20 and 21, run/plugin/activators.py). This one installs the hook, and writes no script.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cachedindex.run import installation
from cachedindex.run.report import Report


class Carrier:
    """An activator for virtualenv, which acts only if the process that makes the environment is covered.

    So cachedindex beside a tox changes no other environments. The hook holds nothing of the run, which ends earlier.
    """

    def __init__(self, options: object) -> None:
        """Take virtualenv's options, and use none."""

    @classmethod
    def supports(cls, interpreter: Any) -> bool:
        """Return whether an environment of this interpreter gets the hook."""
        try:
            return _hook() is not None and tuple(interpreter.version_info[:2]) >= installation.OLDEST_PYTHON
        except Exception as error:  # noqa: BLE001 - a virtualenv that describes interpreters in another way
            Report().internal_error(error)
            return False

    @classmethod
    def add_parser_arguments(cls, parser: object, interpreter: object) -> None:
        """Add no option."""

    def generate(self, creator: Any) -> list[Path]:
        """Install the hook into a new environment; return no activation script."""
        try:
            version = tuple(creator.interpreter.version_info[:2])
            place = installation.Place(Path(creator.purelib), version=version)
            installation.install_hook(place, str(creator.exe), _hook().CONFIG)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
            Report().internal_error(error)
        return []


def _hook() -> Any:
    return sys.modules.get("_cachedindex_hook")
