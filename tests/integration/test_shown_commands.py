"""Each command that the documentation shows can be run as it stands there, page by page.

What it shows is changed in one way only: places of a host become places below the test's folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.index import Index, serving
from tests.objects import Objects

DOCS = CHECKOUT / "docs"
COMMAND_LINE = DOCS / "reference/command-line.md"
PAGES = [CHECKOUT / "README.md", *sorted(DOCS.glob("tutorial/*.md")), *sorted(DOCS.glob("how-to/*.md")), COMMAND_LINE]
TOOLS = ("tox", "pip-tools", "uv", "requests", "zc.buildout", "obstore", "pip==26.3")
PROGRAMS = {
    "cachedindex", "pip", "python", "python3", "buildout", "sh", "install", "export", "mkdir", "cd", "ls", "rm", "grep",
    "echo", "for", "uv", "tox",
}  # fmt: skip
MEANT_TO_FAIL = {"https_proxy=http://127.0.0.1:9 env/bin/buildout"}
NOT_RUN = {
    r"python3 tasks\.py demo": "it takes the network, and minutes",
    r"python3 tasks\.py test": "it is what runs this",
    r"cachedindex run -- (?:pdm|pipenv|poetry) .*": "the tests of these tools do, in environments of their own",
}
PROJECT = {
    "requirements.txt": "six\n",
    "requirements.in": "six\n",
    "constraints.txt": "",
    "nodes.txt": "one\ntwo\n",
    "tox.ini": "[tox]\nskipsdist = true\n[testenv]\ndeps = six\ncommands = python -c 'import six'\n",
    "pyproject.toml": "[project]\nname = 'own'\nversion = '1'\nrequires-python = '>=3.10'\ndependencies = ['six']\n",
    "buildout.cfg": "[buildout]\nparts = py\n[py]\nrecipe = zc.recipe.egg\neggs = six\n",
}
"""What the documentation takes for granted in the folder that its commands are called in."""
STANDS_FOR = {
    "ssh": 'shift; exec "$@"',
    "sudo": 'exec "$@"',
}
"""Programs that leave the host or change the user; here, they call their command."""

_SET = re.compile(r"^(?:[A-Z_a-z]+=(?:\"[^\"]*\"|[^\s\"]*)\s+)*")
"""The variables before a command."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def blocks(page: Path) -> Iterator[str]:
    """Yield the blocks of code, continued lines joined."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    for block in re.findall(r"(?:^ {4,}\S.*\n|^\n(?= {4}))+", text, re.MULTILINE):
        yield textwrap.dedent(block).strip("\n")


def command(line: str) -> str | None:
    """Return the command of a line of code: of a shell, a Dockerfile, a pipeline or a workflow; None if it has none."""
    if shown := re.fullmatch(r"\s*(?:sh '(.*)'|RUN (?:--mount\S+ )?(.*)|- (?:run: )?(.*))", line):
        line = next(group for group in shown.groups() if group is not None)
    words = _SET.sub("", line.strip()).split()
    is_one = bool(words) and Path(words[0]).name in PROGRAMS and not line.startswith(("install =", "cachedindex:"))
    return line.strip() if is_one else None


def steps(page: Path) -> Iterator[str]:
    """Yield what a page says to do: its commands, and for a tutorial the files that it says to write."""
    for block in blocks(page):
        if page.parent.name == "tutorial" and block.startswith("[buildout]"):
            yield f"write-buildout <<'END'\n{block}\nEND"
        for found in filter(None, map(command, block.splitlines())):
            yield f"! {found}" if found in MEANT_TO_FAIL else found


@each_page
def test_no_command_is_left_out(page: Path) -> None:
    found = "\n".join(steps(page))
    for block in blocks(page):
        for line in block.splitlines():
            if re.search(r"(?:^|bin/|[ '])cachedindex (?:run|[a-z]+)\b", line) and "docker run" not in line:
                assert line.strip() in found or command(line) in found.splitlines(), line


class Reader:
    """Somebody who does what a page says, on a host of their own."""

    def __init__(self, folder: Path, index: Index, tools: Path, wheel: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._index, self._wheel = folder, index, wheel
        self._project = folder / "project"
        programs = folder / "programs"
        for path in (self._project, programs, folder / "root"):
            path.mkdir()
        for name, text in PROJECT.items():
            (self._project / name).write_text(text)
        for name, text in STANDS_FOR.items():
            self._program(programs / name, f"#!/bin/sh\n{text}\n")
        self._program(programs / "write-buildout", f"#!{tools}/python\n{_MERGE}")
        home = Path(environment["HOME"])
        (home / ".buildout").mkdir()
        (home / ".buildout/default.cfg").write_text(f"[buildout]\nindex = {index.url}\n")
        self.environment = {
            **environment,
            "PATH": f"{programs}:{tools}:{os.environ['PATH']}",
            "PIP_INDEX_URL": index.url,
            "UV_DEFAULT_INDEX": index.url,
            "UV_PYTHON_DOWNLOADS": "never",
            "JOB_NAME": "folder/nightly",
            "USER_NAME": "user",
            "PASSWORD": "secret",
            "NO_PROXY": "",
            "no_proxy": "",
            # Where a reader that is no tutorial's has the folder.
            "CACHEDINDEX_CACHE_DIR": str(folder / "root/var/cache/cachedindex"),
        }

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def adapted(self, step: str) -> str:
        """Return a step with the places of this reader's host."""
        for pattern, here in (
            (r'"?/path/to/(?:this/)?checkout(\[[\w,]+\])?"?', rf'"{self._wheel}\1"'),
            (r"https://s3\.example", self.environment.get("STORE", "")),
            (r"/usr/bin/python3", "env/bin/python"),
            (r"(?<![\w.])(?=/(?:opt|var|etc)/)", f"{self._folder}/root"),
            (r"/tmp/bundle", "bundle"),
            (r"-g (?:ci|jenkins)\b", f"-g {os.getgid()}"),
            (r"HTTPS_PROXY=|https_proxy=", "http_proxy="),
            (r"https://(\$USER_NAME:\$PASSWORD@)?index\.example/simple/", self._index.url.replace("://", r"://\g<1>")),
            # The interpreter of the environment is the machine's; tests of the hook have a copy of it.
            (r" ?\[?--base\]?", ""),
            # So is that of the tools, and other tests have it as well.
            (r"(?<![\w/])pip install -r", "pip install --upgrade --target installed -r"),
            (r"\bPY\b|~/\S+/bin/python", "env/bin/python"),
            (r"(hook (?:install|remove|status))(?! --python)", r"\1 --python env/bin/python"),
            (r"\bpip-sync$", "pip-sync --python-executable env/bin/python"),
        ):
            step = re.sub(pattern, here, step)
        return step

    def does(self, *steps: str) -> str:
        """Do it all in one shell, and return what was said; stop at what fails."""
        script = "set -ex\n" + "\n".join(map(self.adapted, steps))
        process = subprocess.run(
            ["bash", "-c", script], env=self.environment, cwd=self._project, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert process.returncode == 0, process.stdout[-3000:]
        return process.stdout


_MERGE = """
import sys
from configparser import RawConfigParser
both = RawConfigParser()
both.optionxform = str
both.read("buildout.cfg")
both.read_string(sys.stdin.read())
with open("buildout.cfg", "w") as file:
    both.write(file)
"""


@pytest.fixture
def offered(wheelhouse: Callable[..., Path], our_wheel: Path, tmp_path: Path) -> Iterator[Index]:
    """Give an index with what the documentation installs."""
    folder = tmp_path / "offered"
    folder.mkdir()
    for wanted in (TOOLS, ("six==1.16.0",), ("six==1.17.0",), ("docopt==0.6.2",), ("zc.recipe.egg",)):
        for path in wheelhouse(*wanted).glob("*.whl"):
            shutil.copy(path, folder)
    shutil.copy(our_wheel, folder)
    with serving(folder) as index:
        yield index


@pytest.fixture
def reader(
    tmp_path: Path, offered: Index, python_with: Callable[..., Path], our_wheel: Path, environment: Mapping[str, str]
) -> Reader:
    tools = python_with(*TOOLS, ours=True).parent
    return Reader(tmp_path, offered, tools, our_wheel, environment)


def begun(text: str) -> Iterator[str]:
    """Yield how a page that is no tutorial finds its reader's host: with an environment, and a cache that is in use."""
    yield "python3 -m venv env"
    yield "install -d -m 2775 /var/cache/cachedindex"
    if "/opt/cachedindex" in text and "-m venv /opt/cachedindex" not in text:
        yield "python3 -m venv /opt/cachedindex && /opt/cachedindex/bin/pip install -q cachedindex"
    install = "cachedindex run -- pip install -r requirements.txt"
    yield from (f"JOB_NAME={job} {install}" for job in re.findall(r"^ .*--job (\S+)$", text, re.MULTILINE) or ["one"])


@pytest.mark.slow
@each_page
def test_a_reader_can_do_what_a_page_says(page: Path, reader: Reader, request: pytest.FixtureRequest) -> None:
    if page.stem == "object-store":
        store: Objects = request.getfixturevalue("objects")
        store.prefix = "cachedindex"
        reader.environment |= {"STORE": store.endpoint, "AWS_ALLOW_HTTP": "true"}
    todo = [step for step in steps(page) if not any(re.fullmatch(pattern, _SET.sub("", step)) for pattern in NOT_RUN)]
    if not todo:
        pytest.skip("it shows no command")
    if page.parent.name != "tutorial":
        reader.does(*begun(page.read_text("utf-8")))
    said = reader.does(*todo)
    assert "Traceback" not in said, said
    if re.search(r"^ +cachedindex: served .* stale", page.read_text("utf-8"), re.MULTILINE) and "http_proxy" in said:
        assert re.search(r"^cachedindex: served .* stale", said, re.MULTILINE), said
