"""`cachedindex warm`: afterwards a build survives an outage on a new node, which has asked for nothing itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tests import packages
from tests.conftest import BUILDOUT, Ran, Run
from tests.index import Index, hang, sha256

OURS = (sys.executable, "-m", "cachedindex")
PIP = (*OURS, "run", "--", sys.executable, "-m", "pip", "install", "-q", "--no-cache-dir", "--target")
Command = Callable[..., Ran]


@pytest.fixture
def warm(run: Run, index: Index, tmp_path: Path) -> Command:
    (tmp_path / "tmp").mkdir()

    def warm(*words: object, **variables: str) -> Ran:
        settings = {"PIP_INDEX_URL": index.url, "TMPDIR": str(tmp_path / "tmp"), "PIP_RETRIES": "0"}
        ran = run(*OURS, "warm", *words, **settings, **variables)
        assert list((tmp_path / "tmp").iterdir()) == [], "it left something"
        return ran

    return warm


@pytest.fixture
def install_in_an_outage(run: Run, index: Index, tmp_path: Path) -> Command:
    def install(*words: object) -> Ran:
        index.refuse()
        folder = tmp_path / f"target-{len(list(tmp_path.glob('target-*')))}"
        ran = run(*PIP, folder, *words, PIP_INDEX_URL=index.url, PIP_RETRIES="0")
        index.heal()
        ran.out += " ".join(sorted(path.name.partition("-")[0] for path in folder.glob("*.dist-info")))
        return ran

    return install


def test_requirements_with_includes_constraints_extras_and_an_sdist(
    warm: Command, install_in_an_outage: Command, distributions: Path, index: Index, tmp_path: Path
) -> None:
    packages.add_wheel(distributions, "wide", "1.0", ('delta; extra == "many"\nProvides-Extra: many',))
    packages.add_wheel(distributions, "wide", "1.1", ('delta; extra == "many"\nProvides-Extra: many',))
    (tmp_path / "requirements.txt").write_text("-r more.txt\n-c constraints.txt\nwide[many]\n")
    (tmp_path / "more.txt").write_text("source  # built from an sdist, by a backend of the index\n")
    (tmp_path / "constraints.txt").write_text("wide==1.0\n")
    ran = warm("gamma", "-r", "requirements.txt")
    assert ran.code == 0, ran.out
    assert "pages and " in ran.out
    ran = install_in_an_outage("gamma", "-r", tmp_path / "requirements.txt")
    assert (ran.code, ran.out) == (0, "delta epsilon gamma source wide"), ran.err
    index.seen.clear()
    ran = warm("gamma", "-r", "requirements.txt")
    assert ran.out.endswith(" files are stored, 0 of them new\n")
    assert not [seen for seen in index.seen if "/files/" in seen.path]


def test_hashes_and_a_file_by_its_name_alone(
    warm: Command, install_in_an_outage: Command, distributions: Path, tmp_path: Path
) -> None:
    digest = sha256(distributions / "epsilon-1.0-py3-none-any.whl")
    (tmp_path / "hashed.txt").write_text(f"epsilon==1.0 --hash=sha256:{digest}\n")
    assert warm("hashed.txt").code == 0
    assert install_in_an_outage("-r", tmp_path / "hashed.txt").code == 0


@pytest.mark.parametrize("platform", [(), ("--platform", "win_amd64")], ids=["", "for another platform"])
@pytest.mark.parametrize("pip", ["newest", "old"])
def test_lock_files(
    warm: Command,
    install_in_an_outage: Command,
    python_with: Callable[..., Path],
    distributions: Path,
    index: Index,
    tmp_path: Path,
    platform: Sequence[str],
    pip: str,
) -> None:
    """The newest pip reads them, but not for another platform, and asks for the files by the URLs that are in them."""
    text = 'lock-version = "1.0"\ncreated-by = "tests"\n'
    for name in ("delta-1.0-py3-none-any.whl", "epsilon-1.0-py3-none-any.whl"):
        text += f'[[packages]]\nname = "{name.partition("-")[0]}"\nversion = "1.0"\n[[packages.wheels]]\n'
        text += f'url = "{index.origin}/files/{name}"\nhashes = {{sha256 = "{sha256(distributions / name)}"}}\n'
    text += '[[packages]]\nname = "source"\nversion = "2.0"\n[packages.sdist]\n'
    text += f'url = "{index.origin}/files/source-2.0.tar.gz"\n'
    text += f'hashes = {{sha256 = "{sha256(distributions / "source-2.0.tar.gz")}"}}\n'
    head, *locked = text.split("[[packages]]\n")
    for name, some in (("pylock.toml", locked[:2]), ("more/pylock.toml", locked[2:])):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("[[packages]]\n".join([head, *some]))
    path = f"{python_with('pip==26.3' if pip == 'newest' else 'pip==25.3').parent}{os.pathsep}{os.environ['PATH']}"
    ran = warm("-r", "pylock.toml", "-r", "more/pylock.toml", *platform, PATH=path)
    assert ran.code == 0, ran.out
    for name, expected in (("pylock.toml", "delta epsilon"), ("more/pylock.toml", "source")):
        ran = install_in_an_outage("-r", tmp_path / name)
        assert (ran.code, ran.out) == (0, expected), ran.err


def test_for_another_python_and_platform(
    warm: Command, distributions: Path, index: Index, environment: Mapping[str, str]
) -> None:
    plain = packages.add_wheel(distributions, "native", "1.0")
    for tag in ("cp312-cp312-manylinux2014_x86_64", "cp39-cp39-win_amd64"):
        plain.with_name(f"native-1.0-{tag}.whl").write_bytes(plain.read_bytes())
    plain.unlink()
    words = ("--platform", "manylinux2014_x86_64", "--platform", "win_amd64", "--python", "3.12", "--python", "3.9")
    ran = warm("native", *words, "-j", "2", PATH="/usr/bin:/bin")
    names = {seen.path.rpartition("/")[2] for seen in index.seen if seen.path.endswith(".whl")}
    assert names == {"native-1.0-cp312-cp312-manylinux2014_x86_64.whl", "native-1.0-cp39-cp39-win_amd64.whl"}
    assert ran.code == 1  # There is none for the other two.
    assert "native (wheels only) for Python 3.12 on win_amd64: " in ran.out
    assert "native (wheels only) for Python 3.9 on manylinux2014_x86_64: " in ran.out


def test_an_interpreter(warm: Command, install_in_an_outage: Command, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    assert warm("source", "--python", tmp_path / "venv/bin/python").code == 0
    assert install_in_an_outage("source").code == 0


def test_a_buildout(
    warm: Command, run: Run, index: Index, python: Path, recipe: str, environment: Mapping[str, str], tmp_path: Path
) -> None:
    for name in ("online", "dead"):
        (tmp_path / name).mkdir()
        text = BUILDOUT.format(extensions="", index=index.url, recipe=recipe, options="")
        (tmp_path / name / "buildout.cfg").write_text(text)
    ran = warm("-r", "online/buildout.cfg", PATH=f"{python.parent}:{os.environ['PATH']}")
    assert ran.code == 0, ran.out
    assert [path.name for path in (tmp_path / "online").iterdir()] == ["buildout.cfg"]
    index.refuse()
    settings = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0"}
    ran = run(*OURS, "run", "--", python.with_name("buildout"), cwd=tmp_path / "dead", **settings)
    assert ran.code == 0, ran.err
    assert (tmp_path / "dead/bin/py").exists()


def test_what_could_not_be_had_is_said_with_the_reason(warm: Command, index: Index) -> None:
    ran = warm("alpha", "nowhere")
    assert ran.code == 1
    assert "nowhere: pip ended with 1\n" in ran.out
    assert "ERROR: No matching distribution found for nowhere" in ran.out
    index.fault(lambda handler: handler.reply(500, {}, b"") or False, r"gamma-1.0-py3-none-any.whl$")
    ran = warm("alpha")
    assert ran.code == 1
    assert f"could not get file {index.origin}/files/gamma-1.0-py3-none-any.whl: " in ran.out


def test_an_index_that_is_down_is_said(warm: Command, index: Index) -> None:
    assert warm("epsilon").code == 0
    index.refuse()
    ran = warm("epsilon", "alpha", CACHEDINDEX_INDEX_TTL="0")
    assert ran.code == 1
    assert f"could not get page {index.url}alpha/: " in ran.out


@pytest.mark.parametrize(
    "words", [(), ("-r", "nowhere.txt"), ("six", "--python", "nowhere/python"), ("six", "-j", "x")]
)
def test_what_names_nothing_is_refused(warm: Command, words: tuple[str, ...]) -> None:
    assert warm(*words).code == 2


def test_nothing_is_asked_offline_or_without_a_folder(warm: Command, index: Index) -> None:
    for settings in ({"CACHEDINDEX_OFFLINE": "true"}, {"CACHEDINDEX_DISABLE": "1"}, {"CACHEDINDEX_READ_ONLY": "1"}):
        assert warm("epsilon", **settings).code == 2
    assert index.seen == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_can_be_cut_and_goes_on_the_next_time(
    warm: Command, index: Index, environment: Mapping[str, str], tmp_path: Path, number: int
) -> None:
    index.fault(hang, r"delta-1.0-py3-none-any.whl$")
    settings = {"PIP_INDEX_URL": index.url, "TMPDIR": str(tmp_path / "tmp")}
    process = subprocess.Popen([*OURS, "warm", "gamma", "epsilon"], env={**environment, **settings}, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not any("delta-1.0" in seen.path for seen in index.seen) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(20) == -signal.SIGINT
    assert list((tmp_path / "tmp").iterdir()) == []
    index.heal()
    index.seen.clear()
    assert warm("gamma", "epsilon").code == 0
    assert "/files/delta-1.0-py3-none-any.whl" in [seen.path for seen in index.seen]


def test_what_an_index_forbids_to_store_is_said(warm: Command, index: Index) -> None:
    index.headers["Cache-Control"] = "no-store"
    ran = warm("epsilon")
    assert ran.code == 1
    assert f"not stored: page {index.url}epsilon/: the index forbids to store it" in ran.out


def test_an_extra_index_that_lacks_a_project_is_no_problem(warm: Command, index: Index) -> None:
    ran = warm("epsilon", PIP_EXTRA_INDEX_URL=f"{index.origin}/simple/other/")
    assert (ran.code, ran.out) == (0, "1 pages and 2 files are stored, 3 of them new\n")


def test_export_of_requirements_takes_what_they_need_and_nothing_else(
    warm: Command, run: Run, index: Index, tmp_path: Path
) -> None:
    assert warm("alpha", "source").code == 0
    (tmp_path / "requirements.txt").write_text("delta\nsource\n")
    index.seen.clear()
    settings = {"PIP_INDEX_URL": index.url}
    assert run(*OURS, "export", "bundle.tar", "-r", "requirements.txt", **settings).code == 0
    assert index.seen == []
    names = subprocess.run(["tar", "tf", "bundle.tar"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert all(name in names for name in ("/delta/", "/delta-1.0", "/epsilon-1.0", "/source-2.0", "/tinybackend-1.0"))
    assert "/alpha/" not in names
    other = {"CACHEDINDEX_CACHE_DIR": str(tmp_path / "other"), **settings}
    assert run(*OURS, "import", "bundle.tar", **other).code == 0
    index.refuse()
    assert run(*PIP, tmp_path / "target", "-r", "requirements.txt", **other, CACHEDINDEX_OFFLINE="true").code == 0


def test_export_of_requirements_of_which_something_is_missing_writes_nothing(
    warm: Command, run: Run, index: Index, tmp_path: Path
) -> None:
    assert warm("delta").code == 0
    (tmp_path / "requirements.txt").write_text("alpha\n")
    ran = run(*OURS, "export", "bundle.tar", "-r", "requirements.txt", PIP_INDEX_URL=index.url)
    assert ran.code == 1
    assert f"missing: page {index.url}alpha/" in ran.out
    assert not (tmp_path / "bundle.tar").exists()


def test_a_parent_that_ignores_its_children_hides_no_failure(run: Run, index: Index) -> None:
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    ran = run(sys.executable, "-c", ignoring, *OURS, "warm", "nowhere", PIP_INDEX_URL=index.url)
    assert ran.code == 1, ran.out + ran.err
    assert "No matching distribution found for nowhere" in ran.out
