"""What is covered: each client, its releases, and each way in which it is started. The documentation has this table.

To add a row, name a test that plays it: in an outage, with the client's own caches empty, it survives ("yes"); or what
`cachedindex run` says in its last line ("no"). `python -m tests.covered` writes the table into the documentation, and
without the tests' names into the README.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_CHECKOUT = Path(__file__).parent.parent
PAGES = {_CHECKOUT / "docs/reference/coverage.md": 5, _CHECKOUT / "README.md": 4}
"""How many columns the table has in each page."""
_HEADS = ("client", "releases that are tested", "started", "covered", "checked by")
_BEGIN, _END = "<!-- written by python -m tests.covered -->\n", "<!-- up to here -->\n"
_TOOLS = "integration/test_started_pips.py"
_UNCOVERED = "integration/test_uncovered.py"


class Row(NamedTuple):
    """One client, started in one way."""

    client: str
    releases: str
    way: str
    covered: str
    """yes, no, or with what."""
    file: str
    """The file of the test, below `tests`."""
    test: str


ROWS = (
    Row("pip", "23.2 to 26.3", "below `cachedindex run`, at any depth", "yes",
        "integration/test_pip.py", "test_an_isolated_build_survives_a_refused_connection"),
    Row("pip", "23.2 to 26.3", "alone, in an environment with the hook", "yes",
        "integration/test_installed_hook.py", "test_a_pip_on_its_own_survives_an_outage_and_says_so"),
    Row("pip", "any of these", "`cachedindex run -- python -I -m pip`", "yes",
        _UNCOVERED, "test_the_command_itself_is_covered_whatever_its_python_ignores"),
    Row("pip", "any of these", "`python -I -m pip`, `env -i pip`, `sudo pip` in a script", "no: `hook install --base`",
        _UNCOVERED, "test_a_pip_without_its_variables_is_named_in_an_outage"),
    Row("pip", "any", "in a container or on another host", "no: the hook in its image",
        _UNCOVERED, "test_what_cannot_be_covered_here_is_named_in_an_outage"),
    Row("pip, buildout", "on Python 3.9 or older", "any", "no",
        _UNCOVERED, "test_a_client_on_an_old_python_is_named_in_an_outage"),
    Row("pip-tools", "7", "below `cachedindex run`", "yes",
        "integration/test_environments.py", "test_pip_compile"),
    Row("zc.buildout", "3.3, 4.2, 5.2, 6.0", "below `cachedindex run`, or by its extension", "yes",
        "integration/test_buildout_releases.py", "test_it_survives"),
    Row("pipx", "1.18", "with pip", "yes", _TOOLS, "test_a_tool_survives"),
    Row("tox", "4", "cachedindex beside it or not", "yes", _TOOLS, "test_a_tool_survives"),
    Row("nox", "2026", "with venv, virtualenv", "yes", _TOOLS, "test_a_tool_survives"),
    Row("hatch", "1", "with virtualenv and pip", "yes", _TOOLS, "test_a_tool_survives"),
    Row("build", "1", "isolated", "yes", _TOOLS, "test_a_tool_survives"),
    Row("pre-commit", "4", "hooks of language python", "yes", _TOOLS, "test_a_tool_survives"),
    Row("pdm", "2.20, 2.26, 2.29", "below `cachedindex run`, at any depth", "yes",
        "integration/test_tools.py", "test_a_lock_file_and_an_environment"),
    Row("poetry", "1.3, 1.8, 2.5", "below `cachedindex run`, at any depth", "yes",
        "integration/test_tools.py", "test_a_lock_file_and_an_environment"),
    Row("pipenv", "2024.4, 2026.10", "below `cachedindex run`, at any depth", "yes",
        "integration/test_tools.py", "test_a_lock_file_and_an_environment"),
    Row("mxdev", "5", "files that it reads by URL", "yes",
        "integration/test_programs.py", "test_mxdev_reads_all_that_it_names_by_url"),
    Row("uv", "0.13", "as the command", "with its own cache",
        "integration/test_uv.py", "test_a_sync_with_a_dead_index_and_a_warm_cache"),
    Row("uv", "0.13", "by tox-uv, nox, pipx, hatch, build or a build script", "with its own cache",
        "integration/test_started_uvs.py", "test_a_uv_that_is_started_survives"),
    Row("uv", "0.13", "by its name in a shell script", "with its own cache",
        "integration/test_started_uvs.py", "test_a_uv_that_is_started_survives"),
    Row("uv", "0.13", "by its path in a shell script", "no: `cachedindex run -- uv`",
        "integration/test_started_uvs.py", "test_a_uv_by_its_path_in_a_shell_is_named"),
    Row("conda, mamba", "any", "any", "no",
        _UNCOVERED, "test_what_cannot_be_covered_here_is_named_in_an_outage"),
)  # fmt: skip


def table(columns: int) -> str:
    """Return the table as Markdown, with its first columns."""
    rows = [(*row[:4], f"`{row.file}` `{row.test}`")[:columns] for row in ROWS]
    return "".join(f"| {' | '.join(row)} |\n" for row in (_HEADS[:columns], ["--"] * columns, *rows))


def written(page: Path) -> str:
    """Return a page with the table in it."""
    text = page.read_text("utf-8")
    return f"{text.partition(_BEGIN)[0]}{_BEGIN}{table(PAGES[page])}{_END}{text.partition(_END)[2]}"


if __name__ == "__main__":
    for each in PAGES:
        each.write_text(written(each), "utf-8")
