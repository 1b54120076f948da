"""What `cachedindex run` says of package clients that ran below it and were not covered, and when it says nothing."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cachedindex.run.watch import Watch
from tests import index as faults
from tests.conftest import Ran, Run
from tests.index import Index

pytestmark = pytest.mark.skipif(not Watch.is_possible(), reason="SKIPPED FOR WANT OF /proc/PID/task/TID/children")

RUN = (sys.executable, "-m", "cachedindex", "run")
PIP = f"{sys.executable} -m pip install -q --no-cache-dir"
ALONE = f"{sys.executable} -I -m pip install -q --no-cache-dir --retries 0"
GET = f"{sys.executable} -m cachedindex get -o page"
NOTHING = "cachedindex: nothing was looked up through the cache; not covered: "
BASE = "`cachedindex hook install --base` covers it"


@pytest.fixture
def shell(run: Run, index: Index) -> Callable[..., Ran]:
    """Give a function that runs a line of a shell below us, with options of ours."""

    def shell(line: str, *options: str, **variables: str) -> Ran:
        settings = {"PIP_INDEX_URL": index.url, "CACHEDINDEX_INDEX_TTL": "0", "CACHEDINDEX_TIMEOUT": "1"}
        return run(*RUN, *options, "--", "sh", "-c", f"{line}\nexit $?", **{**settings, **variables})

    return shell


def test_an_uncovered_pip_in_an_outage(shell: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    line = f"{PIP} --target A epsilon && {ALONE} --target B epsilon"
    healthy = shell(line)
    assert (healthy.code, healthy.ours) == (0, []), "nothing failed"
    index.refuse()
    ran = shell(line, "--report", "report.json")
    assert ran.code == 1
    assert ran.ours[-1] == f"cachedindex: not covered: pip (below sh); {BASE}"
    assert "stale" in ran.ours[-2]
    (record,) = json.loads((tmp_path / "report.json").read_text())["runs"]
    assert record["not_covered"] == ["pip (below sh)"]
    covered = shell(f"{PIP} --target C epsilon; exit 3")
    assert covered.code == 3
    assert [line for line in covered.ours if "not covered" in line] == []


def test_a_run_in_which_nothing_took_part_says_so(shell: Callable[..., Ran], index: Index) -> None:
    assert shell(f"{ALONE} --target A epsilon").ours == [f"{NOTHING}pip (below sh); {BASE}"]
    index.refuse()
    ran = shell(f"env -i {PIP} --retries 0 --target B --index-url {index.url} epsilon")
    assert ran.ours == [f"{NOTHING}pip (below sh); {BASE}"]


def test_the_record_and_v_say_it_of_a_run_that_is_well(shell: Callable[..., Ran], run: Run) -> None:
    line = f"{PIP} --target A epsilon && {ALONE} --target B epsilon"
    assert shell(line, "-v").ours[-1] == f"cachedindex: not covered: pip (below sh); {BASE}"
    assert "\nnot covered: pip (below sh)\n" in run(*RUN[:-1], "report").out
    assert "not covered: pip (below sh)" in run(*RUN[:-1], "report", "--markdown").out


@pytest.fixture
def in_an_outage(shell: Callable[..., Ran], index: Index) -> Callable[[str], Ran]:
    """Give a function that runs something in an outage, below us and after something that is served stale."""
    get = f"{GET} {index.url}epsilon/"
    healthy = shell(get)
    assert (healthy.code, healthy.ours) == (0, [])
    index.refuse()

    def in_an_outage(line: str) -> Ran:
        ran = shell(f"{get} && {line}")
        assert ran.code not in (0, None)
        assert "served 1 page stale" in ran.ours[-2], ran.err
        return ran

    return in_an_outage


@pytest.mark.parametrize("before", ["env -i", "sudo -n", "env -u PYTHONPATH"])
def test_a_pip_without_its_variables_is_named_in_an_outage(
    in_an_outage: Callable[[str], Ran], index: Index, before: str
) -> None:
    program = before.partition(" ")[0]
    if not shutil.which(program):
        pytest.skip(f"SKIPPED FOR WANT OF {program}")
    ran = in_an_outage(f"{before} {PIP} --retries 0 --target B --index-url {index.url} epsilon")
    assert ran.ours[-1] == f"cachedindex: not covered: pip (below {program.replace('env', 'sh')}); {BASE}"


ELSEWHERE = {
    "docker run image pip install six": "pip (in a container); install the hook in the image",
    "docker build .": "docker build (in a container); install the hook in the image",
    "podman exec it python3 -m pip install six": "pip (in a container); install the hook in the image",
    "ssh host pip install six": "pip (on another host); use `cachedindex run` on that host",
    "conda install six": "conda (below sh); the channels of conda are never covered",
    "conda env update": "conda (below sh); the channels of conda are never covered",
    "mamba create --name x six": "mamba (below sh); the channels of conda are never covered",
    "micromamba install six": "micromamba (below sh); the channels of conda are never covered",
}


@pytest.mark.parametrize("client", ELSEWHERE)
def test_what_cannot_be_covered_here_is_named_in_an_outage(
    in_an_outage: Callable[[str], Ran], tmp_path: Path, client: str
) -> None:
    failing(tmp_path / client.partition(" ")[0])
    assert in_an_outage(f"./{client}").ours[-1] == f"cachedindex: not covered: {ELSEWHERE[client]}"


def failing(program: Path) -> None:
    """Make a program that takes a moment, and fails."""
    program.write_text(f"#!{sys.executable}\nimport sys, time; time.sleep(0.5); sys.exit(2)\n")
    program.chmod(0o755)


OLD = {
    "pip": "-m pip install -q --retries 0 --target B epsilon",
    "buildout": "-c 'import sys; sys.path.insert(0, \"site\"); import zc.buildout.buildout; sys.exit(2)'",
}


@pytest.fixture
def old_python() -> Path:
    """Give a Python that is not covered."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    old = sorted(pyenv.glob("3.[89].*/bin/python")) if pyenv.is_dir() else []
    if not old:
        pytest.skip("SKIPPED FOR WANT OF A PYTHON 3.8 or 3.9")
    return old[-1]


@pytest.mark.parametrize("client", OLD)
def test_a_client_on_an_old_python_is_named_in_an_outage(
    in_an_outage: Callable[[str], Ran], old_python: Path, tmp_path: Path, client: str
) -> None:
    package = tmp_path / "site/zc/buildout"
    package.mkdir(parents=True)
    for path in (package.parent / "__init__.py", package / "__init__.py", package / "buildout.py"):
        path.touch()
    ran = in_an_outage(f"{old_python} {OLD[client]}")
    version = ".".join(old_python.parts[-3].split(".")[:2])
    assert ran.ours[-1] == f"cachedindex: not covered: {client} (on Python {version}); use Python 3.10 or newer"


@pytest.mark.parametrize("words", ["list", "--version", "freeze", "config list"])
def test_an_old_pip_that_asks_nothing_is_left_alone(shell: Callable[..., Ran], old_python: Path, words: str) -> None:
    assert shell(f"{old_python} -m pip {words}", "-v").ours == []


def test_a_failure_that_is_no_indexs_names_nobody(shell: Callable[..., Ran]) -> None:
    ran = shell(f"{PIP} --target A epsilon && {ALONE} --target B epsilon; exit 5")
    assert (ran.code, ran.ours) == (5, [])


def test_the_command_itself_is_covered_whatever_its_python_ignores(run: Run, index: Index) -> None:
    command = (*ALONE.split(), "--index-url", index.url, "--target")
    assert run(*RUN, "--", *command, "A", "epsilon").ours == []
    index.fault(faults.status(503))
    ran = run(*RUN, "--index-ttl", "0", "--", *command, "B", "epsilon")
    assert ran.code == 0, ran.err
    assert "stale" in ran.ours[-1]


@pytest.mark.parametrize(
    ("client", "name"),
    [("poetry lock", "poetry (below sh)"), ("uv sync", "uv (below sh)"), ("conda install six", "conda"),
     ("docker run image pip install six", "pip (in a container)"), ("pip install six", "pip (below sh)")],
)  # fmt: skip
def test_a_client_is_known_by_its_words(shell: Callable[..., Ran], tmp_path: Path, client: str, name: str) -> None:
    """What the program does is of no importance."""
    failing(tmp_path / client.partition(" ")[0])
    ran = shell(f"env -i ./{client}")
    assert ran.code == 2
    (line,) = ran.ours
    assert line.startswith(f"{NOTHING}{name}")


ORDINARY = (
    r"""
true|false|make -f m all|make -f m -j4 all|git --version|git init g|git -C g status|sh -c 'exit 3'|sh s.sh|./s.sh
env|env -i env|python -c pass|python -I -c pass|python -m this|python -m venv --without-pip v|python -m compileall x.py
python -m json.tool j|python -m pip --version|python -I -m pip --version|pip --version|pip list|pip freeze|pip check
pip help|pip config list|pip cache dir|pip show pip|pip install --help|pip install --bogus|pip install
pip download --no-index six|python -I -m pip list|python -m pip uninstall -y six|pip debug|python -m unittest x
pytest --version|pytest x.py|ruff --version|mypy --version|python -m sysconfig|python x.py|python no-such.py
sleep 0.2|cat m|ls -l|tar cf t m|grep pip m|xargs -n1 echo pip install|find . -name pip|cachedindex status
cachedindex --version|cachedindex run -- true|nice true|timeout 5 true|python -c 'import os; os.fork(); print(1)'
docker version|docker ps|node --version|npm --version|uv --version|uv cache dir|tox --version|conda list|curl --version
python -c 'import subprocess, sys; subprocess.run([sys.executable, "-I", "-m", "pip", "install", "--bogus"], env={})'
""".replace("\n", "|")
    .strip("|")
    .split("|")
)


@pytest.mark.slow
def test_an_ordinary_run_is_no_alarm(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m").write_text("all: a b\na b:\n\t@sleep 0.1; echo pip install $@\n")
    (tmp_path / "s.sh").write_text("#!/bin/sh\necho pip; sleep 0.1; python -c pass; exit 1\n")
    (tmp_path / "s.sh").chmod(0o755)
    (tmp_path / "x.py").write_text("def test_pip(): pass\n")
    (tmp_path / "j").write_text("{}")
    path = f"{Path(sys.executable).parent}:{Path('/usr/bin')}:/bin"
    assert len(ORDINARY) > 50
    for line in ORDINARY:
        ran = run(*RUN, "-v", "--", *shlex.split(line), PATH=path)
        assert [said for said in ran.ours if "not covered" in said] == [], line
