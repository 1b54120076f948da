"""The clients that are measured, with the distributions that they build from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests import environments, packages
from tests.clients import NEWEST_PIP, OLDEST_PIP, Buildout, Pip, Script
from tests.environments import CHECKOUT

PROJECTS = 120
NAMES = (*(f"project-{number:03}" for number in range(PROJECTS - 1)), "star")
FEW = ("project-005", "project-006", "project-007")
CLIENTS = ("pip-oldest", "pip-newest", "buildout", "requests")
Known = Pip | Buildout | Script


def clients(folder: Path, wanted: Sequence[str] | None) -> tuple[dict[str, Known], Path]:
    """Return the clients by name, and the newest pip's python; NoNetwork if they cannot be installed."""
    wheelhouses = CHECKOUT / ".bench"
    wheelhouses.mkdir(exist_ok=True)
    star = folder / "star"
    star.mkdir()
    packages.add_star(star, PROJECTS - 1)
    packages.add_recipe(star, environments.fetch(wheelhouses, folder, "zc.recipe.egg"))

    def python(*requirements: str) -> Path:
        wheels = environments.fetch(wheelhouses, folder, *requirements)
        return environments.make(folder / "-".join(requirements), folder, wheels, *requirements)

    def buildout() -> Buildout:
        own = python("zc.buildout", "requests", "filelock")
        (folder / "wheel").mkdir()
        environments.install(own, folder, "--no-deps", environments.our_wheel(folder / "wheel"))
        return Buildout(own, installed=star)

    newest = python(NEWEST_PIP)
    makers: Sequence[Callable[[], Known]] = (
        lambda: Pip(python(OLDEST_PIP)), lambda: Pip(newest), buildout, lambda: Script(NAMES),
    )  # fmt: skip
    return {name: make() for name, make in zip(CLIENTS, makers, strict=True) if not wanted or name in wanted}, newest
