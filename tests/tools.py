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


POETRY = """\
[tool.poetry]
name = "project"
version = "1"
description = ""
authors = []

[tool.poetry.dependencies]
python = ">=3.10"
alpha = "*"
{sdist}

[[tool.poetry.source]]
name = "local"
url = "{{index}}"
{first}
"""

PIPENV = """\
[[source]]
name = "local"
url = "{index}"
verify_ssl = false

[packages]
alpha = "*"
source = "*"
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
    user: str = ""
    """The variable with the user of its source; empty if that is in the URL, in which variables are replaced."""
    password: str = ""
    """The variable with the password."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """What an environment with this release needs."""
        return (f"{self.name}=={self.release}", *self.beside)


def _pdm(release: str, *beside: str) -> Tool:
    quiet = {"PDM_CHECK_UPDATE": "0"}
    return Tool("pdm", release, "pyproject.toml", PDM, "pdm.lock", ("lock",), ("install", "--no-self"), beside, quiet)


def _poetry(release: str, *beside: str) -> Tool:
    # Up to 1.3 the pip that builds an sdist asks the default index only, whatever the sources.
    is_old = release.startswith("1.3")
    first = "default = true" if is_old else 'priority = "primary"'
    project = POETRY.format(sdist="" if is_old else 'source = "*"', first=first)
    return Tool(
        "poetry", release, "pyproject.toml", project, "poetry.lock", ("lock",), ("install", "--no-root"), beside,
        user="POETRY_HTTP_BASIC_LOCAL_USERNAME", password="POETRY_HTTP_BASIC_LOCAL_PASSWORD",
    )  # fmt: skip


def _pipenv(release: str) -> Tool:
    alone = {"PIPENV_VENV_IN_PROJECT": "1", "PIPENV_IGNORE_VIRTUALENVS": "1", "PIPENV_NOSPIN": "1"}
    return Tool("pipenv", release, "Pipfile", PIPENV, "Pipfile.lock", ("lock",), ("sync",), (), alone)


TOOLS = (
    _pdm("2.20.1", "unearth<0.19"),
    _pdm("2.26.9", "unearth<0.19", "hishel<2"),
    _pdm("2.29.4", "hishel<2"),
    _poetry("1.3.2"),
    _poetry("1.8.5"),
    _poetry("2.5.1"),
    _pipenv("2024.4.1"),
    _pipenv("2026.10.3"),
)
"""Of each tool the releases that are tested, the newest one last."""
NEWEST = {tool.name: tool for tool in TOOLS}
INSIDES = {
    "pdm": "pdm.models.session",
    "poetry": "poetry.utils.authenticator",
    "pipenv": "pipenv.patched.pip._internal.network.session",
}
"""The module of each tool whose inside a hook changes."""
