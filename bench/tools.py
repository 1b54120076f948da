"""Measures what the tools take more to start below a run: `python -m bench.tools [--rounds N] [--tool NAME ...]`.

Each command starts in turns without us and below one `cachedindex run`. None of them has anything to look up; for a
`uv lock`, a run asks its index once whether it answers. It prints the medians of the pairs, in all and of CPU, which a
busy machine changes less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import environments
from tests.environments import CHECKOUT, NoNetwork, clean_environment
from tests.index import serving
from tests.tools import NEWEST

from bench.spent import Spent, compared, spent
from bench.table import table

ALLOWED = 40.0
"""Milliseconds."""
COMMANDS = {
    "poetry": ("poetry --version", "poetry lock"),
    "pdm": ("pdm --version", "pdm lock"),
    "pipenv": ("pipenv --version", "pipenv lock"),
    "pipx": ("pipx --version",),
    "tox": ("tox --version",),
    "nox": ("nox --version",),
    "hatch": ("hatch --version",),
    "build": ("pyproject-build --version",),
    "pre-commit": ("pre-commit --version",),
    "uv": ("uv --version", "uv lock"),
}
_PROJECT = '[project]\nname = "project"\nversion = "1"\nrequires-python = ">=3.10"\n'
"""A project that requires nothing."""
_VARIABLES = {"PDM_CHECK_UPDATE": "0", "PIPENV_VENV_IN_PROJECT": "1", "PIPENV_IGNORE_VIRTUALENVS": "1"}
_SHOW = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"


def main() -> int:
    """Measure and print."""
    arguments = _arguments()
    rows = []
    with tempfile.TemporaryDirectory(prefix="cachedindex-tools-") as name:
        for tool in arguments.tool or COMMANDS:
            for what, pairs in _measured(Path(name) / tool, tool, arguments.rounds).items():
                rows.append([what, *_cells(pairs)])
    print(table(["", "without", f"below a run, at most {ALLOWED:+.0f} ms"], rows))
    return 0


def _cells(pairs: Sequence[tuple[float, float]]) -> Sequence[str]:
    bare = statistics.median(before for before, _ in pairs) * 1000
    more = statistics.median(after - before for before, after in pairs) * 1000
    return f"{bare:.0f} ms", f"{more:+.1f} ms"


def _measured(folder: Path, tool: str, rounds: int) -> Mapping[str, Sequence[tuple[float, float]]]:
    """Return the seconds of each command of a tool, without us and below a run."""
    home, project = folder / "home", folder / "project"
    for path in (home, project):
        path.mkdir(parents=True)
    (project / "pyproject.toml").write_text(_PROJECT)
    (project / "Pipfile").write_text("[packages]\n")
    programs = _installed(folder, home, tool)
    own = clean_environment(home)
    bare = {**own, **_VARIABLES, "CACHEDINDEX_CACHE_DIR": str(folder / "cache"), "PATH": f"{programs}:{own['PATH']}"}
    with serving(folder) as index, _below_a_run({**bare, "UV_DEFAULT_INDEX": index.url}) as below:
        found: dict[str, Sequence[tuple[float, float]]] = {}
        for line in COMMANDS[tool]:
            # By a shell, which finds what a run puts on PATH.
            command = ["sh", "-c", f"{line} 2>&1; exit $?"]
            for environ in (bare, below):  # Compiles what has not been imported before.
                spent(command, environ, project)
            found |= compared(line, [_pair(command, bare, below, project) for _ in range(rounds)])
    return found


def _pair(
    command: Sequence[str], bare: Mapping[str, str], below: Mapping[str, str], project: Path
) -> tuple[Spent, Spent]:
    return spent(command, bare, project), spent(command, below, project)


def _installed(folder: Path, home: Path, tool: str) -> Path:
    """Return the folder of a tool's programs, in an environment of its own."""
    needed = NEWEST[tool].requirements if tool in NEWEST else (tool,)
    try:
        wheels = environments.fetch(CHECKOUT / ".bench", home, *needed)
    except NoNetwork as error:
        raise SystemExit(f"{tool} cannot be installed from this machine's index: {error}") from None
    return environments.make(folder / "environment", home, wheels, *needed).parent


@contextmanager
def _below_a_run(environ: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Give the variables that a command has below a run, while that lasts."""
    us = [str(Path(sys.executable).with_name("cachedindex")), "run", "--"]
    command = [*us, sys.executable, "-c", _SHOW]
    with subprocess.Popen(command, env=dict(environ), stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="starts without us and below a run")
    parser.add_argument("--tool", action="append", choices=COMMANDS, help="only this one; may be repeated")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
