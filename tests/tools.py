"""The tools that lock a project and install it, beside pip: which releases are covered, and how each is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

PDM = """\
[project]
name = "project"
version = "1"
requires-python = ">=3.10"
dependencies = ["alpha", "source"]

[[tool.pdm.source]]
name = "pypi"
url = "{index}"
"""


@dataclass(frozen=True)
class Tool:
    """One release of a tool, in a project that needs a chain of wheels and an sdist."""

    name: str
    release: str
    file: str
    """The name of its project file."""
    project: str = field(repr=False)
    """The text of that file, with the place of the index."""
    lock_file: str
    lock: Sequence[str]
    install: Sequence[str]
    beside: Sequence[str] = ()
    """What its requirements allow by now, but it does not work with."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def requirements(self) -> tuple[str, ...]:
        """What an environment with this release needs."""
        return (f"{self.name}=={self.release}", *self.beside)


def _pdm(release: str, *beside: str) -> Tool:
    quiet = {"PDM_CHECK_UPDATE": "0"}
    return Tool("pdm", release, "pyproject.toml", PDM, "pdm.lock", ("lock",), ("install", "--no-self"), beside, quiet)


TOOLS = (
    _pdm("2.20.1", "unearth<0.19"),
    _pdm("2.26.9", "unearth<0.19", "hishel<2"),
    _pdm("2.29.4", "hishel<2"),
)
"""The oldest release that is covered, one between, and the newest one."""
NEWEST = {tool.name: tool for tool in TOOLS}
INSIDES = {"pdm": "pdm.models.session"}
"""The module of each tool whose inside a hook changes."""
