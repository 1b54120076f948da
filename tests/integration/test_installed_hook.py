"""`cachedindex hook`: what it leaves in an environment, what that costs, and that it cannot break one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cachedindex.errors import SettingsError
from cachedindex.run import installation
from cachedindex.run.environment import HOOK
from cachedindex.run.installation import Place
from tests import environments
from tests.conftest import Ran, Run
from tests.environments import CHECKOUT, clean_environment
from tests.index import Index

CACHEDINDEX = (sys.executable, "-m", "cachedindex")
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
IS_ON = "import sys; print('_cachedindex_hook' in sys.modules)"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    return folder


@pytest.fixture
def site(made: Path) -> Iterator[Path]:
    """Give the site-packages of an environment that has a pip, and no hook before and after the test."""
    folder = next((made / "lib").glob("*/site-packages"))
    yield folder
    for path in [*folder.glob("_cachedindex_start.*"), *folder.glob("__pycache__/_cachedindex_start.*")]:
        path.unlink()


@pytest.fixture
def python(made: Path, site: Path) -> Path:
    return made / "bin/python"


@pytest.fixture
def hook(run: Run, python: Path) -> Callable[..., Ran]:
    """Give a function that runs `cachedindex hook` for the environment."""

    def hook(action: str, *options: object, **variables: str) -> Ran:
        return run(*CACHEDINDEX, "hook", action, "--python", python, *options, **variables)

    return hook


def content(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


def install(run: Run, python: Path, index: Index, target: str, *requirements: str, **variables: str) -> Ran:
    """Install with nothing but the environment's own pip."""
    command = (python, "-I", "-m", "pip", "install", "-q", "--target", target, *requirements)
    return run(*command, PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1", **variables)


def test_it_leaves_an_environment_as_it_was(hook: Callable[..., Ran], python: Path) -> None:
    before = content(python.parent.parent)
    assert hook("install").code == 0
    assert hook("install").code == 0, "a second time, as after an upgrade"
    assert content(python.parent.parent) != before
    assert hook("remove").code == 0
    assert content(python.parent.parent) == before
    assert hook("remove").out.startswith("the hook was not in ")


def test_a_python_that_starts_imports_the_hook_and_nothing_else(
    run: Run, hook: Callable[..., Ran], python: Path, site: Path
) -> None:
    code = "import sys; print(sorted(sys.modules)); print(sys.path)"
    without = run(python, "-c", code).out.splitlines()
    assert hook("install", PYTHONDONTWRITEBYTECODE="1").code == 0
    with_hook = run(python, "-c", code).out.splitlines()
    added = set(eval(with_hook[0])) - set(eval(without[0]))
    # site of Python 3.13 and later reads each `.pth` file by it.
    assert added - {"encodings.utf_8_sig"} == {"_cachedindex_hook", "_cachedindex_start"}
    assert with_hook[1] == without[1]
    assert run(python, "-I", "-S", "-c", IS_ON).out == "False\n"
    compiled = {path.name.partition(".")[0] for path in (site / "__pycache__").iterdir()}
    assert "_cachedindex_start" in compiled, "also where PYTHONDONTWRITEBYTECODE is set"


def test_pips_list_is_as_it_was(run: Run, hook: Callable[..., Ran], python: Path) -> None:
    before = run(python, "-m", "pip", "list")
    assert hook("install").code == 0
    assert run(python, "-m", "pip", "list").out == before.out


def test_a_pip_on_its_own_survives_an_outage_and_says_so(
    run: Run, hook: Callable[..., Ran], python: Path, index: Index, tmp_path: Path
) -> None:
    assert hook("install").code == 0
    assert install(run, python, index, "A", "alpha", "source").code == 0
    index.close()
    second = install(run, python, index, "B", "alpha", "source", TMPDIR=str(tmp_path), **EXPIRED)
    assert second.code == 0, second.err
    (line,) = second.ours
    assert "served 7 pages stale" in line, "with those of the pip that it started"
    assert not list(tmp_path.glob("cachedindex-run-*"))


def test_a_pip_that_refuses_imports_once_it_installs(
    run: Run, wheelhouse: Callable[..., Path], index: Index, tmp_path: Path
) -> None:
    """As pip 26.3 does (commands/install.py): what is done at the end has been imported before."""
    newest = environments.make(tmp_path / "newest", tmp_path, wheelhouse("pip==26.3"), "pip==26.3")
    assert run(*CACHEDINDEX, "hook", "install", "--python", newest).code == 0
    files = {"CACHEDINDEX_REPORT": str(tmp_path / "report.html"), "CACHEDINDEX_SUMMARY": str(tmp_path / "summary")}
    sections = tmp_path / "cachedindex.cfg"
    sections.write_text(f"[cachedindex]\nrefresh = alpha\n[cachedindex:own]\nurl = {index.url}\ntimeout = 1\n")
    for variables in ({}, {**files, "CACHEDINDEX_CONFIG": str(sections)}):
        ran = install(run, newest, index, f"target-{len(variables)}", "alpha", **variables)
        assert (ran.code, ran.err) == (0, "")
    assert all(Path(path).read_text() for path in files.values())
    assert len(list((tmp_path / "cache/runs-v1").iterdir())) == 2


def test_an_isolated_pip_below_a_run(run: Run, hook: Callable[..., Ran], python: Path, index: Index) -> None:
    assert hook("install").code == 0
    command = (*CACHEDINDEX, "run", "--", python, "-I", "-m", "pip", "install", "-q", "--target")
    variables = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1"}
    assert run(*command, "A", "alpha", **variables).code == 0
    index.close()
    second = run(*command, "B", "alpha", **variables, **EXPIRED)
    assert second.code == 0, second.err
    assert "served 5 pages stale" in second.ours[-1]
    assert len(second.ours) == 1


def test_it_reads_the_settings_that_it_was_given(
    run: Run, hook: Callable[..., Ran], python: Path, index: Index, tmp_path: Path, environment: dict[str, str]
) -> None:
    del environment["CACHEDINDEX_CACHE_DIR"]
    (tmp_path / "ours.cfg").write_text("[cachedindex]\ncache-dir = kept\nindex-ttl = 0\n")
    assert hook("install", "--config", "ours.cfg").code == 0
    assert f"with the settings of {tmp_path / 'ours.cfg'}" in hook("status").out
    assert f"it keeps everything in {tmp_path / 'kept'}" in hook("status").out
    assert install(run, python, index, "A", "epsilon").code == 0
    assert list((tmp_path / "kept").rglob("page.*"))
    index.close()
    assert "served 1 page stale" in install(run, python, index, "B", "epsilon").ours[-1]


def test_settings_that_are_not_there_are_not_baked_in(hook: Callable[..., Ran]) -> None:
    ran = hook("install", "--config", "nowhere.cfg")
    assert (ran.code, ran.ours) == (2, ["cachedindex: command line: --config nowhere.cfg: there is no such file"])


@pytest.fixture
def copied(tmp_path: Path, site: Path, run: Run, python: Path) -> Path:
    """Give a copy of the package, to be damaged, whose hook is in the environment."""
    package = tmp_path / "tools/cachedindex"
    shutil.copytree(HOOK.parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from cachedindex.__main__ import main; sys.exit(main())"
    installed = run(sys.executable, "-c", code, package.parent, "hook", "install", "--python", python)
    assert installed.code == 0, installed.err
    assert run(python, "-c", IS_ON).out == "True\n"
    return package


@pytest.mark.parametrize("damage", ["tools", "hook", "broken hook", "start", "broken start", "half"])
def test_what_is_left_of_a_damaged_hook_prints_nothing(
    run: Run, python: Path, site: Path, copied: Path, damage: str
) -> None:
    files = {
        "tools": copied.parent,
        "hook": copied / "hook",
        "broken hook": copied / "hook/_cachedindex_hook.py",
        "start": site / "_cachedindex_start.py",
        "broken start": site / "_cachedindex_start.py",
        "half": copied / "clients",
    }
    damaged = files[damage]
    shutil.rmtree(site / "__pycache__", ignore_errors=True)
    if damage.startswith("broken"):
        damaged.write_text("raise SystemError(")
    elif damaged.is_dir():
        shutil.rmtree(damaged)
    else:
        damaged.unlink()
    ran = run(python, "-c", "print('ran')")
    assert (ran.code, ran.out, ran.err) == (0, "ran\n", "")
    pip = run(python, "-m", "pip", "download", "--no-deps", "--no-index", "nothing")
    assert "No matching distribution found for nothing" in pip.err
    assert len(pip.ours) == (damage == "half")


@pytest.mark.parametrize("left", ["", "import os\nimport runpy\nraise SystemExit("], ids=["empty", "cut"])
def test_a_damaged_runner_is_not_used(
    run: Run, python: Path, site: Path, copied: Path, index: Index, left: str
) -> None:
    (copied / "hook/_cachedindex_runner.py").write_text(left)
    ran = install(run, python, index, "A", "source")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[cachedindex\nindex-ttl =", "cachedindex: "),
        ("[cachedindex]\nindex-tll = 3\n", "there is no such option; did you mean index-ttl?"),
        ("[cachedindex]\nbrand-new = yes\nnewer = 1\nindex-ttl = soon\n", "newer: there is no such option"),
        ("\x00\xff", "cachedindex: "),
    ],
    ids=["damaged", "misspelt", "newer", "binary"],
)
def test_a_settings_file_breaks_nothing(
    run: Run, hook: Callable[..., Ran], python: Path, index: Index, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "ours.cfg"
    file.write_text("[cachedindex]\n")
    assert hook("install", "--config", file).code == 0
    file.write_text(text, "latin-1")
    start = run(python, "-c", "print('ran')")
    assert (start.out, start.err) == ("ran\n", "")
    ran = install(run, python, index, "A", "alpha", "source")
    assert ran.code == 0, ran.err
    (line,) = ran.ours
    assert said in line


def test_an_unreadable_cache_breaks_nothing(
    run: Run, hook: Callable[..., Ran], python: Path, index: Index, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert hook("install").code == 0
    ran = install(run, python, index, "A", "alpha", "source")
    assert ran.code == 0, ran.err
    assert len(ran.ours) == 1


def test_status_says_where_it_is_on_and_why_not(
    hook: Callable[..., Ran], python: Path, site: Path, copied: Path, tmp_path: Path
) -> None:
    on = hook("status")
    assert (on.code, on.out.splitlines()[0]) == (0, f"{python}: on")
    assert f"in {site}: installed, from {copied / 'hook/_cachedindex_hook.py'}" in on.out
    assert f"it keeps everything in {tmp_path / 'cache'}" in on.out
    off = hook("status", CACHEDINDEX_DISABLE="true")
    assert (off.code, off.out.splitlines()[0]) == (1, f"{python}: off: disable = true")
    (tmp_path / "open").mkdir(0o777)
    (tmp_path / "open").chmod(0o777)
    off = hook("status", CACHEDINDEX_CACHE_DIR=str(tmp_path / "open"))
    assert (off.code, f"off: {tmp_path / 'open'} is not used: every user" in off.out) == (1, True)
    (tmp_path / "file").touch(0o644)
    on = hook("status", CACHEDINDEX_CACHE_DIR=str(tmp_path / "file"))
    assert (on.code, f"it can store nothing in {tmp_path / 'file'}" in on.out) == (0, True)
    (site / "_cachedindex_start.pth").unlink()
    off = hook("status")
    assert off.out.splitlines()[0] == f"{python}: off: it is installed, but does not start"
    assert "installed, but _cachedindex_start.pth is gone" in off.out
    shutil.rmtree(copied)
    assert f"installed, but {copied / 'hook/_cachedindex_hook.py'} is gone" in hook("status").out
    assert hook("remove").code == 0
    off = hook("status")
    assert (off.code, off.out.splitlines()[0]) == (1, f"{python}: off: it is not installed")


def test_an_environment_that_prints_at_each_start_is_no_mistake(hook: Callable[..., Ran], site: Path) -> None:
    (site / "noisy.pth").write_text("import sys; print('not available')\n")
    try:
        ran = hook("install")
    finally:
        (site / "noisy.pth").unlink()
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("named", ["/no/such/python", "/bin/true", sys.executable + "-config"])
def test_what_is_no_python_is_a_mistake(run: Run, named: str) -> None:
    ran = run(*CACHEDINDEX, "hook", "install", "--python", named)
    assert (ran.code, len(ran.ours)) == (2, 1)
    assert named in ran.err
    assert "Traceback" not in ran.err


def test_a_misspelt_option_is_a_mistake(run: Run) -> None:
    ran = run(*CACHEDINDEX, "hook", "install", "--pyhton", "x")
    assert ran.code == 2
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("left", [b"", None], ids=["empty", "cut"])
def test_a_damaged_start_file_is_told_and_mended(
    run: Run, hook: Callable[..., Ran], python: Path, site: Path, left: bytes | None
) -> None:
    assert hook("install").code == 0
    for path in site.glob("_cachedindex_start.*"):
        whole = path.read_bytes()
        path.write_bytes(whole[: whole.find(b"/hook/")] if left is None else left)
    off = hook("status")
    assert (off.code, off.err) == (1, "")
    assert f"in {site}: installed, but damaged; `cachedindex hook install` mends it" in off.out
    assert hook("install").code == 0
    assert run(python, "-c", IS_ON).out == "True\n"
    assert hook("remove").code == 0
    assert not list(site.glob("_cachedindex_start.*"))


@pytest.mark.parametrize("opened", ["tools/cachedindex/hook/_cachedindex_hook.py", "tools"])
def test_code_that_anybody_can_change_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: str
) -> None:
    hook = tmp_path / "tools/cachedindex/hook/_cachedindex_hook.py"
    hook.parent.mkdir(parents=True)
    hook.touch()
    (tmp_path / opened).chmod(0o777)
    monkeypatch.setattr(installation, "HOOK", hook)
    place = tmp_path / "site-packages"
    place.mkdir()
    with pytest.raises(SettingsError, match=f"{tmp_path / opened}: every user may write there"):
        installation.install_hook(Place(place), sys.executable)
    place.chmod(0o777)  # As all is that a job makes whose umask is 0.
    installation.install_hook(Place(place), sys.executable)


def test_a_folder_that_takes_nothing_is_left_as_it_was(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        folder = Path("/proc/self")
    else:
        folder = tmp_path / "closed"
        folder.mkdir(mode=0o500)
    with pytest.raises(SettingsError, match="cannot write to"):
        installation.install_hook(Place(folder), sys.executable)


def test_the_entry_point_of_the_start_file_is_there(run: Run, tmp_path: Path) -> None:
    """In a process of its own: the hook stays in the one that it is activated in."""
    installation.install_hook(Place(tmp_path, version=(3, 18)), sys.executable)
    (name,) = [
        line for line in (tmp_path / "_cachedindex_start.start").read_text().splitlines() if not line.startswith("#")
    ]
    twice = f"import pkgutil, sys; [pkgutil.resolve_name({name!r})() for _ in range(2)]"  # As Python 3.15 does.
    count = "print([type(finder).__module__ for finder in sys.meta_path].count('_cachedindex_hook'))"
    assert run(sys.executable, "-c", f"{twice}; {count}", PYTHONPATH=str(tmp_path)).out == "1\n"


def test_older_pythons_are_refused(run: Run) -> None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    old = next(iter(sorted(pyenv.glob("3.[6789].*/bin/python"))), None)
    if old is None:
        pytest.skip("SKIPPED FOR WANT OF A PYTHON below 3.10")
    ran = run(*CACHEDINDEX, "hook", "install", "--python", old)
    assert ran.code == 2
    assert "cachedindex needs 3.10" in ran.err


# -- an upgrade --------------------------------------------------------------------------------------------------------

RELEASE_0_1_0 = "4d36d91"


@pytest.fixture
def wheel_of_0_1_0(tmp_path: Path) -> Path:
    """Give the wheel of the first release, built from the history of this checkout."""
    git = shutil.which("git")
    if not git or subprocess.run([git, "-C", CHECKOUT, "cat-file", "-e", RELEASE_0_1_0], check=False).returncode:
        pytest.skip(f"SKIPPED FOR WANT OF THE HISTORY OF GIT: {RELEASE_0_1_0} is not in this checkout")
    archive, release = tmp_path / "release.tar", tmp_path / "release"
    subprocess.run([git, "-C", CHECKOUT, "archive", "-o", archive, RELEASE_0_1_0], check=True)
    shutil.unpack_archive(archive, release)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path / "wheel", release]
    subprocess.run(command, env=clean_environment(tmp_path), check=True, capture_output=True)
    (wheel,) = (tmp_path / "wheel").glob("cachedindex-*.whl")
    return wheel


@pytest.mark.slow
def test_the_hook_of_0_1_0_works_after_an_upgrade(
    run: Run, wheel_of_0_1_0: Path, our_wheel: Path, index: Index, tmp_path: Path
) -> None:
    venv.create(tmp_path / "made", with_pip=True)
    python = tmp_path / "made/bin/python"
    package = (python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--force-reinstall")
    assert run(*package, wheel_of_0_1_0).code == 0
    assert run(python, "-m", "cachedindex", "hook", "install").code == 0
    start_files = {path: path.read_bytes() for path in (tmp_path / "made/lib").rglob("_cachedindex_start.p*")}
    assert len(start_files) == 2
    assert install(run, python, index, "A", "alpha", "source").code == 0
    assert len([path for path in (tmp_path / "cache").rglob("page.*") if path.is_file()]) == 7

    # By a pip that the hook covers, and whose cachedindex is replaced while it runs.
    upgrade = run(*package, our_wheel)
    assert (upgrade.code, upgrade.ours) == (0, []), upgrade.err
    assert {path: path.read_bytes() for path in start_files} == start_files
    status = run(python, "-m", "cachedindex", "hook", "status")
    assert (status.code, status.out.splitlines()[0]) == (0, f"{python}: on")
    assert "`cachedindex hook install` removes _cachedindex_start.start, which an older release needed" in status.out
    assert run(python, "-m", "cachedindex", "hook", "install").code == 0
    assert "older release" not in run(python, "-m", "cachedindex", "hook", "status").out
    assert not list((tmp_path / "made/lib").rglob("_cachedindex_start.start"))

    index.close()
    second = install(run, python, index, "B", "alpha", "source", **EXPIRED)
    assert second.code == 0, second.err
    (line,) = second.ours
    assert "served 7 pages stale" in line


# -- the base interpreter ----------------------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Give the python of a copy of this interpreter, which has no pip."""
    real = Path(sys.base_prefix)
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if not (real / "lib" / name / "os.py").is_file():
        pytest.skip("SKIPPED FOR WANT OF AN INTERPRETER that can be copied as a folder")
    ignored = shutil.ignore_patterns("site-packages", "test", "tests", "idlelib", "tkinter", "__pycache__", "config-*")
    shutil.copytree(real / "lib" / name, tmp_path / "base/lib" / name, ignore=ignored, symlinks=True)
    # A distribution's leads to a configuration file of this machine.
    (tmp_path / "base/lib" / name / "sitecustomize.py").unlink(missing_ok=True)
    for library in (real / "lib").glob("libpython*.so*"):
        shutil.copy(library, tmp_path / "base/lib")
    (tmp_path / "base/bin").mkdir()
    shutil.copy(real / "bin" / name, tmp_path / "base/bin/python3")
    (tmp_path / "base/lib" / name / "site-packages").mkdir()
    return tmp_path / "base/bin/python3"


@pytest.mark.slow
def test_environments_made_of_a_base_interpreter_have_it(run: Run, base: Path, tmp_path: Path, index: Index) -> None:
    bare = run(base, "-m", "venv", "--without-pip", "before")
    if bare.code:
        pytest.skip(f"SKIPPED FOR WANT OF AN INTERPRETER that works when it is copied: {bare.err[-300:]}")
    before = content(base.parent.parent)
    for action, on in (("install", "True\n"), ("remove", "False\n")):
        assert run(*CACHEDINDEX, "hook", action, "--base", "--python", "before/bin/python").code == 0
        assert run(base, "-m", "venv", action).code == 0
        for python in (base, tmp_path / "before/bin/python", tmp_path / action / "bin/python"):
            for isolated in ((), ("-I",)):
                ran = run(python, *isolated, "-c", IS_ON)
                assert (ran.out, ran.err) == (on, ""), python
    assert content(base.parent.parent) == before

    assert run(*CACHEDINDEX, "hook", "install", "--base", "--python", base).code == 0
    python = tmp_path / "install/bin/python"
    assert install(run, python, index, "A", "alpha", "source").code == 0
    index.close()
    second = install(run, python, index, "B", "alpha", "source", **EXPIRED)
    assert second.code == 0, second.err
    assert "served 7 pages stale" in second.ours[-1]


@pytest.mark.slow
def test_an_environments_own_sitecustomize_runs_behind_the_bases(run: Run, base: Path, tmp_path: Path) -> None:
    assert run(*CACHEDINDEX, "hook", "install", "--base", "--python", base).code == 0
    assert run(base, "-m", "venv", "--without-pip", "made").code == 0
    (site,) = (tmp_path / "made/lib").glob("*/site-packages")
    (site / "sitecustomize.py").write_text("print('own', __name__)")
    ran = run(tmp_path / "made/bin/python", "-I", "-c", f"{IS_ON}; import sitecustomize; print(sitecustomize.__file__)")
    assert (ran.out.splitlines(), ran.err) == (["own sitecustomize", "True", str(site / "sitecustomize.py")], "")


ADMINISTERED = "import sys\nsys.administered = __name__\n"


@pytest.fixture
def administered(base: Path, tmp_path: Path) -> Path:
    """Have the base interpreter's sitecustomize.py lead to a file that an administrator edits, as Debian's does."""
    theirs = tmp_path / "etc/sitecustomize.py"
    theirs.parent.mkdir()
    theirs.write_text(ADMINISTERED)
    (library,) = (base.parent.parent / "lib").glob("python3.*")
    (library / "sitecustomize.py").symlink_to(theirs)
    return theirs


@pytest.mark.slow
def test_a_base_that_an_administrator_has_customized(run: Run, base: Path, administered: Path, tmp_path: Path) -> None:
    assert run(base, "-m", "venv", "--without-pip", "before").code == 0
    for action, on in (("install", "True"), ("remove", "False")):
        did = run(*CACHEDINDEX, "hook", action, "--base", "--python", base)
        assert (did.code, did.err) == (0, "")
        assert run(base, "-m", "venv", "--without-pip", action).code == 0
        for python in (base, tmp_path / "before/bin/python", tmp_path / action / "bin/python"):
            for isolated in ((), ("-I",), ("-E",), ("-P",) if sys.version_info >= (3, 11) else ()):
                ran = run(python, *isolated, "-c", f"{IS_ON}; print(sys.administered)")
                assert (ran.out.split(), ran.err) == ([on, "sitecustomize"], ""), python
            assert run(python, "-S", "-c", IS_ON).out == "False\n"
        status = run(*CACHEDINDEX, "hook", "status", "--python", "before/bin/python").out
        assert (f"by a block in {administered}" in status) == (action == "install")
    assert administered.read_text() == ADMINISTERED


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["hook", "broken hook", "start", "broken start"])
def test_a_block_whose_hook_is_damaged_prints_nothing(
    run: Run, base: Path, administered: Path, tmp_path: Path, damage: str
) -> None:
    package = tmp_path / "tools/cachedindex"
    shutil.copytree(HOOK.parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from cachedindex.__main__ import main; sys.exit(main())"
    installed = run(sys.executable, "-c", code, package.parent, "hook", "install", "--base", "--python", base)
    assert installed.code == 0, installed.err
    (start,) = (base.parent.parent / "lib").glob("python3.*/_cachedindex_base.py")
    shutil.rmtree(start.parent / "__pycache__")
    damaged = package / "hook/_cachedindex_hook.py" if damage.endswith("hook") else start
    if damage.startswith("broken"):
        damaged.write_text("raise SystemError(")
    else:
        damaged.unlink()
    ran = run(base, "-c", f"{IS_ON}; print(sys.administered)")
    assert (ran.out.split(), ran.err) == (["False", "sitecustomize"], "")


@pytest.mark.slow
def test_a_base_whose_own_file_ends_early_is_a_mistake(run: Run, base: Path, administered: Path) -> None:
    administered.write_text("raise ImportError('later')\n")
    ran = run(*CACHEDINDEX, "hook", "install", "--base", "--python", base)
    assert ran.code == 2
    assert f"the hook is installed, but {base} does not load it" in ran.ours[-1]
    assert run(*CACHEDINDEX, "hook", "remove", "--base", "--python", base).code == 0
    assert administered.read_text() == "raise ImportError('later')\n"
