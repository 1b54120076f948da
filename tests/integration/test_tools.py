"""poetry, pdm and pipenv, each covered release as a job runs it: lock and install, online and with a dead index."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests import index as faults
from tests.conftest import Ran, Run
from tests.index import Index
from tests.outages import DEAD, outage, without_times
from tests.tools import INSIDES, NEWEST, TOOLS, Tool

CACHEDINDEX = (sys.executable, "-m", "cachedindex", "run", "--")
each_tool = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: f"{tool.name}-{tool.release}")
each_newest = pytest.mark.parametrize("tool", NEWEST.values(), ids=str)


class Job:
    """A job on a node of its own: a home with no cache of the tool's, and a checkout of the project."""

    def __init__(self, tool: Tool, command: Sequence[object], run: Run, folder: Path, url: str) -> None:
        self._tool = tool
        self._command = command
        self._run = run
        self.checkout = folder / "checkout"
        self._home = folder / "home"
        self.checkout.mkdir(parents=True)
        self._home.mkdir()
        (self.checkout / tool.file).write_text(tool.project.format(index=url))

    def __call__(self, words: Sequence[str], **variables: str) -> Ran:
        named = {"HOME": str(self._home), "XDG_CACHE_HOME": str(self._home / "cache"), **self._tool.variables}
        return self._run(*self._command, *words, cwd=self.checkout, **named, **variables)

    @property
    def lock_file(self) -> bytes:
        return (self.checkout / self._tool.lock_file).read_bytes()

    @property
    def installed(self) -> list[str]:
        """The distributions in the environment that the tool made."""
        found = [*self.checkout.parent.rglob("site-packages/*.dist-info")]
        return sorted(path.name for path in found if re.match("alpha|beta|gamma|delta|epsilon|source", path.name))


@pytest.fixture
def job(python_with: Callable[..., Path], run: Run, index: Index, tmp_path: Path) -> Callable[..., Job]:
    """Give a function that begins a job of a tool, covered or bare."""

    def job(name: str, tool: Tool, *, covered: bool = True, url: str = index.url) -> Job:
        command = python_with(*tool.requirements).with_name(tool.name)
        return Job(tool, [*(CACHEDINDEX if covered else ()), command], run, tmp_path / name, url)

    return job


@pytest.mark.slow
@each_tool
def test_a_lock_file_and_an_environment(job: Callable[..., Job], index: Index, tmp_path: Path, tool: Tool) -> None:
    """The newest release of each tool meets all outages; what another one would see in them is the same edge."""
    bare = job("bare", tool, covered=False)
    locked, installed = bare(tool.lock), bare(tool.install)
    assert (locked.code, installed.code) == (0, 0), locked.err + installed.err
    asked = len(index.seen)
    warm = job("warm", tool)
    for words, ran in ((tool.lock, locked), (tool.install, installed)):
        same = warm(words)
        assert (same.code, same.ours) == (0, []), same.err
        assert without_times(same.out + same.err) == without_times(ran.out + ran.err)
    assert warm.lock_file == bare.lock_file
    assert len(index.seen) - asked <= asked
    assert bare.installed == warm.installed != []

    for name in DEAD if tool in NEWEST.values() else ["refused"]:
        dead = job(name, tool)
        with outage(index, name, tmp_path / "cache", tmp_path / "nodes") as variables:
            for words in (tool.lock, tool.install):
                ran = dead(words, **variables)
                assert ran.code == 0, f"{name}: {ran.out}{ran.err}"
                assert index.origin in ran.ours[-1]
                assert len(ran.ours) == 1
        assert dead.lock_file == warm.lock_file
        assert dead.installed == warm.installed


@pytest.mark.slow
@pytest.mark.parametrize("tool", [NEWEST["pdm"], NEWEST["poetry"]], ids=lambda tool: tool.name)
def test_a_password_is_its_owners(job: Callable[..., Job], index: Index, tmp_path: Path, tool: Tool) -> None:
    user, password = tool.user or "INDEX_USER", tool.password or "INDEX_PASSWORD"
    url = index.url if tool.user else index.url.replace("http://", f"http://${{{user}}}:${{{password}}}@")
    me, somebody = {user: "me", password: "secret"}, {user: "me", password: "guessed"}
    index.fault(faults.unless("authorization", f"Basic {base64.b64encode(b'me:secret').decode()}"))
    first = job("first", tool, url=url)
    ran = first(tool.lock, **me)
    assert ran.code == 0, ran.out + ran.err
    assert not [*(tmp_path / "cache/records-v1").rglob("*alpha*")], "it is nobody else's"

    for name, who in (("same", me), ("other", somebody)):
        again = job(name, tool, url=url)
        with outage(index, "503", tmp_path / "cache", tmp_path / "nodes" / name) as variables:
            ran = again(tool.lock, **who, **variables)
        assert (ran.code == 0) == (who is me), ran.out + ran.err
        if who is me:
            assert again.lock_file == first.lock_file
            assert b"secret" not in again.lock_file


@pytest.fixture
def moved(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Give a function that makes a release of a tool whose inside is empty, and returns the variables to find it."""

    def moved(module: str) -> dict[str, str]:
        path = tmp_path / "site" / f"{module.replace('.', '/')}.py"
        path.parent.mkdir(parents=True)
        for folder in [path.parent, *path.parent.parents][: module.count(".")]:
            (folder / "__init__.py").touch()
        path.touch()
        return {"PYTHONPATH": str(tmp_path / "site")}

    return moved


@pytest.mark.parametrize(("client", "module"), INSIDES.items(), ids=str)
def test_a_tool_whose_inside_has_moved_goes_on_without_the_cache(
    run: Run, moved: Callable[[str], dict[str, str]], client: str, module: str
) -> None:
    program = (sys.executable, "-c", f"import {module}; print('it goes on')")
    variables = moved(module)
    ran = run(*CACHEDINDEX, *program, **variables)
    assert (ran.code, ran.out) == (0, "it goes on\n"), ran.err
    why = f"cachedindex: this {client} keeps its sessions elsewhere"
    assert ran.ours == [f"{why}; it continues without the cache"]
    refused = run(*CACHEDINDEX, *program, CACHEDINDEX_OFFLINE="true", **variables)
    assert (refused.code, refused.out) == (2, "")
    assert refused.ours == [f"{why}: it could reach the network without cachedindex, which offline = true forbids"]


def test_a_pipenv_that_looks_nothing_up_does_without_the_cache(
    run: Run, moved: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    """Every command of pipenv imports its pip's sessions and finder; the first finder that is made has the cache."""
    variables = moved(INSIDES["pipenv"])
    inside = tmp_path / "site/pipenv/patched/pip/_internal"
    (inside / "network/session.py").write_text("class PipSession:\n    def get_adapter(self, url): ...\n")
    (inside / "index").mkdir()
    (inside / "index/package_finder.py").write_text(
        "class PackageFinder:\n    def find_all_candidates(self): ...\n    def find_best_candidate(self): ...\n"
    )
    program = (
        "import sys; from pipenv.patched.pip._internal.network import session\n"
        "from pipenv.patched.pip._internal.index.package_finder import PackageFinder\n"
        "def loaded(): return 'cachedindex.lookup.cache' in sys.modules\n"
        "print(loaded()); PackageFinder(); print(loaded(), hasattr(PackageFinder, 'cachedindex_forget'))\n"
    )
    ran = run(*CACHEDINDEX, sys.executable, "-c", program, **variables)
    assert (ran.out, ran.ours) == ("False\nTrue True\n", []), ran.err
